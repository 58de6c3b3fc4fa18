import type { Json } from '../core/json.js';
import type { Refused } from '../core/refusals.js';

/** Where an entry lies: in this process, gone when it ends, or in the store. */
export type ScopeLayer = 'ephemeral' | 'persistent';

/** One entry of a scope. JSON, all times in milliseconds since 1970. A copy: changing it changes nothing that is kept. */
export interface ScopeEntry {
  readonly key: string;
  readonly value: Json;
  readonly layer: ScopeLayer;
  readonly createdAtMs: number;
  /** Later with every write of the entry, also where the store's clock stands still. */
  readonly updatedAtMs: number;
  /** The step of a flow that wrote it, where it said so. */
  readonly sourceStep?: string;
  /** From then on it is not there. */
  readonly expiresAtMs?: number;
  /** Of a persistent entry: another one after every write, and never the same again. Compared for equality only. */
  readonly version?: string;
}

/** Which scope an operation is about. */
export interface ScopeOptions {
  /** Any well-formed text of at most 1,024 bytes; `global` unless said. See {@link flowScope} and {@link daemonScope}. */
  readonly scope?: string;
}

/** What a write says of its entry. */
export interface EntryOptions extends ScopeOptions {
  /** How long the entry lives, 1 ms to 10 years; for ever unless said. */
  readonly ttlMs?: number;
  /** The step of a flow that writes it: 1 to 255 characters. */
  readonly sourceStep?: string;
}

/** What a write to the persistent layer says of the entry that it expects. */
export interface ExpectOptions {
  /** The version that was read, or `null` where there must be no entry; not compared unless given. */
  readonly expectedVersion?: string | null;
}

/** One write of several that happen together; `persist`, `mutate` and `purge` are one of these each. */
export type ScopeChange =
  | (EntryOptions &
      ExpectOptions & {
        readonly kind: 'persist' | 'mutate';
        readonly key: string;
        readonly value: Json;
      })
  | (ScopeOptions & ExpectOptions & { readonly kind: 'purge'; readonly key: string });

/** What a change did. */
export interface ScopeChanged {
  /** Whether anything was written: `mutate` and `purge` of what is not there write nothing. */
  readonly changed: boolean;
  /** Whether the entry is new. */
  readonly created: boolean;
  /** The version of the entry as written. */
  readonly version?: string;
}

/** Which entries of a scope, in the order of their keys by code point, and which page of them. */
export interface EntryListOptions extends ScopeOptions {
  /** Only this layer; both unless said, the ephemeral entry of a key before the persistent one. */
  readonly layer?: ScopeLayer;
  /** Only keys that begin so. The rest of the scope is not read. */
  readonly prefix?: string;
  /** Entries on a page: 1 to 1,000; 100 unless said. */
  readonly limit?: number;
  /** Where the last page ended. */
  readonly cursor?: string;
}

/** What `query` takes beside the text. */
export interface EntryQueryOptions extends EntryListOptions {
  /** Entries to look at before answering with a cursor: 1 to 10,000; 10,000 unless said. */
  readonly scanMax?: number;
}

/** Which scopes, in order, and which page of them. */
export interface ScopeListOptions {
  /** Only names that begin so, such as `flow:`. */
  readonly prefix?: string;
  /** Scopes on a page: 1 to 1,000; 100 unless said. */
  readonly limit?: number;
  readonly cursor?: string;
}

/** Entries of a scope that are there, by layer. */
export interface ScopeCounts {
  readonly ephemeral: number;
  readonly persistent: number;
  readonly total: number;
}

/** A scope and how much it holds. */
export interface ScopeSummary extends ScopeCounts {
  readonly scope: string;
}

/** How a scope is written out. */
export interface ScopeExportOptions extends ScopeOptions {
  /** `json` unless said. What CSV loses cannot be imported again. */
  readonly format?: 'json' | 'csv';
  readonly layer?: ScopeLayer;
  readonly prefix?: string;
}

/** How an export is read in. */
export interface ScopeImportOptions {
  /** Where the entries go; into the scope that the export names unless said. */
  readonly scope?: string;
  /**
   * `merge` (unless said) writes entry after entry over what is there, in pieces. `replace` fills the scope aside and
   * switches over at once: readers see all of the old entries or all of the new.
   */
  readonly mode?: 'merge' | 'replace';
}

type Answer<T> = Promise<({ readonly ok: true } & T) | Refused>;

/**
 * Scoped memory: notes of this process and facts in the store, each under a key, in scopes that never meet.
 *
 * Every operation answers `{ ok: true, … }` or `{ ok: false, refusal }`, a store that cannot answer included. A `TypeError`
 * is thrown for a wrong JavaScript type, such as a value that is no JSON. Reading never creates a scope.
 */
export interface Scopes {
  /** Notes something in this process. Refuses with `SCOPE_FULL` past the bounds of the settings: no note is pushed out by another. */
  remember(key: string, value: Json, options?: EntryOptions): { readonly ok: true } | Refused;
  /** What was noted; no `entry` where nothing was, or no more. */
  recall(
    key: string,
    options?: ScopeOptions,
  ): { readonly ok: true; readonly entry: ScopeEntry | undefined } | Refused;
  /** Forgets a note, and says whether there was one. */
  forget(key: string, options?: ScopeOptions): { readonly ok: true; readonly forgotten: boolean } | Refused;

