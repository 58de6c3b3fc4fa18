import { compareKeys, keyAfter } from '../core/keys.js';
import { entriesFrom, entryKey, entryNameOf, type EntryRecord } from './scope-records.js';
import { entryCursor, entryPosition, type EntryPosition } from './scope-cursors.js';
import { entryOf, type ScopeContext } from './scope-context.js';
import { tooBusy } from './scope-refusals.js';
import { firstLookMax, pageBytesMax, readTriesMax, scanBytesMax, walkRecordsMax } from './scope-limits.js';
import type { CheckedWalk } from './scope-input-rules.js';
import { isLive } from './change-rules.js';
import { firstAfter } from './sorted-text-rules.js';
import type { Json } from '../core/json.js';
import type { Key } from '../core/keys.js';
import { invalidInput, type Refused } from '../core/refusals.js';
import { readIncarnation } from './scope-reading.js';
import { roughBytes } from './value-rules.js';
import type { ScopeEntry } from './scope-types.js';

/** Says which entries belong on a page; without it all do. */
export type EntryFilter = (key: string, value: Json) => boolean;

/** A page of entries, and how many were looked at for it. */
export interface EntryPage {
  readonly ok: true;
  readonly entries: readonly ScopeEntry[];
  readonly scanned: number;
  readonly cursor?: string;
}

/**
 * A page of a scope's entries, of both layers, in order. The entries are read first and the scope's record after them: if
 * it names another incarnation by then, the scope was dropped, and the page is read anew.
 */
export async function readPage(
  context: ScopeContext,
  walk: CheckedWalk,
  filter?: EntryFilter,
): Promise<EntryPage | Refused> {
  const after = walk.cursor === undefined ? undefined : entryPosition(walk.cursor, walk.prefix);
  if (walk.cursor !== undefined && !after)
    return invalidInput('cursor', 'is none that this listing gave; start without one');
  if (walk.layer === 'ephemeral') return readPageOf(context, walk, undefined, after, filter);
  let incarnation = context.known.get(walk.scope);
  for (let tries = 0; tries < readTriesMax; tries++) {
    if (incarnation === undefined) {
      const first = await readIncarnation(context, walk.scope);
      if (!first.ok) return first;
      incarnation = first.incarnation;
    }
    const page = await readPageOf(context, walk, incarnation, after, filter);
    // Where there was no record there were no entries, at that moment.
    if (!page.ok || incarnation === undefined) return page;
    const still = await readIncarnation(context, walk.scope);
    if (!still.ok) return still;
    if (still.incarnation === incarnation) return page;
    incarnation = still.incarnation;
  }
  return tooBusy(walk.scope);
}

async function readPageOf(
  context: ScopeContext,
  walk: CheckedWalk,
  incarnation: string | undefined,
  after: EntryPosition | undefined,
  filter: EntryFilter | undefined,
): Promise<EntryPage | Refused> {
  const entries: ScopeEntry[] = [];
  let position = after;
  let scanned = 0;
  let bytes = 0;
  let scannedBytes = 0;
  for (;;) {
    const wanted = filter ? likelyWithin(scanned, scannedBytes) : walk.limit - entries.length;
    const count = Math.min(wanted, walk.scanMax - scanned, walkRecordsMax);
    const step = await readStep(context, walk, incarnation, position, count);
    if (!step.ok) return step;
    for (const [index, seen] of step.seen.entries()) {
      scanned++;
      position = seen;
      const { entry, bytes: seenBytes } = seen.look(filter);
      scannedBytes += seenBytes;
      if (entry) {
        entries.push(entry);
        bytes += seenBytes;
      }
      const enough = scanned >= walk.scanMax || scannedBytes >= scanBytesMax;
      if (!enough && entries.length < walk.limit && bytes < pageBytesMax) continue;
      const more = step.more || index + 1 < step.seen.length;
      return { ok: true, entries, scanned, ...(more && { cursor: entryCursor(seen) }) };
    }
    if (!step.more) return { ok: true, entries, scanned };
    await context.breathe();
  }
}

