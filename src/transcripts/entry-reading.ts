import type { Key } from '../core/keys.js';
import { entryKey, type EntryRecord, lastPartOf, type PiecesRef } from './transcript-records.js';
import { entryShape, isContent, problemOf } from './record-shapes.js';
import { type Found, readPage } from './record-pages.js';
import type { JsonFields, TranscriptDamage } from './transcript-types.js';
import { copyFields } from './json-rules.js';
import type { Engine } from '../engine/engine.js';
import type { Json } from '../core/json.js';
import { readPieces } from './large-fields.js';
import type { Refused } from '../core/refusals.js';

/** An entry as it is stored, without its content where that lies in pieces. */
export interface StoredEntry {
  readonly position: number;
  readonly record: EntryRecord;
}

/** An entry with its content. */
export interface ReadEntry extends JsonFields {
  readonly schema: number;
  readonly type: EntryRecord['type'];
  readonly loopId: string;
  readonly position: number;
  readonly atMs: number;
  readonly [name: string]: Json;
}

/** Entries of a page, what could not be read, and where the next page begins. */
export interface EntryPage {
  readonly ok: true;
  readonly entries: readonly StoredEntry[];
  readonly damaged: readonly TranscriptDamage[];
  /** The position that the page ended at, where there may be more. */
  readonly last: number | undefined;
}

/** A page of entries from one position on, up to another that is not included. */
export async function readEntries(
  engine: Engine,
  incarnation: string,
  from: number,
  before: number,
  limit: number,
  reverse: boolean,
): Promise<EntryPage | Refused> {
  const range = { start: entryKey(incarnation, from), end: entryKey(incarnation, before) };
  const page = await readPage<EntryRecord>(engine, range, limit, reverse);
  if (!page.ok) return page;
  const { entries, damaged } = entriesOf(page);
  return { ok: true, entries, damaged, last: page.last === undefined ? undefined : positionOf(page.last) };
}

function entriesOf(page: Found<EntryRecord>): Pick<EntryPage, 'entries' | 'damaged'> {
  const damaged = page.unreadable.map((key) => damagedEntry(positionOf(key), 'is damaged'));
  const entries: StoredEntry[] = [];
  for (const { key, value } of page.found) {
    const problem = problemOf(value, entryShape);
    if (problem === undefined) entries.push({ position: positionOf(key), record: value });
    else damaged.push(damagedEntry(positionOf(key), problem));
  }
  return { entries, damaged };
}

const positionOf = (key: Key): number => Number(lastPartOf(key));

const damagedEntry = (position: number, problem: string): TranscriptDamage => ({
  what: `the entry at position ${position}`,
  problem,
});

type Content = { readonly ok: true; readonly entry: ReadEntry | TranscriptDamage };

/** An entry with its content; a promise of it only where that lies elsewhere: most of a session's entries do not. */
export function contentOf(engine: Engine, stored: StoredEntry): Content | Promise<Content | Refused> {
  const { fields, pieces } = stored.record;
  return pieces
    ? piecedContentOf(engine, stored, pieces)
    : { ok: true, entry: entryOf(stored, fields, true) };
}

async function piecedContentOf(
  engine: Engine,
  stored: StoredEntry,
  pieces: PiecesRef,
): Promise<Content | Refused> {
  const read = await readPieces(engine, pieces);
  return read.ok ? { ok: true, entry: entryOf(stored, read.content, false) } : read;
}

/** @param isShared whether others may be given the same content: then it is copied, since what is kept must not change with it */
function entryOf(
  { position, record }: StoredEntry,
  content: unknown,
  isShared: boolean,
): ReadEntry | TranscriptDamage {
  const { schema, type, loopId, atMs } = record;
  if (!isContent(type, content)) return damagedEntry(position, 'is damaged');
  // Not spread into a new one: that costs more than all the rest of reading it.
  const own = isShared ? copyFields('entry', content) : (content as JsonFields);
  return Object.assign(own, { schema, type, loopId, position, atMs });
}

/** Whether this is what stands for an entry that could not be read. */
export function isDamage(entry: ReadEntry | TranscriptDamage): entry is TranscriptDamage {
  return 'problem' in entry && !('position' in entry);
}
