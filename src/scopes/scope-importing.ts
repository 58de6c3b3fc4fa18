import { decideStaged, decideSwitch, type StagedEntry } from './replace-rules.js';
import { importBytes, importEntries } from './scope-limits.js';
import { inScopeWords, importTooSlow, scopeFull } from './scope-refusals.js';
import type { ImportedEntry, ParsedImport } from './import-rules.js';
import type { Refused } from '../core/refusals.js';
import type { ScopeContext } from './scope-context.js';
import { stagingKey } from './scope-records.js';
import { writeChanges } from './scope-writing.js';

type Imported = { readonly ok: true; readonly imported: number; readonly expired: number };

/** Writes what an export held, without what has expired since. */
export async function importEntriesOf(
  context: ScopeContext,
  { scope, entries }: ParsedImport,
  mode: 'merge' | 'replace',
): Promise<Imported | Refused> {
  const time = await context.engine.read([]);
  if (!time.ok) return time;
  const { latestMs } = time.now;
  const live = entries.filter(({ expiresAtMs }) => expiresAtMs === null || expiresAtMs > latestMs);
  const persistent = live.filter(({ layer }) => layer === 'persistent');
  const notes = live
    .filter(({ layer }) => layer === 'ephemeral')
    .map((note) => ({ ...note, ttlMs: note.expiresAtMs === null ? null : note.expiresAtMs - latestMs }));
  const done = await (mode === 'replace'
    ? replaceBoth(context, scope, { persistent, notes }, time.now.earliestMs)
    : mergeBoth(context, persistent, notes));
  return done.ok ? { ok: true, imported: live.length, expired: entries.length - live.length } : done;
}

/** Room for the notes is kept first: a refusal after the switch would have lost everything that was there. */
async function replaceBoth(
  context: ScopeContext,
  scope: string,
  { persistent, notes }: { persistent: readonly ImportedEntry[]; notes: readonly ImportedEntry[] },
  writtenAtMs: number,
): Promise<{ readonly ok: true } | Refused> {
  const room = context.notes.reserve(scope, lastOfEach(notes));
  if (!room.ok) return room;
  try {
    const stored = await replaceEntries(context, scope, lastOfEach(persistent), writtenAtMs);
    if (stored.ok) room.replace();
    return stored;
  } finally {
    room.release();
  }
}

async function mergeBoth(
  context: ScopeContext,
  persistent: readonly ImportedEntry[],
  notes: readonly ImportedEntry[],
): Promise<{ readonly ok: true } | Refused> {
  const stored = await mergeEntries(context, persistent);
  if (!stored.ok) return stored;
  for (const note of notes) {
    const done = context.notes.put(note);
    if (!done.ok) return done;
  }
  return { ok: true };
}

async function mergeEntries(
  context: ScopeContext,
  entries: readonly ImportedEntry[],
): Promise<{ readonly ok: true } | Refused> {
  for (const piece of pieces(entries)) {
    const done = await writeChanges(context, piece);
    if (!done.ok) return done;
    await context.breathe();
  }
  return { ok: true };
}

/** A key that comes twice has the value it had last, as if they had been written one after the other. */
function lastOfEach(entries: readonly ImportedEntry[]): readonly ImportedEntry[] {
  return [...new Map(entries.map((entry) => [entry.key, entry])).values()];
}

/** Fills an incarnation aside, a piece at a time, and switches the scope over to it in one small transaction. */
async function replaceEntries(
  context: ScopeContext,
  scope: string,
  entries: readonly ImportedEntry[],
  writtenAtMs: number,
): Promise<{ readonly ok: true } | Refused> {
  const { engine, entriesMax, known, collector, pending } = context;
  if (entries.length > entriesMax) return scopeFull(scope, entriesMax, 0);
  const incarnation = context.mint();
  const work = async (): Promise<{ readonly ok: true } | Refused> => {
    for (const [index, piece] of [[], ...pieces(entries)].entries()) {
      const staged = piece.map((entry) => stagedEntry(entry, context.mint(), writtenAtMs));
      const done = await engine.transact(
        [stagingKey(incarnation)],
        decideStaged(incarnation, staged, index === 0),
      );
      if (!done.ok) return done;
      if (done.lost) return importTooSlow(scope);
      await context.breathe();
    }
    const timed = entries.filter(({ expiresAtMs }) => expiresAtMs !== null).length;
    const done = await engine.transact([], decideSwitch(scope, incarnation, entries.length, timed));
    if (!done.ok) return inScopeWords(done);
    if (done.lost) return importTooSlow(scope);
    known.set(scope, entries.length > 0 ? incarnation : undefined);
    void collector.dropped();
    return { ok: true };
  };
  return pending.track(new Set([scope]), work());
}

function stagedEntry(entry: ImportedEntry, version: string, writtenAtMs: number): StagedEntry {
  return {
    name: entry.key,
    record: {
      value: entry.value,
      version,
      createdAtMs: Math.min(entry.createdAtMs, writtenAtMs),
      updatedAtMs: writtenAtMs,
      sourceStep: entry.sourceStep,
      expiresAtMs: entry.expiresAtMs,
    },
  };
}

/** Entries in order, as many at a time as others can be asked to wait for. */
function pieces(entries: readonly ImportedEntry[]): ImportedEntry[][] {
  const all: ImportedEntry[][] = [];
  let piece: ImportedEntry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    if (piece.length === importEntries || (piece.length > 0 && bytes + entry.bytes > importBytes)) {
      all.push(piece);
      piece = [];
      bytes = 0;
    }
    piece.push(entry);
    bytes += entry.bytes;
  }
  return piece.length > 0 ? [...all, piece] : all;
}
