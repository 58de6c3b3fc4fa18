import type { Key, MaybePromise, Storage, Transaction } from '../storage/storage.js';

/**
 * The same store, which tells what may have been written through it once that is as durable as it will be. Also where it was
 * not, or another wrote there: after a reply that was lost only the store knows, and it is asked what it holds.
 */
export function watchedStorage(storage: Storage, onWritten: (key: Key) => void): Storage {
  function tell(transactions: readonly Transaction[]): void {
    for (const { writes } of transactions)
      for (const { kind, key } of writes) if (kind !== 'check') onWritten(key);
  }

  const { clock, peek, describe } = storage;
  return {
    capabilities: storage.capabilities,
    ...(clock && { clock: () => clock.call(storage) }),
    ...(peek && { peek: (key: Key) => peek.call(storage, key) }),
    ...(describe && { describe: () => describe.call(storage) }),
    read: (keys) => storage.read(keys),
    range: (query) => storage.range(query),
    commit: (transactions) =>
      afterwards(
        () => storage.commit(transactions),
        () => tell(transactions),
      ),
    locked(keys, run) {
      let decided: readonly Transaction[] = [];
      return afterwards(
        () => storage.locked(keys, (records, nowMs) => (decided = run(records, nowMs))),
        () => tell(decided),
      );
    },
    sweep: (limit) =>
      then(storage.sweep(limit), (answer) => {
        for (const key of answer.keys) onWritten(key);
        return answer;
      }),
    close: () => storage.close(),
  };
}

/** Whatever became of it; at once where the store answers at once. */
function afterwards<T>(ask: () => MaybePromise<T>, tell: () => void): MaybePromise<T> {
  let answer: MaybePromise<T>;
  try {
    answer = ask();
  } catch (error) {
    tell();
    throw error;
  }
  if (answer instanceof Promise) return answer.finally(tell);
  tell();
  return answer;
}

/** At once where the store answers at once: an engine on such a store waits for nothing. */
function then<T>(answer: MaybePromise<T>, use: (answer: T) => T): MaybePromise<T> {
  return answer instanceof Promise ? answer.then(use) : use(answer);
}
