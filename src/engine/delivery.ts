import type { CommitAnswer, Outcome, StoredRecord, Transaction, Write } from '../storage/storage.js';
import type { MaybePromise } from '../storage/storage.js';
import type { WriteOutcome } from '../core/errors.js';
import { type Failure, failureOf } from './unavailable.js';
import { deliveryMsMax, resendPausesMs } from './engine-limits.js';

/** What became of a transaction, as far as it can be known. */
export type Fate =
  | { readonly kind: 'applied'; readonly current?: readonly (StoredRecord | undefined)[] }
  | { readonly kind: 'conflict'; readonly current: readonly (StoredRecord | undefined)[] }
  | { readonly kind: 'late' }
  | {
      readonly kind: 'lost';
      readonly reason: string;
      readonly outcome: WriteOutcome;
      readonly retryAfterMs: number | 'never';
    };

export interface Delivery {
  readonly fates: readonly Fate[];
  /** Whether a reply was lost on the way, so that what is cached of these keys cannot be trusted. */
  readonly uncertain: boolean;
  /** Why there are no fates: the store failed before there was anything to send. */
  readonly failure?: Failure;
}

/**
 * Sends a group until its fate is known: a lost reply is not a failure, so the same transactions, with the same
 * versions, are sent again.
 *
 * @param first sends the group for the first time; what it answers may be lost
 * @param transactions what was sent, once `first` has been called
 * @param resend sends the same transactions again
 * @param monotonicMs milliseconds that only go forward
 */
export async function deliver(
  first: () => MaybePromise<CommitAnswer>,
  transactions: () => readonly Transaction[],
  resend: (transactions: readonly Transaction[]) => MaybePromise<CommitAnswer>,
  monotonicMs: () => number,
): Promise<Delivery> {
  const startMs = monotonicMs();
  let uncertain = false;
  for (let attempt = 0; ; attempt++) {
    try {
      const sent = attempt === 0 ? first() : resend(transactions());
      const answer = sent instanceof Promise ? await sent : sent;
      const fates = transactions().map((transaction, index) =>
        fateOf(transaction, answer.outcomes[index], uncertain),
      );
      return { fates, uncertain };
    } catch (error) {
      const failure = failureOf(error);
      uncertain ||= failure.outcome === 'unknown';
      const pauseMs = resendPausesMs[attempt] ?? Number.POSITIVE_INFINITY;
      const inTime = monotonicMs() - startMs + pauseMs <= deliveryMsMax;
      if (!uncertain || transactions().length === 0 || !inTime) {
        const fates = transactions().map((transaction): Fate => {
          const outcome = uncertain && transaction.writes.some(changes) ? 'unknown' : 'none';
          return { kind: 'lost', ...failure, outcome };
        });
        return { fates, uncertain, failure };
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}

function fateOf(transaction: Transaction, outcome: Outcome | undefined, uncertain: boolean): Fate {
  if (outcome?.status === 'ok') return { kind: 'applied' };
  if (outcome?.status === 'late') {
    if (!uncertain || !transaction.writes.some(changes)) return { kind: 'late' };
    // All versions still match, so no earlier copy of it was applied yet. One that is still on its way would be late as
    // well, but for a clock that is set back before it arrives.
    const reason = 'its reply was lost, and it may still be on its way';
    return { kind: 'lost', reason, outcome: 'unknown', retryAfterMs: 0 };
  }
  if (!outcome) {
    return { kind: 'lost', reason: 'an answer without an outcome', outcome: 'unknown', retryAfterMs: 1_000 };
  }
  const ours = transaction.writes.some(
    (write, index) => write.kind === 'put' && outcome.current[index]?.version === write.version,
  );
  if (ours) return { kind: 'applied', current: outcome.current };
  if (uncertain && transaction.writes.some(changes)) {
    const reason = 'its reply was lost and somebody else wrote since';
    return { kind: 'lost', reason, outcome: 'unknown', retryAfterMs: 0 };
  }
  return { kind: 'conflict', current: outcome.current };
}

function changes(write: Write): boolean {
  return write.kind !== 'check';
}
