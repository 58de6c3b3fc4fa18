import type { Key, RangeAnswer, Storage, StoredRecord, Value } from '../storage/storage.js';
import { copyMarkKey } from '../core/copy-mark.js';
import { setImmediate } from 'node:timers/promises';

/** Bytes of a page, about: a page of the largest values at the usual count would be 250 MiB. */
const pageCharsWanted = 2 * 1_048_576;

/** Records of a page, at most: more takes no fewer seconds. */
const pageRecordsMax = 500;

const end = '%' as Key;

/**
 * All records of a store that mean something, in key order: neither marks of deleted ones nor those that expired, which the
 * next sweep deletes.
 */
export async function* walk(
  storage: Storage,
  after?: Key,
): AsyncGenerator<readonly StoredRecord[], void, undefined> {
  for await (const { records, nowMs } of pages(storage, after))
    yield records.filter((record) => record.key !== copyMarkKey && isMeant(record, nowMs));
}

/** All records of a store, a page at a time. */
export async function* pages(storage: Storage, after?: Key): AsyncGenerator<RangeAnswer, void, undefined> {
  let start = after === undefined ? ('' as Key) : keyBehind(after);
  let limit = 50;
  for (;;) {
    const answer = await storage.range({ start, end, limit });
    const { records } = answer;
    const last = records.at(-1);
    if (last === undefined) return;
    yield answer;
    // A store that answers at once would leave no turn to anybody else: not to a server's requests, not to Ctrl-C.
    await setImmediate();
    if (records.length < limit) return;
    start = keyBehind(last.key);
    const chars = records.reduce((sum, { key, value }) => sum + key.length + value.text.length, 0);
    limit = Math.max(1, Math.min(pageRecordsMax, Math.floor((pageCharsWanted * records.length) / chars)));
  }
}

export function isMeant({ value, expiresAtMs }: StoredRecord, nowMs: number): boolean {
  return !isDeleted(value) && (expiresAtMs === undefined || expiresAtMs > nowMs);
}

/** By the value `null` a store on a network remembers for a minute what was deleted. */
export function isDeleted(value: Value): boolean {
  return value.text === 'null';
}

/** No key has an empty part, so none lies between a key and this. */
function keyBehind(key: Key): Key {
  return `${key} ` as Key;
}
