/**
 * The one file a backend author must read. A backend implements {@link Storage} and nothing else; the suite in
 * `ambit/testing` tells whether it does.
 *
 * Everything Ambit keeps is a versioned record under an ordered key, changed by transactions. A backend knows nothing
 * of sessions: it compares versions, writes all or nothing, and answers only when what it wrote is as durable as its
 * capabilities say.
 */
import type { Key } from '../core/keys.js';
import type { Value } from '../core/json.js';

export { type Json, Value } from '../core/json.js';
export { compareKeys, decodeKey, encodeKey, type Key, type KeyPart, keysBelow } from '../core/keys.js';
export {
  AmbitError,
  type AmbitErrorCode,
  StorageUnavailableError,
  type WriteOutcome,
} from '../core/errors.js';
export {
  groupBytesMax,
  groupTransactionsMax,
  keyBytesMax,
  transactionKeysMax,
  valueBytesMax,
} from '../core/limits.js';

/** A value, or a promise of it: a backend that answers at once may do so without a promise. */
export type MaybePromise<T> = T | Promise<T>;

/**
 * An opaque token, minted anew by the engine for every write and compared for equality only. It holds letters, digits,
 * `.`, `-` and `_`, at most 64 of them. Never reused, so a record deleted and created again is never mistaken for the
 * old one.
 */
export type Version = string;

/** Where a write expects no record: physically absent, whatever its expiry would be. */
export const absent = null;

/** The version a write expects, or `absent`. */
export type Expected = Version | typeof absent;

/** What lies under a key. Returned whatever its expiry: whether a thing is expired is judged by the rules, not here. */
export interface StoredRecord {
  readonly key: Key;
  readonly version: Version;
  readonly value: Value;
  /** From this time on (milliseconds, by the store's clock) `sweep` may delete the record. For ever, if not given. */
  readonly expiresAtMs?: number;
}

/** Replaces or creates a record. */
export interface Put {
  readonly kind: 'put';
  readonly key: Key;
  readonly expected: Expected;
  readonly version: Version;
  readonly value: Value;
  readonly expiresAtMs?: number;
}

/** Removes a record; with `expected: absent` it only checks. */
export interface Delete {
  readonly kind: 'delete';
  readonly key: Key;
  readonly expected: Expected;
}

/** Changes nothing: the transaction holds only if the record is as expected. */
export interface Check {
  readonly kind: 'check';
  readonly key: Key;
  readonly expected: Expected;
}

/** One entry of a transaction, for one key. */
export type Write = Put | Delete | Check;

/**
 * Writes that happen together or not at all, at most one for a key.
 *
 * With `notAfterMs`, the backend compares its own clock inside the commit, after the versions and before the first
 * write, and answers `late` if it reads more: a process that slept through its decision cannot act on it.
 */
export interface Transaction {
  readonly writes: readonly Write[];
  readonly notAfterMs?: number;
}

/**
 * What became of one transaction. A `conflict` comes with the records that lie under its keys now, in the order of its
 * writes, read after the comparison (a stale one would make the caller lose again). A transaction that is both is a
 * `conflict`, never `late`. Where others kept a record locked, so that it could not be had in time, the transaction is a
 * `conflict` as well, with records that may be as expected: nothing of it was written, nor will be.
 */
export type Outcome =
  | { readonly status: 'ok' }
  | { readonly status: 'late' }
  | { readonly status: 'conflict'; readonly current: readonly (StoredRecord | undefined)[] };

/** Every answer carries the store's own time, in milliseconds since 1970, read between the question and the answer. */
export interface Answer {
  readonly nowMs: number;
}

/** The answer to `read`. */
export interface ReadAnswer extends Answer {
  /** One for each key asked, in that order: all as of one instant. */
  readonly records: readonly (StoredRecord | undefined)[];
}

/** What `peek` shows of a record. */
export type Peeked = Pick<StoredRecord, 'version' | 'value'>;

/** The answer to `commit`. */
export interface CommitAnswer extends Answer {
  /** One for each transaction, in that order. */
  readonly outcomes: readonly Outcome[];
}

/** `busy`: the lock was not to be had within the backend's bound; `run` was not called and nothing was written. */
export type LockedAnswer = (CommitAnswer & { readonly busy?: false }) | (Answer & { readonly busy: true });

/** Which keys to walk, in which direction, and how far. */
export interface RangeQuery {
  /** First key of the range, included. */
  readonly start: Key;
  /** End of the range, not included. */
  readonly end: Key;
  /** At most so many records, 1 to 1,000. */
  readonly limit: number;
  /** From the end to the start. */
  readonly reverse?: boolean;
}

