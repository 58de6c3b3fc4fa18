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
  WriteOutcome,
} from '../storage.js';
import { isBusy, isSuspect, outcomeOfFailedCommit, unavailable } from './sqlite-errors.js';
import { onlyChecks, recordUnder, tryGroup } from './sqlite-group.js';
import { recordOf, type SqliteRecords } from './sqlite-records.js';
import type { SqliteConnection } from './sqlite-connection.js';
import { StorageUnavailableError } from '../storage.js';

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

/** The write lock, held. Whoever has one ends it, once; everybody else waits until then. */
export interface SqliteHold {
  readonly records: readonly (StoredRecord | undefined)[];
  readonly nowMs: number;
  commit(transactions: readonly Transaction[]): CommitAnswer;
  abandon(): void;
}

export interface SqliteExecutorOptions {
  readonly path: string;
  readonly clock: () => number;
  /** Opens the file anew, after the connection before has failed. */
  readonly reconnect: () => SqliteConnection;
}

/** How long a call asks for the lock. Others hold it for one flush at a time; a process that was stopped, for ever. */
export const lockWaitMsMax = 5_000;

/** The pause before asking again: about the time for which others hold the lock. */
export const lockRetryMs = 1;

/** Records deleted under one lock: some two milliseconds. */
const sweepBatchMax = 256;

/** How often to look whether the file is still the one at its path. Until then, writes may go to a file nobody finds. */
const lookAgainMs = 1_000;

const busy = Symbol('busy');

export function createExecutor(
  connected: SqliteConnection,
  { path, clock, reconnect }: SqliteExecutorOptions,
): SqliteExecutor {
  let connection: SqliteConnection | undefined = connected;
  let lookedAtMs = performance.now();
  let held = false;
  let closed = false;
  let waiting = 0;

  function usable(): SqliteConnection {
    const nowMs = performance.now();
    if (nowMs - lookedAtMs > lookAgainMs) {
      lookedAtMs = nowMs;
      if (connection?.moved()) discard(connection);
    }
    connection ??= reconnect();
    return connection;
  }

  function discard(failed: SqliteConnection): void {
    if (connection === failed) connection = undefined;
    try {
      failed.close();
    } catch {
      // It is given up because it fails.
    }
  }

  function assertOpen(): void {
    if (closed) throw new StorageUnavailableError(`sqlite: ${path} was closed`, { outcome: 'none' });
  }

  /** One attempt: its result, or `busy`. Nothing was written where it throws, unless the error says so. */
  function attempt<T>(work: (used: SqliteConnection) => T): T | typeof busy {
    if (held) return busy;
    let used: SqliteConnection | undefined;
    try {
      used = usable();
      return work(used);
    } catch (error) {
      if (used && isSuspect(error)) discard(used);
      if (isBusy(error)) return busy;
      throw unavailable(path, error, 'none');
    }
  }

  /** Answers at once where it can; else asks again, for a bounded time. */
  function patiently<T>(work: (used: SqliteConnection) => T, giveUp: () => T): MaybePromise<T> {
    const result = attempt(work);
    return result === busy ? insist(work, giveUp) : result;
  }

  async function insist<T>(work: (used: SqliteConnection) => T, giveUp: () => T): Promise<T> {
    const startMs = performance.now();
    waiting++;
    try {
      do {
        // A timer, and no growing or random pause: whoever waits longer loses to whoever just won.
        await new Promise((resolve) => setTimeout(resolve, lockRetryMs));
        const result = attempt(work);
        if (result !== busy) return result;
      } while (performance.now() - startMs < lockWaitMsMax);
      return giveUp();
    } finally {
      waiting--;
    }
  }

  function locked(): never {
    throw new StorageUnavailableError(`sqlite: ${path} was kept locked by others for ${lockWaitMsMax} ms`, {
      outcome: 'none',
    });
  }

  function reading<T>(body: (records: SqliteRecords) => T): MaybePromise<T> {
    return patiently((used) => {
      try {
        used.beginReading();
        const result = body(used.records);
        used.commit();
        return result;
      } catch (error) {
        used.rollBack();
        throw error;
      }
    }, locked);
  }

  /** Ends a write transaction that was begun. */
  function finish<T>(used: SqliteConnection, body: (records: SqliteRecords) => T): T {
    let committing = false;
    try {
      const result = body(used.records);
      committing = true;
      used.commit();
      return result;
    } catch (error) {
      const outcome: WriteOutcome = committing ? outcomeOfFailedCommit(error) : 'none';
      try {
        used.rollBack();
        if (isSuspect(error)) discard(used);
      } catch {
        discard(used);
      }
      throw unavailable(path, error, outcome);
    }
  }

  function writing<T>(body: (records: SqliteRecords) => T): MaybePromise<T> {
    return patiently((used) => {
      used.begin();
      return finish(used, body);
    }, locked);
  }

  function hold(used: SqliteConnection, keys: readonly Key[]): SqliteHold {
    const rows = keys.map((key) => used.records.row(key));
    let ended = false;
    const end = (): void => {
      if (ended) throw new StorageUnavailableError(`sqlite: ${path}: decided too late`, { outcome: 'none' });
      ended = true;
      held = false;
    };
    held = true;
    return {
      records: rows.map((row, index) => row && recordOf(keys[index] as Key, row)),
      nowMs: clock(),
      commit(transactions) {
        end();
        const known = new Map(keys.map((key, index) => [key, rows[index]]));
        return finish(used, (records) => ({
          outcomes: tryGroup(records, transactions, clock, known),
          nowMs: clock(),
        }));
      },
      abandon() {
        end();
        used.rollBack();
      },
    };
  }

  /** Deletes in pieces, so that nobody waits for the lock longer than one of them takes. */
  async function sweepInBatches(limit: number): Promise<SweepAnswer> {
    const keys: Key[] = [];
    for (;;) {
      const nowMs = clock();
      const most = Math.min(limit - keys.length, sweepBatchMax);
      // A look without the lock first: mostly there is nothing to do.
      if (most <= 0 || !(await reading((records) => records.hasExpired(nowMs)))) break;
      const swept = await writing((records) => records.sweep(nowMs, most));
      keys.push(...swept);
      if (swept.length < most) break;
    }
    return { keys, nowMs: clock() };
  }

  return {
    read(keys) {
      assertOpen();
      return reading((records) => ({
        records: keys.map((key) => recordUnder(records, key)),
        nowMs: clock(),
      }));
    },

    commit(transactions) {
      assertOpen();
      const body = (records: SqliteRecords): CommitAnswer => ({
        outcomes: tryGroup(records, transactions, clock),
        nowMs: clock(),
      });
      return onlyChecks(transactions) ? reading(body) : writing(body);
    },

    lock(keys) {
      assertOpen();
      const take = (used: SqliteConnection): SqliteHold => {
        used.begin();
        try {
          return hold(used, keys);
        } catch (error) {
          used.rollBack();
          throw unavailable(path, error, 'none');
        }
      };
      return patiently<SqliteHold | undefined>(take, () => undefined);
    },

    range(query) {
      assertOpen();
      return reading((records) => ({ records: records.range(query), nowMs: clock() }));
    },

    async sweep(limit) {
      assertOpen();
      waiting++;
      try {
        return await sweepInBatches(limit);
      } finally {
        waiting--;
      }
    },

    async close() {
      closed = true;
      while (waiting > 0 || held) await new Promise((resolve) => setTimeout(resolve, lockRetryMs));
      connection?.close();
      connection = undefined;
    },
  };
}
