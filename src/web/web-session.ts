import { type Change, changesBetween, copyOf, sameJson, valueOf } from './merge-rules.js';
import type { Data, SessionRecord } from './web-records.js';
import type { Flash, WebSession } from './web-types.js';
import type { Found } from './session-rules.js';
import type { Json } from '../core/json.js';

/** What a save sends: the changes against the base, and the data they were found in. */
export interface Snapshot {
  readonly base: Data;
  readonly mine: Data;
  readonly changes: readonly Change[];
}

/**
 * A session in the hands of one request. The base is what the store answered and is never changed; what was got or set
 * lies in `#touched`, and the difference between the two is what a save writes.
 */
export class WebSessionHandle<Data_ extends object> implements WebSession<Data_> {
  #id: string;
  #record: SessionRecord;
  #atMs: number;
  /** Keys that were got as objects, set, or (undefined) removed. */
  readonly #touched: Map<string, unknown> = new Map();

  constructor(id: string, found: Found) {
    this.#id = id;
    this.#record = found.record;
    this.#atMs = found.atMs;
  }

  get id(): string {
    return this.#id;
  }
  get userId(): string | undefined {
    return this.#record.userId ?? undefined;
  }
  get userName(): string | undefined {
    return this.#record.userName ?? undefined;
  }
  get flashes(): readonly Flash[] {
    return this.#record.flashes;
  }
  get createdAtMs(): number {
    return this.#record.createdAtMs;
  }
  get lastAccessedMs(): number {
    return this.#record.lastAccessedMs;
  }
  get expiresAtMs(): number {
    return this.#record.expiresAtMs;
  }
  get absoluteExpiresAtMs(): number {
    return this.#record.absoluteExpiresAtMs;
  }
  get expiresInMs(): number {
    return Math.max(0, this.#record.expiresAtMs - this.#atMs);
  }
  get changed(): boolean {
    return this.#touched.size > 0 && this.snapshot().changes.length > 0;
  }

  get<K extends keyof Data_ & string>(key: K): Data_[K] | undefined {
    if (this.#touched.has(key)) return this.#touched.get(key) as Data_[K] | undefined;
    const value = valueOf(this.#record.data, key);
    if (typeof value !== 'object' || value === null) return value as Data_[K] | undefined;
    // The stored value is shared by whoever loaded it: a request gets one of its own to change.
    const own = copyOf(value) as Data_[K];
    this.#touched.set(key, own);
    return own;
  }

  set<K extends keyof Data_ & string>(key: K, value: Data_[K]): void {
    if (typeof key !== 'string') throw new TypeError('a key of session data must be a string');
    this.#touched.set(key, value);
  }

  remove(key: keyof Data_ & string): void {
    this.#touched.set(key, undefined);
  }

  clear(): void {
    for (const key of [...Object.keys(this.#record.data), ...this.#touched.keys()]) {
      this.#touched.set(key, undefined);
    }
  }

  toJSON(): Partial<Data_> {
    return copyOf(this.snapshot().mine) as Partial<Data_>;
  }

  /** What there is to save now. */
  snapshot(): Snapshot {
    const base = this.#record.data;
    if (this.#touched.size === 0) return { base, mine: base, changes: [] };
    const mine = new Map<string, Json>(Object.entries(base));
    for (const [key, value] of this.#touched) {
      if (value === undefined) mine.delete(key);
      else mine.set(key, jsonOf(key, value));
    }
    const data = Object.fromEntries(mine);
    return { base, mine: data, changes: changesBetween(base, data) };
  }

  /** Takes over what a save came to. What was changed while it was under way is still to be saved. */
  adopt(id: string, { record, atMs }: Found, saved: Snapshot): void {
    this.#id = id;
    this.#record = record;
    this.#atMs = atMs;
    for (const [key, value] of this.#touched) {
      const json = value === undefined ? undefined : jsonOf(key, value);
      if (!same(json, valueOf(saved.mine, key))) continue;
      // An object that somebody still holds may go on being changed, as long as it shows what is stored.
      if (json === undefined || !same(json, valueOf(record.data, key))) this.#touched.delete(key);
    }
  }
}

function same(a: Json | undefined, b: Json | undefined): boolean {
  return a === undefined || b === undefined ? a === b : sameJson(a, b);
}

/** A value as JSON would bring it back, apart from the original. */
function jsonOf(key: string, value: unknown): Json {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined)
    throw new TypeError(`${JSON.stringify(key)} of the session is ${typeof value}, not JSON`);
  return JSON.parse(text) as Json;
}

/** The data of a new session, as JSON. */
export function dataOf(data: object): Data {
  if (Array.isArray(data) || data === null || typeof data !== 'object') {
    throw new TypeError('the data of a session must be an object');
  }
  const entries = Object.entries(data as Record<string, unknown>);
  return Object.fromEntries(
    entries.flatMap(([key, value]) => (value === undefined ? [] : [[key, jsonOf(key, value)] as const])),
  );
}
