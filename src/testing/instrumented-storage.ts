import type {
  CommitAnswer,
  Expected,
  Key,
  LockedAnswer,
  MaybePromise,
  Storage,
  Transaction,
} from '../storage/storage.js';
import { andThen } from './maybe-promise.js';

/** How often a store was asked for what. */
export interface StorageCounts {
  read: number;
  commit: number;
  locked: number;
  range: number;
  sweep: number;
  close: number;
  /** Transactions handed over, by `commit` and from inside `locked`. */
  transactions: number;
  /** The most transactions that were handed over at once. */
  groupTransactionsMax: number;
}

/** One step in the life of a key, as the store acknowledged it. */
export interface Change {
  readonly key: Key;
  /** What the write expected; `undefined` where a sweep deleted the record, and nobody said which version it had. */
  readonly from: Expected | undefined;
  /** The version it wrote, or `absent` for a deletion. */
  readonly to: Expected;
  /** False where the answer never came: the step may not have happened. */
  readonly certain: boolean;
}

/** A store that also tells what was asked of it and what it changed. */
export interface InstrumentedStorage extends Storage {
  readonly counts: Readonly<StorageCounts>;
  /** In the order of the answers, which need not be that of the commits. */
  readonly changes: readonly Change[];
}

/**
 * Counts the calls on a store and keeps the history of its keys: hand the changes of all handles to
 * `findBrokenChains` to see whether an update was lost.
 *
 * @example
 * ```ts
 * import { memoryStorage } from 'ambit/memory';
 * import { instrumentedStorage } from 'ambit/testing';
 * const storage = instrumentedStorage(memoryStorage());
 * storage.sweep(10);
 * storage.counts.sweep; // 1
 * ```
 */
export function instrumentedStorage(storage: Storage): InstrumentedStorage {
  const counts = {
    read: 0,
    commit: 0,
    locked: 0,
    range: 0,
    sweep: 0,
    close: 0,
    transactions: 0,
    groupTransactionsMax: 0,
  };
  const changes: Change[] = [];

  function countGroup(transactions: readonly Transaction[]): void {
    counts.transactions += transactions.length;
    counts.groupTransactionsMax = Math.max(counts.groupTransactionsMax, transactions.length);
  }

  const note: Note = (transaction, certain) => void changes.push(...changesOf(transaction, certain));

  return {
    capabilities: storage.capabilities,
    ...(storage.clock && { clock: storage.clock }),
    ...(storage.describe && { describe: storage.describe.bind(storage) }),
    counts,
    changes,
    read(keys) {
      counts.read++;
      return storage.read(keys);
    },
    commit(transactions) {
      counts.commit++;
      countGroup(transactions);
      return watch(
        note,
        () => transactions,
        () => storage.commit(transactions),
      );
    },
    locked(keys, run) {
      counts.locked++;
      let decided: readonly Transaction[] = [];
      return watch(
        note,
        () => decided,
        () =>
          storage.locked(keys, (records, nowMs) => {
            decided = run(records, nowMs);
            countGroup(decided);
            return decided;
          }),
      );
    },
    range(query) {
      counts.range++;
      return storage.range(query);
    },
    sweep(limit) {
      counts.sweep++;
      return andThen(storage.sweep(limit), (answer) => {
        for (const key of answer.keys) changes.push({ key, from: undefined, to: null, certain: true });
        return answer;
      });
    },
    close() {
      counts.close++;
      return storage.close();
    },
  };
}

type Note = (transaction: Transaction, certain: boolean) => void;

function changesOf(transaction: Transaction, certain: boolean): Change[] {
  return transaction.writes.flatMap((write) => {
    if (write.kind === 'check') return [];
    const to = write.kind === 'put' ? write.version : null;
    // Deleting what is absent changes nothing.
    return write.expected === to ? [] : [{ key: write.key, from: write.expected, to, certain }];
  });
}

/** Asks, and notes what the answer acknowledged or a failure left open. */
function watch<A extends CommitAnswer | LockedAnswer>(
  note: Note,
  transactions: () => readonly Transaction[],
  ask: () => MaybePromise<A>,
): MaybePromise<A> {
  const noteAnswer = (answer: A): A => {
    const outcomes = 'outcomes' in answer ? answer.outcomes : [];
    transactions().forEach((transaction, index) => {
      if (outcomes[index]?.status === 'ok') note(transaction, true);
    });
    return answer;
  };
  const noteFailure = (error: unknown): never => {
    if ((error as { outcome?: unknown } | undefined)?.outcome !== 'none') {
      for (const transaction of transactions()) note(transaction, false);
    }
    throw error;
  };
  let answer: MaybePromise<A>;
  try {
    answer = ask();
  } catch (error) {
    return noteFailure(error);
  }
  return answer instanceof Promise ? answer.then(noteAnswer, noteFailure) : noteAnswer(answer);
}