  /** Creates or replaces an entry; answered once it is as durable as the store makes it. Refuses with `VERSION_MISMATCH`, `SCOPE_FULL`. */
  persist(
    key: string,
    value: Json,
    options?: EntryOptions & ExpectOptions,
  ): Answer<{ version: string; created: boolean }>;
  /** An entry; no `entry` where there is none. */
  retrieve(key: string, options?: ScopeOptions): Answer<{ entry: ScopeEntry | undefined }>;
  /** Entries as of one instant, in the order of the keys, at most 1,000. */
  retrieveMany(
    keys: readonly string[],
    options?: ScopeOptions,
  ): Answer<{ entries: readonly (ScopeEntry | undefined)[] }>;
  /** Replaces an entry only if there is one, and says whether. Its lifetime and source step are those given now. */
  mutate(
    key: string,
    value: Json,
    options?: EntryOptions & ExpectOptions,
  ): Answer<{ mutated: boolean; version?: string }>;
  /** Deletes an entry, and says whether there was one. */
  purge(key: string, options?: ScopeOptions & ExpectOptions): Answer<{ purged: boolean }>;
  /**
   * Deletes persistent entries that `where` says yes to, in pieces. Each is deleted only as it was when `where` saw it. A
   * refusal ends it; what was deleted until then stays so.
   */
  purgeWhere(
    where: (entry: ScopeEntry) => boolean,
    options?: ScopeOptions & { readonly prefix?: string },
  ): Answer<{ purged: number; scanned: number }>;
  /** Several changes, of one scope or more, in one transaction: all or none. At most 500, and 3 MiB of keys and values. */
  change(changes: readonly ScopeChange[]): Answer<{ changes: readonly ScopeChanged[] }>;

  /** Entries in order of their keys, each with its layer. */
  list(options?: EntryListOptions): Answer<{ entries: readonly ScopeEntry[]; cursor?: string }>;
  /**
   * Entries that hold a text, in any case, in the key or in a string, a number or a name of a field of the value; `''` is
   * all. Looks at `scanned` entries, at most `scanMax` and about 8 MiB of them; where there are more to look at, the answer has
   * a cursor.
   */
  query(
    text: string,
    options?: EntryQueryOptions,
  ): Answer<{ entries: readonly ScopeEntry[]; scanned: number; cursor?: string }>;

  /** Names of scopes that hold anything, sorted by code point, with those of this process's notes, and `global`. */
  listScopes(options?: ScopeListOptions): Answer<{ scopes: readonly string[]; cursor?: string }>;
  /** The same, with how much each holds. */
  summary(options?: ScopeListOptions): Answer<{ scopes: readonly ScopeSummary[]; cursor?: string }>;
  /** How many scopes `listScopes` lists in all. */
  scopeCount(): Answer<{ count: number }>;
  /** How much a scope holds; zeros where there is none. */
  count(options?: ScopeOptions): Answer<ScopeCounts>;
  /** How much all scopes hold together. Walks them all: not of one instant. */
  countAll(): Answer<ScopeCounts & { scopes: number }>;

  /**
   * Drops a scope with all it holds, in both layers: gone at once, collected afterwards. `global` is emptied. What has
   * expired and was not collected yet is among what was dropped.
   */
  dropScope(scope: string): Answer<{ dropped: ScopeCounts }>;
  /** Resolves when every write of this scope that was accepted so far is durable; a refusal if one of them was not. */
  flush(options?: ScopeOptions): Promise<{ readonly ok: true } | Refused>;
  /** The same, for all scopes. */
  flushAll(): Promise<{ readonly ok: true } | Refused>;

  /** A scope as one text. Refuses past 64 MiB; `exportTo` has no such bound. */
  export(options?: ScopeExportOptions): Answer<{ text: string; entries: number }>;
  /** Writes a scope out piece by piece, waiting for `write` each time. Not of one instant. */
  exportTo(
    write: (piece: string) => void | Promise<void>,
    options?: ScopeExportOptions,
  ): Answer<{ entries: number }>;
  /** Reads in what `export` wrote as JSON, each entry into its layer; what has expired since is left out. */
  import(text: string, options?: ScopeImportOptions): Answer<{ imported: number; expired: number }>;

  /** Deletes what was dropped and what has expired, at most about 100,000 records a call, and says how many entries. */
  sweep(): Answer<{ entries: number }>;
}

/** The settings of `openAmbit({ scopes })`. */
export interface ScopeSettings {
  /** Persistent entries one scope may hold: 1 to 1,000,000,000; no bound unless said. */
  readonly entriesPerScopeMax?: number;
  /** Bytes of JSON in one value: 1 to 1,000,000; 1,000,000 unless said. */
  readonly valueBytesMax?: number;
  /** Notes of this process, all scopes together: 1 to 10,000,000; 100,000 unless said. */
  readonly ephemeralEntriesMax?: number;
  /** Bytes of keys and JSON in them: 1 to 4 GiB; 64 MiB unless said. */
  readonly ephemeralBytesMax?: number;
}
