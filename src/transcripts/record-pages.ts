import { compareKeys, type Key, keyAfter } from '../core/keys.js';
import type { Engine } from '../engine/engine.js';
import { entriesPageMax } from './transcript-limits.js';
import type { Interval } from '../core/time.js';
import type { Range } from './transcript-records.js';
import type { Refused } from '../core/refusals.js';

/** Records of a range, and the keys of those whose text is no JSON: one of them must not hide the others. */
export interface Found<T> {
  readonly ok: true;
  readonly found: readonly { readonly key: Key<T>; readonly value: T }[];
  readonly unreadable: readonly Key[];
}

/** All records of a range, read a page at a time. */
export async function readAll<T>(engine: Engine, range: Range<T>): Promise<Found<T> | Refused> {
  const found: { key: Key<T>; value: T }[] = [];
  const unreadable: Key[] = [];
  let start: Key = range.start;
  for (;;) {
    const page = await readPage<T>(engine, { start: start as Key<T>, end: range.end }, entriesPageMax, false);
    if (!page.ok) return page;
    found.push(...page.found);
    unreadable.push(...page.unreadable);
    if (page.last === undefined) return { ok: true, found, unreadable };
    start = keyAfter(page.last);
  }
}

/** A page of a range, and the key it ended at where there may be more. */
export async function readPage<T>(
  engine: Engine,
  range: Range<T>,
  limit: number,
  reverse: boolean,
): Promise<(Found<T> & { readonly last: Key | undefined }) | Refused> {
  const page = await engine.range<T>({ ...range, limit, reverse, nameUnreadable: true });
  if (!page.ok) return page;
  const { entries, unreadable: damaged } = page;
  const full = entries.length + damaged.length >= limit;
  // Both come in the order of the range.
  const ends: Key[] = [entries.at(-1)?.key, damaged.at(-1)].filter((key) => key !== undefined);
  const last = full ? ends.reduce((a, b) => (compareKeys(a, b) < 0 === reverse ? a : b)) : undefined;
  return { ok: true, found: entries, unreadable: damaged, last };
}

/** What stands for a record whose text is no JSON. */
export const unreadable: unique symbol = Symbol('unreadable');

/** The values under keys, of one moment where all of them can be read. */
export async function readValues<T>(
  engine: Engine,
  keys: readonly Key<T>[],
): Promise<
  | {
      readonly ok: true;
      readonly values: readonly (T | undefined | typeof unreadable)[];
      readonly now: Interval;
    }
  | Refused
> {
  const answer = await engine.read(keys);
  if (answer.ok) return answer;
  // Either the store does not answer, or it does and one of these records cannot be read.
  const alive = await engine.read([]);
  if (!alive.ok) return answer;
  if (keys.length === 1) return { ok: true, values: [unreadable], now: alive.now };
  const values: (T | undefined | typeof unreadable)[] = [];
  for (const key of keys) {
    const one = await readValues(engine, [key]);
    if (!one.ok) return one;
    values.push(one.values[0]);
  }
  return { ok: true, values, now: alive.now };
}
