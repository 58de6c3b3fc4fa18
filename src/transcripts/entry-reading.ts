import { decodeKey, type Key } from '../core/keys.js';
import { entryKey, type EntryRecord } from './transcript-records.js';
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

const positionOf = (key: Key): number => Number(decodeKey(key).at(-1));

const damagedEntry = (position: number, problem: string): TranscriptDamage => ({
  what: `the entry at position ${position}`,
  problem,
});

/** An entry with its content: a copy, since what is kept must not change with it. */
export async function contentOf(
  engine: Engine,
  { position, record }: StoredEntry,
): Promise<{ readonly ok: true; readonly entry: ReadEntry | TranscriptDamage } | Refused> {
  const { schema, type, loopId, atMs, fields, pieces } = record;
  let content: unknown = fields;
  if (pieces) {
    const read = await readPieces(engine, pieces);
    if (!read.ok) return read;
    content = read.content;
  }
  if (!isContent(type, content)) return { ok: true, entry: damagedEntry(position, 'is damaged') };
  const copied = pieces ? (content as JsonFields) : copyFields('entry', content);
  return { ok: true, entry: { ...copied, schema, type, loopId, position, atMs } };
}

/** Whether this is what stands for an entry that could not be read. */
export function isDamage(entry: ReadEntry | TranscriptDamage): entry is TranscriptDamage {
  return 'problem' in entry && !('position' in entry);
}
