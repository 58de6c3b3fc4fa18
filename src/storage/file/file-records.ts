import { type Key, type RangeQuery, type StoredRecord, Value, type Version } from '../storage.js';
import { createExpiryQueue } from '../expiry-queue.js';
import { createOrderedKeys, type OrderedKeys } from '../ordered-keys.js';
import type { EntryReader } from './file-entries.js';

/**
 * What is kept under a key: text, as it lies in the journal. Parsed values would be held twice, once here and once in the
 * cache of the engine, and a snapshot would have to make their text again.
 */
export interface FileSlot {
  readonly key: Key;
  version: Version;
  text: string;
  expiresAtMs: number | undefined;
  queuePosition: number;
}

/** All records of the store, as of the last group that is durable. */
export interface FileRecords extends EntryReader {
  readonly count: number;
  slot(key: Key): FileSlot | undefined;
  record(key: Key): StoredRecord | undefined;
  range(query: RangeQuery): StoredRecord[];
  /** Puts the keys in order, once all is loaded: one by one, that would be a fifth of the time of opening. */
  index(): void;
  /** At most `limit` records in key order, from the first key after this one on. */
  after(key: Key | undefined, limit: number): FileSlot[];
  /** At most `limit` records that expired by this time. They stay. */
  expired(limit: number, nowMs: number): FileSlot[];
  clear(): void;
}

export function createFileRecords(): FileRecords {
  const slots = new Map<Key, FileSlot>();
  // In order from the first question on that needs it.
  let keys: OrderedKeys | undefined;
  const expiring = createExpiryQueue<FileSlot>();

  function ordered(): OrderedKeys {
    if (keys === undefined) {
      keys = createOrderedKeys();
      keys.addAll([...slots.keys()]);
    }
    return keys;
  }

  return {
    get count() {
      return slots.size;
    },
    slot: (key) => slots.get(key),
    record(key) {
      const slot = slots.get(key);
      return slot && recordOf(slot);
    },
    put(key, version, expiresAtMs, text) {
      const slot = slots.get(key);
      if (slot === undefined) {
        const made: FileSlot = { key, version, text, expiresAtMs, queuePosition: -1 };
        slots.set(key, made);
        keys?.add(key);
        if (expiresAtMs !== undefined) expiring.update(made);
        return;
      }
      slot.version = version;
      slot.text = text;
      if (slot.expiresAtMs === expiresAtMs) return;
      slot.expiresAtMs = expiresAtMs;
      expiring.update(slot);
    },
    remove(key) {
      const slot = slots.get(key);
      if (slot === undefined) return;
      slots.delete(key);
      keys?.remove(key);
      expiring.remove(slot);
    },
    range: (query) =>
      ordered()
        .collect(query)
        .map((key) => recordOf(slots.get(key) as FileSlot)),
    index: () => void ordered(),
    after(key, limit) {
      // No key holds a NUL, so nothing lies between a key and this.
      const start = (key === undefined ? '' : `${key}\0`) as Key;
      return ordered()
        .collect({ start, end, limit })
        .map((one) => slots.get(one) as FileSlot);
    },
    expired: (limit, nowMs) => expiring.until(nowMs, limit),
    clear() {
      slots.clear();
      keys?.clear();
      expiring.clear();
    },
  };
}

/** After every key: they begin with one of the two characters before it. */
const end = '%' as Key;

export function recordOf({ key, version, text, expiresAtMs }: FileSlot): StoredRecord {
  const value = Value.fromText(text);
  return expiresAtMs === undefined ? { key, version, value } : { key, version, value, expiresAtMs };
}
