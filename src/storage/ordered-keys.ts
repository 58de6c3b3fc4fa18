import { compareKeys, type Key, type RangeQuery } from './storage.js';

/** A set of keys in their order, for a store that has many and adds and removes them one by one. */
export interface OrderedKeys {
  /** Adds a key that is not there. */
  add(key: Key): void;
  /** Adds many keys, each once, to none: sorted in one go, which takes a third of the time of one by one. */
  addAll(keys: readonly Key[]): void;
  /** Removes a key that is there. */
  remove(key: Key): void;
  /** The keys of a range, in the order it asks for, at most `limit`. */
  collect(query: RangeQuery): Key[];
  clear(): void;
}

/**
 * Keys in one chunk. Adding a key moves those after it in its chunk (less costs more chunks to search and to move when
 * one splits, more makes the moves felt): for 1,000,000 keys both are of the same order around here.
 */
const chunkKeysMax = 512;

/** A place between keys: before the key at `offset` of a chunk. */
interface Place {
  readonly chunk: number;
  readonly offset: number;
}

/** Sorted chunks of keys: adding and removing cost a binary search and a short move, and walking is reading arrays. */
export function createOrderedKeys(): OrderedKeys {
  let chunks: Key[][] = [];
  // The two orders differ only between two texts that both hold a character from U+D800 on.
  let compare: typeof compareKeys = compareUnits;

  /** The chunk a key is in, or would be added to: the last one that does not begin after it. */
  function chunkOf(key: Key): number {
    let low = 0;
    let high = chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (compare((chunks[middle] as Key[])[0] as Key, key) <= 0) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  function placeOf(key: Key): Place {
    const chunk = chunkOf(key);
    return { chunk, offset: offsetIn(chunks[chunk] ?? [], key, compare) };
  }

  return {
    add(key) {
      if (compare === compareUnits && differs(key)) compare = compareKeys;
      const { chunk: position, offset } = placeOf(key);
      const chunk = chunks[position];
      if (!chunk) {
        chunks.push([key]);
        return;
      }
      chunk.splice(offset, 0, key);
      if (chunk.length <= chunkKeysMax) return;
      // Keys that come in order leave full chunks behind them, others half-full ones.
      const cut = offset === chunk.length - 1 ? offset : chunk.length >> 1;
      chunks.splice(position + 1, 0, chunk.splice(cut));
    },
    addAll(keys) {
      if (keys.some(differs)) compare = compareKeys;
      const sorted = keys.toSorted(compare);
      // Half full, so that the next key does not split one.
      const step = chunkKeysMax / 2;
      for (let from = 0; from < sorted.length; from += step) chunks.push(sorted.slice(from, from + step));
    },
    remove(key) {
      const { chunk: position, offset } = placeOf(key);
      const chunk = chunks[position] as Key[];
      chunk.splice(offset, 1);
      const next = chunks[position + 1];
      if (chunk.length === 0) chunks.splice(position, 1);
      // Well below the size that splits, or one key more and one less would split and join for ever.
      else if (next && chunk.length + next.length < chunkKeysMax / 2)
        chunks.splice(position, 2, chunk.concat(next));
    },
    collect({ start, end, limit, reverse }) {
      const walk = reverse === true ? backwards : forwards;
      return walk(chunks, placeOf(start), placeOf(end), limit);
    },
    clear() {
      chunks = [];
    },
  };
}

/** Whether a key may sort otherwise by code point than by UTF-16 unit. */
function differs(key: Key): boolean {
  return /[\ud800-\uffff]/.test(key);
}

/** By UTF-16 units: several times as fast as by code point, because the engine of JavaScript does it. */
function compareUnits(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** How many keys of a chunk come before this one. */
function offsetIn(chunk: readonly Key[], key: Key, compare: typeof compareKeys): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(chunk[middle] as Key, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function forwards(chunks: readonly Key[][], from: Place, to: Place, limit: number): Key[] {
  const keys: Key[] = [];
  for (let { chunk, offset } = from; chunk <= to.chunk && keys.length < limit; chunk++, offset = 0) {
    const all = chunks[chunk] ?? [];
    const end = chunk === to.chunk ? to.offset : all.length;
    for (let index = offset; index < end && keys.length < limit; index++) keys.push(all[index] as Key);
  }
  return keys;
}

function backwards(chunks: readonly Key[][], from: Place, to: Place, limit: number): Key[] {
  const keys: Key[] = [];
  for (let chunk = to.chunk; chunk >= from.chunk && keys.length < limit; chunk--) {
    const all = chunks[chunk] ?? [];
    const start = chunk === from.chunk ? from.offset : 0;
    let index = chunk === to.chunk ? to.offset : all.length;
    while (index > start && keys.length < limit) keys.push(all[--index] as Key);
  }
  return keys;
}
