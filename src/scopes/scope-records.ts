import { decodeKey, encodeKey, type Key, keysBelow } from '../core/keys.js';
import type { Json } from '../core/json.js';
import { textOfParts, textParts, textsFrom } from './ordered-text-rules.js';

/** Where a scope's entries lie. Never changed: another incarnation is another record. */
export interface ScopeRecord {
  readonly incarnation: string;
}

/** Records under an incarnation: changed with every entry that comes or goes, not with those that change. */
export interface CountRecord {
  /** Whose entries they are: when the last of them runs out, its record goes too. */
  readonly scope: string;
  readonly entries: number;
  /** Those of them that have a lifetime, expired or not. */
  readonly timed: number;
}

/** A persistent entry. One literal for every write, so that all records have one shape. */
export interface EntryRecord {
  readonly value: Json;
  readonly version: string;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly sourceStep: string | null;
  readonly expiresAtMs: number | null;
}

export interface Range<T> {
  readonly start: Key<T>;
  readonly end: Key<T>;
}

export const scopeKey = (name: string): Key<ScopeRecord> => encodeKey(['scope', ...textParts(name)]);
export const countKey = (incarnation: string): Key<CountRecord> => encodeKey(['scope-count', incarnation]);
export const entryKey = (incarnation: string, key: string): Key<EntryRecord> =>
  encodeKey(['scope-entry', incarnation, ...textParts(key)]);
/**
 * Holds the key of the entry. Named by the version of the write that made it, so it is a new key each time: one that came
 * back would meet what a store over a network remembers of its deletion.
 */
export const expiryKey = (incarnation: string, expiresAtMs: number, version: string): Key<string> =>
  encodeKey(['scope-expiry', incarnation, expiresAtMs, version]);
/** How many scopes have a record. */
export const totalKey: Key<number> = encodeKey(['scope-total']);
/** Incarnations whose records wait to be collected. */
export const droppedKey = (incarnation: string): Key<true> => encodeKey(['scope-dropped', incarnation]);
/** Incarnations that an import fills, and until when it is waited for. */
export const stagingKey = (incarnation: string): Key<number> => encodeKey(['scope-staging', incarnation]);

export const scopesFrom = (prefix: string): Range<ScopeRecord> =>
  textsFrom(['scope'], prefix) as Range<ScopeRecord>;
export const entriesFrom = (incarnation: string, prefix: string): Range<EntryRecord> =>
  textsFrom(['scope-entry', incarnation], prefix) as Range<EntryRecord>;
export const expiriesOf = (incarnation: string): Range<string> =>
  keysBelow(['scope-expiry', incarnation]) as Range<string>;
export const allExpiries: Range<string> = keysBelow(['scope-expiry']) as Range<string>;
export const allDropped: Range<true> = keysBelow(['scope-dropped']) as Range<true>;
export const allStaging: Range<number> = keysBelow(['scope-staging']) as Range<number>;

/** The name of the scope whose record lies under a key. */
export function scopeNameOf(key: Key<ScopeRecord>): string {
  return textOfParts(decodeKey(key).slice(1));
}

/** The key of the entry whose record lies under a key. */
export function entryNameOf(key: Key<EntryRecord>): string {
  return textOfParts(decodeKey(key).slice(2));
}

/** What an index record of an expiry says. */
export function expiryOf(key: Key<string>): { incarnation: string; expiresAtMs: number; version: string } {
  const [, incarnation, expiresAtMs, version] = decodeKey(key);
  return { incarnation: String(incarnation), expiresAtMs: Number(expiresAtMs), version: String(version) };
}

/** The incarnation that is the second part of a key. */
export function incarnationOf(key: Key): string {
  return String(decodeKey(key)[1]);
}
