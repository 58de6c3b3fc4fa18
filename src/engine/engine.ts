import type { Interval } from '../core/time.js';
import type { Key } from '../core/keys.js';
import type { Refused } from '../core/refusals.js';

/**
 * The records of one call, as they will be if everything before it is committed. Values are read only: put a new one.
 */
export interface View {
  /** The value under a key, whatever its expiry. Ties this call's fate to every other call on the same key. */
  get<T>(key: Key<T>): T | undefined;
  /**
   * The value under the key of a record that is never changed once it exists. Not compared at commit, so it costs
   * nothing once it is cached; while it is absent it is an ordinary `get`.
   */
  getConstant<T>(key: Key<T>): T | undefined;
  /** Creates or replaces. `expiresAtMs` is when the store may forget the record; no rule may rely on it. */
  put<T>(key: Key<T>, value: T, options?: { readonly expiresAtMs?: number }): void;
  /**
   * Creates a record under a key that nobody else can have made, such as one that holds a fresh id: it is not looked up
   * first. Should it be there all the same, nothing of the call is applied.
   */
  insert<T>(key: Key<T>, value: T, options?: { readonly expiresAtMs?: number }): void;
  delete(key: Key): void;
  /** Says that these keys will be touched, so that they are loaded together and not one run at a time. */
  need(keys: readonly Key[]): void;
  /** What this call decided holds only while the store's clock reads at most `ms`; later the call runs again. */
  validUntil(ms: number): void;
}

/**
 * What a call does. Synchronous and pure: it may run any number of times, so no clock, no random, no I/O, and no
 * try/catch. Either it refuses (answers `{ ok: false }`) and writes nothing, or it writes what it likes.
 */
export type Body<T> = (view: View, now: Interval) => T;

export interface Engine {
  /**
   * Runs a body and answers what it answered once that is as durable as the store makes it. If the store cannot say, the
   * answer is a `STORAGE_UNAVAILABLE` refusal; what the body throws is thrown on.
   *
   * @param keys the keys the body will touch, as far as known; others are loaded when it touches them, and it runs again
   * @param constants those it will only read with `getConstant`
   */
  transact<T>(keys: readonly Key[], body: Body<T>, constants?: readonly Key[]): Promise<T | Refused>;
  /**
   * `transact` on a store that answers at once, without the promise, which costs more than the checks of a call do. Not
   * there for other stores.
   */
  readonly transactAtOnce: (<T>(body: Body<T>) => T | Refused) | undefined;
  /** The values under these keys as of one instant, from the store itself, with its time. */
  read<T>(keys: readonly Key<T>[]): Promise<{ ok: true; values: (T | undefined)[]; now: Interval } | Refused>;
  /** A page of an index, from the store itself. `unreadable` is empty unless it was asked for. */
  range<T>(
    query: EngineRange,
  ): Promise<{ ok: true; entries: { key: Key<T>; value: T }[]; unreadable: Key[]; now: Interval } | Refused>;
  /** Deletes at most `limit` expired records and names them. */
  sweep(limit: number): Promise<{ ok: true; keys: readonly Key[] } | Refused>;
  /** Refuses what comes from now on, waits for what was accepted, and closes the store. */
  close(): Promise<void>;
}

export interface EngineRange {
  readonly start: Key;
  readonly end: Key;
  readonly limit: number;
  readonly reverse?: boolean;
  /**
   * Whether records whose text is no JSON are named apart, so that they do not hide the others; they count towards the
   * limit. Else one of them makes the whole page fail.
   */
  readonly nameUnreadable?: boolean;
}
