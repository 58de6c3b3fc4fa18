import type { Key, Put, RangeQuery, StoredRecord, Value, Version } from '../storage.js';
import { createExpiryQueue } from '../expiry-queue.js';
import { createOrderedKeys } from '../ordered-keys.js';

/** What is kept under a key. Written over in place; a record is made from it when somebody asks for one. */
export interface Slot {
  readonly key: Key;
  version: Version;
  value: Value;
  expiresAtMs: number | undefined;
  queuePosition: number;
}

/** Records by key, in key order and in the order in which they expire. It compares nothing: that is the commit's part. */
export interface MemoryRecords {
  slot(key: Key): Slot | undefined;
  /** A record as it is now, which later puts leave as it was. */
  readonly record: (key: Key) => StoredRecord | undefined;
  /** @param slot what lies under the key of the put */
  put(write: Put, slot: Slot | undefined): void;
  remove(slot: Slot): void;
  range(query: RangeQuery): StoredRecord[];
  /** Removes at most `limit` records that expired, and names them. */
  sweep(limit: number, nowMs: number): Key[];
  clear(): void;
}

export function createMemoryRecords(): MemoryRecords {
  const slots = new Map<Key, Slot>();
  const keys = createOrderedKeys();
  const expiring = createExpiryQueue<Slot>();

  function record(key: Key): StoredRecord | undefined {
    const slot = slots.get(key);
    if (slot === undefined) return undefined;
    const { version, value, expiresAtMs } = slot;
    return expiresAtMs === undefined ? { key, version, value } : { key, version, value, expiresAtMs };
  }

  function create({ key, version, value, expiresAtMs }: Put): void {
    const slot: Slot = { key, version, value, expiresAtMs, queuePosition: -1 };
    slots.set(key, slot);
    keys.add(key);
    if (expiresAtMs !== undefined) expiring.update(slot);
  }

  function remove(slot: Slot): void {
    slots.delete(slot.key);
    keys.remove(slot.key);
    expiring.remove(slot);
  }

  return {
    slot: (key) => slots.get(key),
    record,
    put(write, slot) {
      if (slot === undefined) {
        create(write);
        return;
      }
      slot.version = write.version;
      slot.value = write.value;
      if (slot.expiresAtMs !== write.expiresAtMs) {
        slot.expiresAtMs = write.expiresAtMs;
        expiring.update(slot);
      }
    },
    remove,
    range: (query) => keys.collect(query).map((key) => record(key) as StoredRecord),
    sweep(limit, nowMs) {
      const swept: Key[] = [];
      while (swept.length < limit) {
        const slot = expiring.first();
        if (slot?.expiresAtMs === undefined || slot.expiresAtMs > nowMs) break;
        remove(slot);
        swept.push(slot.key);
      }
      return swept;
    },
    clear() {
      slots.clear();
      keys.clear();
      expiring.clear();
    },
  };
}
