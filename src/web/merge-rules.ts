import type { Json } from '../core/json.js';
import type { Data } from './web-records.js';

/** One key that a request set or, without a value, removed. */
export interface Change {
  readonly key: string;
  readonly value: Json | undefined;
}

/** What differs between what a session was loaded with and what it holds now: a save writes this and nothing else. */
export function changesBetween(base: Data, mine: Data): readonly Change[] {
  const changes: Change[] = [];
  for (const [key, value] of Object.entries(mine)) {
    const before = valueOf(base, key);
    if (before === undefined || !sameJson(before, value)) changes.push({ key, value });
  }
  for (const key of Object.keys(base)) {
    if (!Object.hasOwn(mine, key)) changes.push({ key, value: undefined });
  }
  return changes;
}

/**
 * The first key whose change would overwrite another request's: it is no longer what this one had loaded. Two requests
 * that did the same to it do not contradict each other.
 */
export function conflictingKey(current: Data, base: Data, changes: readonly Change[]): string | undefined {
  const same = (key: string, a: Json | undefined, b: Json | undefined): boolean =>
    a === undefined || b === undefined ? a === b : sameJson(a, b);
  return changes.find(({ key, value }) => {
    const now = valueOf(current, key);
    return !same(key, now, valueOf(base, key)) && !same(key, now, value);
  })?.key;
}

/** The data with the changes applied; keys keep their order, new ones come last. */
export function withChanges(current: Data, changes: readonly Change[]): Data {
  const merged = new Map(Object.entries(current));
  for (const { key, value } of changes) {
    if (value === undefined) merged.delete(key);
    else merged.set(key, value);
  }
  // Not by assignment: the key `__proto__` would set the prototype.
  return Object.fromEntries(merged);
}

/** The value under a key of the data itself: `toString` is in no session. */
export function valueOf(data: Data, key: string): Json | undefined {
  return Object.hasOwn(data, key) ? data[key] : undefined;
}

/** A copy that may be changed. Faster than by way of text, and it is made on every request. */
export function copyOf(value: Json): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (isList(value)) return value.map(copyOf);
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const inner = copyOf(value[key] as Json);
    if (key !== '__proto__') copy[key] = inner;
    // By assignment it would set the prototype.
    else
      Object.defineProperty(copy, key, {
        value: inner,
        enumerable: true,
        configurable: true,
        writable: true,
      });
  }
  return copy;
}

/** Whether two values are the same JSON. The order of an object's keys is no difference. */
export function sameJson(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (isList(a) || isList(b)) {
    return (
      isList(a) &&
      isList(b) &&
      a.length === b.length &&
      a.every((one, index) => sameJson(one, b[index] as Json))
    );
  }
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key] as Json, b[key] as Json))
  );
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
