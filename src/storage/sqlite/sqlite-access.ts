import { isBusy, isSuspect, outcomeOfFailedCommit, unavailable } from './sqlite-errors.js';
import { type MaybePromise, StorageUnavailableError, type WriteOutcome } from '../storage.js';
import type { SqliteConnection } from './sqlite-connection.js';
import type { SqliteRecords } from './sqlite-records.js';
import { createWaitingSign, type WaitingSign } from './sqlite-waiting-sign.js';

/** The write lock, held. Whoever has it ends it, once; everybody else of this process waits until then. */
export interface SqliteLock<T> {
  /** What was looked at when it was taken. */
  readonly seen: T;
  commit<R>(body: (records: SqliteRecords) => R): R;
  abandon(): void;
}

/** How long a call asks for the lock. Others hold it for one flush at a time; a process that was stopped, for ever. */
export const lockWaitMsMax = 5_000;

/** The pause before asking again: about the time for which others hold the lock. */
const lockRetryMs = 1;

/**
 * How long a call asks for the lock before it asks others to stand back. Without, 8 processes on one record made some
 * wait for 0.6 s; at 30 ms they stood back so often that a tenth of the throughput was left.
 */
const patienceMs = 100;

/** How often to look whether the file is still the one at its path. Until then, writes may go to a file nobody finds. */
const lookAgainMs = 1_000;

const busy = Symbol('busy');

/** What is done over a connection, at once; `busy` to be called again. */
type Work<T> = (used: SqliteConnection, impatient: boolean) => T | typeof busy;

/** A timer, and no growing or random pause: whoever waits longer loses to whoever just won. */
export function pauseBeforeRetry(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, lockRetryMs));
}

/** The way to the file: asks again while others lock it, and opens it anew once a connection has failed. */
export class SqliteAccess {
  readonly path: string;
  readonly #reconnect: () => SqliteConnection;
  readonly #sign: WaitingSign;
  #connection: SqliteConnection | undefined;
  #lookedAtMs: number = performance.now();
  #held = false;
  #waiting = 0;
  #closed = false;

  /** @param reconnect opens the file, or throws: SQLITE_BUSY to be asked again */
  constructor(path: string, connected: SqliteConnection, reconnect: () => SqliteConnection) {
    this.path = path;
    this.#connection = connected;
    this.#reconnect = reconnect;
    this.#sign = createWaitingSign(path);
  }

  assertOpen(): void {
    if (this.#closed) {
      throw new StorageUnavailableError(`sqlite: ${this.path} was closed`, { outcome: 'none' });
    }
  }

  /** Runs `body` on a snapshot: all it reads is of one instant. */
  reading<T>(body: (records: SqliteRecords) => T): MaybePromise<T> {
    return this.#patiently(
      (used) => {
        try {
          used.beginReading();
          const result = body(used.records);
          used.commit();
          return result;
        } catch (error) {
          used.rollBack();
          throw error;
        }
      },
      () => this.#throwLocked(),
    );
  }

  /** Runs `body` inside the write lock and commits: what it answers is durable. */
  writing<T>(body: (records: SqliteRecords) => T): MaybePromise<T> {
    return this.#patiently(
      (used, impatient) => {
        if (!this.#begin(used, impatient)) return busy;
        return this.#finish(used, body);
      },
      () => this.#throwLocked(),
    );
  }

  /** Takes the write lock, looks, and keeps the lock; undefined if it was not to be had within the bound. */
  lock<T>(look: (records: SqliteRecords) => T): MaybePromise<SqliteLock<T> | undefined> {
    return this.#patiently<SqliteLock<T> | undefined>(
      (used, impatient) => {
        if (!this.#begin(used, impatient)) return busy;
        try {
          const seen = look(used.records);
          this.#held = true;
          return this.#lockOn(used, seen);
        } catch (error) {
          used.rollBack();
          throw unavailable(this.path, error, 'none');
        }
      },
      () => undefined,
    );
  }

  /** Counts work of several steps as under way, so that `close` waits for all of it. */
  async counted<T>(work: () => Promise<T>): Promise<T> {
    this.#waiting++;
    try {
      return await work();
    } finally {
      this.#waiting--;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    while (this.#waiting > 0 || this.#held) await pauseBeforeRetry();
    this.#connection?.close();
    this.#connection = undefined;
  }

  /** Takes the write lock, or throws SQLITE_BUSY; false to let somebody else have it who waits for long. */
  #begin(used: SqliteConnection, impatient: boolean): boolean {
    if (!impatient && this.#sign.raised()) return false;
    used.begin();
    if (impatient) this.#sign.lower();
    return true;
  }

  #lockOn<T>(used: SqliteConnection, seen: T): SqliteLock<T> {
    let ended = false;
    const end = (): void => {
      if (ended) throw new Error('sqlite: a lock was ended twice: a bug');
      ended = true;
      this.#held = false;
    };
    return {
      seen,
      commit: (body) => {
        end();
        return this.#finish(used, body);
      },
      abandon() {
        end();
        used.rollBack();
      },
    };
  }

  /** Writes and commits inside a transaction that was begun. Says of every failure whether something may have been written. */
  #finish<T>(used: SqliteConnection, body: (records: SqliteRecords) => T): T {
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
        if (isSuspect(error)) this.#discard(used);
      } catch {
        this.#discard(used);
      }
      throw unavailable(this.path, error, outcome);
    }
  }

  /** Answers at once where it can; else asks again, for a bounded time. */
  #patiently<T>(work: Work<T>, giveUp: () => T): MaybePromise<T> {
    const result = this.#attempt(work, false);
    return result === busy ? this.counted(() => this.#insist(work, giveUp)) : result;
  }

  async #insist<T>(work: Work<T>, giveUp: () => T): Promise<T> {
    const startMs = performance.now();
    do {
      await pauseBeforeRetry();
      const impatient = performance.now() - startMs > patienceMs;
      if (impatient) this.#sign.raise();
      const result = this.#attempt(work, impatient);
      if (result !== busy) return result;
    } while (performance.now() - startMs < lockWaitMsMax);
    return giveUp();
  }

  /** One attempt: its result, or `busy`. Where it throws nothing was written, unless the error says so. */
  #attempt<T>(work: Work<T>, impatient: boolean): T | typeof busy {
    if (this.#held) return busy;
    let used: SqliteConnection | undefined;
    try {
      used = this.#usable();
      return work(used, impatient);
    } catch (error) {
      if (used && isSuspect(error)) this.#discard(used);
      if (isBusy(error)) return busy;
      throw unavailable(this.path, error, 'none');
    }
  }

  #usable(): SqliteConnection {
    const nowMs = performance.now();
    if (nowMs - this.#lookedAtMs > lookAgainMs) {
      this.#lookedAtMs = nowMs;
      if (this.#connection?.moved()) this.#discard(this.#connection);
    }
    this.#connection ??= this.#reconnect();
    return this.#connection;
  }

  #discard(failed: SqliteConnection): void {
    if (this.#connection === failed) this.#connection = undefined;
    try {
      failed.close();
    } catch {
      // It is given up because it fails.
    }
  }

  #throwLocked(): never {
    throw new StorageUnavailableError(
      `sqlite: ${this.path} was kept locked by others for ${lockWaitMsMax} ms; look for a process that hangs`,
      { outcome: 'none' },
    );
  }
}
