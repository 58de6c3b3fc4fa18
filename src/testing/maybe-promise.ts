import type { MaybePromise } from '../storage/storage.js';

/** Goes on with an answer: at once if it is there, so that a wrapper of a store that answers at once does so as well. */
export function andThen<A, B>(
  answer: MaybePromise<A>,
  proceed: (answer: A) => MaybePromise<B>,
): MaybePromise<B> {
  return answer instanceof Promise ? answer.then(proceed) : proceed(answer);
}
