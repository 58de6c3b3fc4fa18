import type {
  CommitAnswer,
  Key,
  MaybePromise,
  RangeAnswer,
  RangeQuery,
  ReadAnswer,
  StoredRecord,
  SweepAnswer,
  Transaction,
} from '../storage.js';
import { onlyChecks, recordUnder, tryGroup } from './sqlite-group.js';
import { recordOf, type Row, type SqliteRecords } from './sqlite-records.js';
import type { SqliteAccess, SqliteLock } from './sqlite-access.js';

/** The methods of a storage on the thread that holds its connection. */
export interface SqliteExecutor {
  read(keys: readonly Key[]): MaybePromise<ReadAnswer>;
  commit(transactions: readonly Transaction[]): MaybePromise<CommitAnswer>;
  /** Takes the write lock and reads; undefined if it was not to be had within the bound. */
  lock(keys: readonly Key[]): MaybePromise<SqliteHold | undefined>;
  range(query: RangeQuery): MaybePromise<RangeAnswer>;
  sweep(limit: number): MaybePromise<SweepAnswer>;
  close(): Promise<void>;
}

/** The write lock and the records under some keys. Whoever has it ends it, once. */
export interface SqliteHold {
  readonly records: readonly (StoredRecord | undefined)[];
  readonly nowMs: number;
  commit(transactions: readonly Transaction[]): CommitAnswer;
  abandon(): void;
}

/** Records deleted under one lock: some two milliseconds. */
const sweepBatchMax = 256;

export function createExecutor(access: SqliteAccess, clock: () => number): SqliteExecutor {
  return {
    read(keys) {
      access.assertOpen();
      return access.reading((records) => ({
        records: keys.map((key) => recordUnder(records, key)),
        nowMs: clock(),
      }));
    },

    commit(transactions) {
      access.assertOpen();
      const body = (records: SqliteRecords): CommitAnswer => ({
        outcomes: tryGroup(records, transactions, clock),
        nowMs: clock(),
      });
      return onlyChecks(transactions) ? access.reading(body) : access.writing(body);
    },

    lock(keys) {
      access.assertOpen();
      const lock = access.lock((records) => keys.map((key) => records.row(key)));
      return lock instanceof Promise
        ? lock.then((taken) => taken && holdOver(taken, keys, clock))
        : lock && holdOver(lock, keys, clock);
    },

    range(query) {
      access.assertOpen();
      return access.reading((records) => ({ records: records.range(query), nowMs: clock() }));
    },

    async sweep(limit) {
      access.assertOpen();
      return access.counted(() => sweepInBatches(access, limit, clock));
    },

    close: () => access.close(),
  };
}

function holdOver(
  lock: SqliteLock<(Row | undefined)[]>,
  keys: readonly Key[],
  clock: () => number,
): SqliteHold {
  const { seen } = lock;
  return {
    records: seen.map((row, index) => row && recordOf(keys[index] as Key, row)),
    nowMs: clock(),
    commit: (transactions) =>
      lock.commit((records) => {
        // What was read inside the lock is not read again.
        const known = new Map(keys.map((key, index) => [key, seen[index]]));
        return { outcomes: tryGroup(records, transactions, clock, known), nowMs: clock() };
      }),
    abandon: () => lock.abandon(),
  };
}

/** Deletes in pieces, so that nobody waits for the lock longer than one of them takes. */
async function sweepInBatches(
  access: SqliteAccess,
  limit: number,
  clock: () => number,
): Promise<SweepAnswer> {
  const keys: Key[] = [];
  for (;;) {
    const nowMs = clock();
    const most = Math.min(limit - keys.length, sweepBatchMax);
    // A look without the lock first: mostly there is nothing to do.
    if (most <= 0 || !(await access.reading((records) => records.hasExpired(nowMs)))) break;
    const swept = await access.writing((records) => records.sweep(nowMs, most));
    keys.push(...swept);
    if (swept.length < most) break;
  }
  return { keys, nowMs: clock() };
}