/** The answer to `range`: a page. */
export interface RangeAnswer extends Answer {
  /** In key order by code point (or the reverse of it), at most `limit`. */
  readonly records: readonly StoredRecord[];
}

/** The answer to `sweep`. */
export interface SweepAnswer extends Answer {
  /** The keys of the records that were deleted. As many as the limit: there may be more. */
  readonly keys: readonly Key[];
}

/**
 * How much an answered commit survives, from less to more: nothing (`none`), some of it, lost for at most
 * `lossWindowMs` (`bounded-loss`), a crash of the process (`process`), a loss of power (`power`).
 */
export type Durability =
  | { readonly level: 'none' | 'process' | 'power' }
  | { readonly level: 'bounded-loss'; readonly lossWindowMs: number };

/** What a backend is, frozen at open. The engine and the contract suite read it; nothing else tells backends apart. */
export interface Capabilities {
  /** The folder's name: `memory`, `sqlite`, … */
  readonly name: string;
  readonly durability: Durability;
  /**
   * Who else may write while this object is open: nobody (`exclusive`), processes of this machine (`host`), of any
   * machine (`network`). An exclusive store never conflicts, so its cache is the truth.
   */
  readonly sharing: 'exclusive' | 'host' | 'network';
  /** When the engine calls `locked`: for every group, or only for keys that lost a commit. */
  readonly locking: 'always' | 'after-conflict';
  /** Whether `read` and `commit` answer without a promise and without I/O, so that waiting for company gains nothing. */
  readonly immediate: boolean;
  /** Transactions it takes in one `commit`, at most 1,024. */
  readonly groupTransactionsMax: number;
}

/** What a store tells of itself to whoever examines it, such as `ambit doctor`: words for people, nothing secret. */
export interface StorageDescription {
  /** What does the work, with its version: `PostgreSQL 15.18`, `SQLite 3.53.2`. */
  readonly server: string;
  /** The version of the layout that Ambit keeps its records in, where there is one. */
  readonly schemaVersion?: number;
  /** Settings that decide what an acknowledged call survives, and what else is worth a line: a name and what it is. */
  readonly facts: Readonly<Record<string, string>>;
  /** What should be otherwise: a line each, which says what to do. */
  readonly warnings: readonly string[];
}

/**
 * A store of versioned records. All methods may be called while others are under way.
 *
 * Failures: a backend that cannot answer rejects with {@link StorageUnavailableError}, within a bound of its own, and
 * says whether the group may have been written. It never answers `ok` for what is not durable, and never leaves half a
 * transaction behind.
 */
export interface Storage {
  readonly capabilities: Capabilities;

  /** The store's clock, where it can be read without asking: it is this machine's. Milliseconds since 1970. */
  readonly clock?: () => number;

  /**
   * Where `read` answers at once: what lies under one key at this instant, without an answer around it. To be looked at
   * and not kept, since the next commit may write over it. A store may leave it out, and is then asked by `read`.
   */
  readonly peek?: (key: Key) => Peeked | undefined;

  /** The records under these keys as of one instant; `[]` asks for the time alone. */
  read(keys: readonly Key[]): MaybePromise<ReadAnswer>;

  /**
   * Tries each transaction by itself, in the order given, and makes all that hold durable together: one flush, one
   * round trip. No two of them name the same key. A group that only checks flushes nothing.
   */
  commit(transactions: readonly Transaction[]): MaybePromise<CommitAnswer>;

  /**
   * Locks the keys in one order, hands over their current records (in the order of `keys`), and commits the
   * transactions that `run` returns, before anybody else can write these keys: the queue for contended keys. `run` is
   * synchronous and called at most once; what it throws is thrown on, with nothing written. Its transactions may name
   * other keys too: those are compared as in `commit`.
   */
  locked(
    keys: readonly Key[],
    run: (records: readonly (StoredRecord | undefined)[], nowMs: number) => readonly Transaction[],
  ): MaybePromise<LockedAnswer>;

  /** A page of records in key order. Pages of one walk are not of one instant. */
  range(query: RangeQuery): MaybePromise<RangeAnswer>;

  /** Deletes at most `limit` records that expired by the store's clock. Garbage collection only: no rule relies on it. */
  sweep(limit: number): MaybePromise<SweepAnswer>;

  /** What the store is and how it is set, asked of it now. A store that has nothing to tell leaves it out. */
  describe?(): MaybePromise<StorageDescription>;

  /** Waits for what is under way, then lets go of the store. Closing twice does nothing. */
  close(): MaybePromise<void>;
}
