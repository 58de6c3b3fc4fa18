import { cacheEntryBytes } from './engine-limits.js';
import type { Key } from '../core/keys.js';
import type { StoredRecord } from '../storage/storage.js';

/** What was last seen under a key; `record` is undefined where nothing was. */
export interface CacheEntry {
  readonly key: Key;
  record: StoredRecord | undefined;
  bytes: number;
  visited: boolean;
  newer: CacheEntry | undefined;
  older: CacheEntry | undefined;
}

/** Recently seen records, bounded in bytes. A hint: versions decide, so any entry may go at any moment. */
export interface RecordCache {
  readonly bytes: number;
  get(key: Key): CacheEntry | undefined;
  /** @param valueBytes the length of the value's text, where it is known */
  set(key: Key, record: StoredRecord | undefined, valueBytes?: number): void;
  drop(key: Key): void;
}

/**
 * Evicts by SIEVE (Zhang et al., NSDI 2024): a hit only sets a flag, so that reading the cache writes no list; a hand
 * walks from old to new and takes the first entry that nobody asked for since it last came by.
 */
export function createRecordCache(bytesMax: number): RecordCache {
  const entries = new Map<Key, CacheEntry>();
  let newest: CacheEntry | undefined;
  let oldest: CacheEntry | undefined;
  let hand: CacheEntry | undefined;
  let bytes = 0;

  function unlink(entry: CacheEntry): void {
    if (hand === entry) hand = entry.newer;
    if (entry.newer) entry.newer.older = entry.older;
    else newest = entry.older;
    if (entry.older) entry.older.newer = entry.newer;
    else oldest = entry.newer;
    entries.delete(entry.key);
    bytes -= entry.bytes;
  }

  function evict(): void {
    let victim = hand ?? oldest;
    while (victim?.visited) {
      victim.visited = false;
      victim = victim.newer ?? oldest;
    }
    if (!victim) return;
    hand = victim;
    unlink(victim);
  }

  return {
    get bytes() {
      return bytes;
    },
    get(key) {
      const entry = entries.get(key);
      if (entry) entry.visited = true;
      return entry;
    },
    set(key, record, valueBytes = 0) {
      const weight = cacheEntryBytes + key.length + valueBytes;
      const known = entries.get(key);
      if (known) {
        known.record = record;
        bytes += weight - known.bytes;
        known.bytes = weight;
      } else {
        const entry: CacheEntry = {
          key,
          record,
          bytes: weight,
          visited: false,
          newer: undefined,
          older: newest,
        };
        if (newest) newest.newer = entry;
        else oldest = entry;
        newest = entry;
        entries.set(key, entry);
        bytes += weight;
      }
      while (bytes > bytesMax && entries.size > 0) evict();
    },
    drop(key) {
      const entry = entries.get(key);
      if (entry) unlink(entry);
    },
  };
}