/** As many entries as the bytes that may still be looked at are likely to hold, going by those before them. */
function likelyWithin(scanned: number, scannedBytes: number): number {
  if (scanned === 0) return firstLookMax;
  return Math.max(1, Math.ceil(((scanBytesMax - scannedBytes) * scanned) / Math.max(1, scannedBytes)));
}

/** An entry to look at: it itself if it is there and wanted, and what looking came to. */
interface Seen extends EntryPosition {
  readonly look: (filter: EntryFilter | undefined) => Looked;
}

interface Looked {
  readonly entry: ScopeEntry | undefined;
  readonly bytes: number;
}

/** The next entries of both layers, at most so many. */
async function readStep(
  context: ScopeContext,
  walk: CheckedWalk,
  incarnation: string | undefined,
  after: EntryPosition | undefined,
  count: number,
): Promise<{ readonly ok: true; readonly seen: readonly Seen[]; readonly more: boolean } | Refused> {
  const stored = await readStored(context, walk, incarnation, after, count);
  if (!stored.ok) return stored;
  const noted = walk.layer === 'persistent' ? [] : notesAfter(context, walk, after, count + 1);
  const seen: Seen[] = [];
  let fromStore = 0;
  let fromNotes = 0;
  while (seen.length < count) {
    const record = stored.seen[fromStore];
    const note = noted[fromNotes];
    // Notes behind the last entry that was read wait: entries between may come.
    if (!record && (!note || stored.more)) break;
    if (note && (!record || compareKeys(note.key, record.key) <= 0)) {
      seen.push(note);
      fromNotes++;
    } else if (record) {
      seen.push(record);
      fromStore++;
    }
  }
  const more = stored.more || fromStore < stored.seen.length || fromNotes < noted.length;
  return { ok: true, seen, more };
}

async function readStored(
  { engine }: ScopeContext,
  { prefix }: CheckedWalk,
  incarnation: string | undefined,
  after: EntryPosition | undefined,
  count: number,
): Promise<{ readonly ok: true; readonly seen: readonly Seen[]; readonly more: boolean } | Refused> {
  if (incarnation === undefined) return { ok: true, seen: [], more: false };
  const range = entriesFrom(incarnation, prefix);
  // One more than wanted tells whether there is a next page.
  const page = await engine.range<EntryRecord>({
    start: after ? startAfter(incarnation, after) : range.start,
    end: range.end,
    limit: count + 1,
  });
  if (!page.ok) return page;
  const seen = page.entries.slice(0, count).map(({ key: recordKey, value: record }): Seen => {
    const key = entryNameOf(recordKey);
    return {
      layer: 'persistent',
      key,
      look: (filter) => {
        const wanted = isLive(record, page.now.latestMs) && (!filter || filter(key, record.value));
        return {
          entry: wanted ? entryOf(key, record) : undefined,
          bytes: key.length + roughBytes(record.value),
        };
      },
    };
  });
  return { ok: true, seen, more: page.entries.length > count };
}

/** The note of a key comes before its entry in the store. */
function startAfter(incarnation: string, { layer, key }: EntryPosition): Key {
  const record = entryKey(incarnation, key);
  return layer === 'ephemeral' ? record : keyAfter(record);
}

function notesAfter(
  { notes }: ScopeContext,
  { scope, prefix }: CheckedWalk,
  after: EntryPosition | undefined,
  count: number,
): Seen[] {
  const keys = notes.keys(scope);
  const start = after ? firstAfter(keys, after.key, false) : firstAfter(keys, prefix, true);
  const seen: Seen[] = [];
  for (let index = start; index < keys.length && seen.length < count; index++) {
    const key = keys[index] ?? '';
    if (!key.startsWith(prefix)) break;
    seen.push({
      layer: 'ephemeral',
      key,
      look: (filter) => {
        const entry = notes.get(scope, key);
        const wanted = entry && (!filter || filter(key, entry.value));
        return {
          entry: wanted ? entry : undefined,
          bytes: key.length + (entry ? roughBytes(entry.value) : 0),
        };
      },
    });
  }
  return seen;
}
