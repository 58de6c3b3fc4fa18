import type {
  CommitAnswer,
  Key,
  LockedAnswer,
  MaybePromise,
  RangeAnswer,
  RangeQuery,
  ReadAnswer,
  StoredRecord,
  SweepAnswer,
  Transaction,
  WriteOutcome,
} from '../storage.js';
import { StorageUnavailableError } from '../storage.js';
import type { SqliteDatabase } from './sqlite-database.js';
import { isBusy, storageError } from './sqlite-errors.js';

/** How long a call waits for other processes to let go of the file. They hold it for one flush at a time. */
export const lockWaitMsMax = 5_000;

/** Pause before the lock is asked for again: about one flush, which is how long it is held. */
const lockRetryMs = 1;

/** The verbs of a storage over a connection, on the thread that holds it. */
export interface SqliteSession {
  read(keys: readonly Key[]): MaybePromise<ReadAnswer>;
  commit(transactions: readonly Transaction[]): MaybePromise<CommitAnswer>;
  /** As `Storage.locked`, but `run` may also answer later, while the lock is held. */
  locked(
    keys: readonly Key[],
    run: (
      records: readonly (StoredRecord | undefined)[],
      nowMs: number,
    ) => MaybePromise<readonly Transaction[]>,
  ): MaybePromise<LockedAnswer>;
  range(query: RangeQuery): MaybePromise<RangeAnswer>;
  sweep(limit: number): MaybePromise<SweepAnswer>;
}

/** Answered instead of a result where another connection holds the lock. */
const held = Symbol('held');

export function createSqliteSession(
  database: SqliteDatabase,
  path: string,
  clock: () => number,
): SqliteSession {
  /** Runs work between a begin and a commit, or answers `held`; whatever fails before the commit wrote nothing. */
  function transact<T>(begin: () => boolean, work: () => T): T | typeof held {
    let outcome: WriteOutcome = 'none';
    try {
      if (!begin()) return held;
      const result = work();
      // A commit that fails may have reached the disk all the same, and be there after a crash.
      outcome = 'unknown';
      database.commit();
      return result;
    } catch (error) {
      database.rollback();
      if (outcome === 'none' && isBusy(error)) return held;
      throw storageError(path, error, outcome);
    }
  }

  const beginRead = (): boolean => {
    database.beginRead();
    return true;
  };

  return {
    read: (keys) =>
      patiently(() =>
        transact(beginRead, () => ({ records: keys.map((key) => database.find(key)), nowMs: clock() })),
      ),

    commit(transactions) {
      // A group that only checks takes no write lock and flushes nothing: one snapshot is one instant.
      const writes = transactions.some((one) => one.writes.some((write) => write.kind !== 'check'));
      const begin = writes ? () => database.begin() : beginRead;
      return patiently(() =>
        transact(begin, () => {
          const nowMs = clock();
          return { outcomes: database.apply(transactions, nowMs), nowMs };
        }),
      );
    },

    async locked(keys, run) {
      const startMs = performance.now();
      while (!tryBegin()) {
        if (performance.now() - startMs > lockWaitMsMax) return { busy: true, nowMs: clock() };
        await pause();
      }
      let outcome: WriteOutcome = 'none';
      try {
        const seen = run(
          keys.map((key) => database.find(key)),
          clock(),
        );
        const transactions = seen instanceof Promise ? await seen : seen;
        const nowMs = clock();
        const outcomes = database.apply(transactions, nowMs);
        outcome = 'unknown';
        database.commit();
        return { outcomes, nowMs };
      } catch (error) {
        database.rollback();
        throw storageError(path, error, outcome);
      }
    },

    range: (query) =>
      patiently(() => transact(beginRead, () => ({ records: database.range(query), nowMs: clock() }))),

    sweep: (limit) =>
      patiently(() =>
        transact(
          () => database.begin(),
          () => {
            const nowMs = clock();
            return { keys: database.sweep(limit, nowMs), nowMs };
          },
        ),
      ),
  };

  function tryBegin(): boolean {
    try {
      return database.begin();
    } catch (error) {
      throw storageError(path, error, 'none');
    }
  }

  /** Answers at once where the lock is free, and else asks again and again, for a bounded time. */
  function patiently<T>(attempt: () => T | typeof held): MaybePromise<T> {
    const result = attempt();
    return result === held ? insist(attempt) : result;
  }

  async function insist<T>(attempt: () => T | typeof held): Promise<T> {
    const startMs = performance.now();
    for (;;) {
      await pause();
      const result = attempt();
      if (result !== held) return result;
      if (performance.now() - startMs > lockWaitMsMax) {
        throw new StorageUnavailableError(`${path}: other processes kept it locked for ${lockWaitMsMax} ms`, {
          outcome: 'none',
        });
      }
    }
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, lockRetryMs));
}
