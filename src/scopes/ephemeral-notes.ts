import type { CheckedChange } from './scope-input-rules.js';
import { compareKeys } from '../core/keys.js';
import type { Json } from '../core/json.js';
import { notesFull } from './scope-refusals.js';
import type { Refused } from '../core/refusals.js';
import type { ScopeEntry } from './scope-types.js';

/** The clocks of this process: what a note was written at, and what its lifetime is measured with. */
export interface ProcessClock {
  readonly nowMs: () => number;
  /** Only goes forward, whoever sets the clock. */
  readonly monotonicMs: () => number;
}

/** The ephemeral layer: notes of this process, bounded in number and bytes. */
export interface EphemeralNotes {
  put(note: CheckedChange): { readonly ok: true } | Refused;
  get(scope: string, key: string): ScopeEntry | undefined;
  delete(scope: string, key: string): boolean;
  /** Keys of a scope, in order. */
  keys(scope: string): readonly string[];
  count(scope: string): number;
  /** Scopes that hold notes, in order. */
  scopes(): readonly string[];
  /** Forgets a scope, and says how many notes it held. */
  drop(scope: string): number;
}

interface Note {
  /** The value as JSON: a copy for everybody who asks, and its bytes are known. */
  readonly text: string;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly sourceStep: string | null;
  readonly expiresAtMs: number | null;
  /** On the monotonic clock. */
  readonly untilMs: number;
  readonly bytes: number;
}

interface NotesOfScope {
  readonly notes: Map<string, Note>;
  /** Made when somebody lists them. */
  sorted: readonly string[] | undefined;
  /** Before then none of them is over. */
  nextUntilMs: number;
}

export function createEphemeralNotes(
  clock: ProcessClock,
  bounds: { readonly notesMax: number; readonly noteBytesMax: number },
): EphemeralNotes {
  const stock = createNoteStock(clock);
  const { all, used } = stock;

  /** What a note would be too much for. */
  function problem(scope: string, key: string, bytes: number): Refused | undefined {
    const before = stock.find(scope, key)?.note;
    if (!before && used.entries >= bounds.notesMax)
      return notesFull('entries', bounds.notesMax, used.entries);
    if (used.bytes + bytes - (before?.bytes ?? 0) > bounds.noteBytesMax)
      return notesFull('bytes', bounds.noteBytesMax, used.bytes);
    return undefined;
  }

  return {
    put(note) {
      const { scope, key, bytes } = note;
      if (problem(scope, key, bytes)) for (const other of all.keys()) stock.live(other);
      const full = problem(scope, key, bytes);
      if (full) return full;
      stock.put(note);
      return { ok: true };
    },

    get(scope, key) {
      const found = stock.find(scope, key);
      return found && entryOf(key, found.note);
    },

    delete(scope, key) {
      const found = stock.find(scope, key);
      if (found) stock.remove(scope, found.of, key, found.note);
      return found !== undefined;
    },

    keys(scope) {
      const of = stock.live(scope);
      return of ? (of.sorted ??= [...of.notes.keys()].sort(compareKeys)) : [];
    },

    count: (scope) => stock.live(scope)?.notes.size ?? 0,

    scopes() {
      for (const scope of all.keys()) stock.live(scope);
      return [...all.keys()].sort(compareKeys);
    },

    drop(scope) {
      const of = stock.live(scope);
      if (!of) return 0;
      const { size } = of.notes;
      for (const [key, note] of of.notes) stock.remove(scope, of, key, note);
      return size;
    },
  };
}

/** All notes, and what they come to. */
interface NoteStock {
  readonly all: ReadonlyMap<string, NotesOfScope>;
  readonly used: { readonly entries: number; readonly bytes: number };
  put(note: CheckedChange): void;
  remove(scope: string, of: NotesOfScope, key: string, note: Note): void;
  /** The notes of a scope that are not over. */
  live(scope: string): NotesOfScope | undefined;
  /** One note, if it is not over: looked at by itself, since looking through all of its scope's costs what they are. */
  find(scope: string, key: string): { of: NotesOfScope; note: Note } | undefined;
}

function createNoteStock(clock: ProcessClock): NoteStock {
  const all = new Map<string, NotesOfScope>();
  const used = { entries: 0, bytes: 0 };

  function remove(scope: string, of: NotesOfScope, key: string, note: Note): void {
    of.notes.delete(key);
    of.sorted = undefined;
    used.entries--;
    used.bytes -= note.bytes;
    if (of.notes.size === 0) all.delete(scope);
  }

  return {
    all,
    used,
    remove,
    put(change) {
      const { scope, key, bytes } = change;
      const of = all.get(scope) ?? {
        notes: new Map<string, Note>(),
        sorted: undefined,
        nextUntilMs: Number.POSITIVE_INFINITY,
      };
      all.set(scope, of);
      const before = of.notes.get(key);
      const note = noteOf(change, before, clock);
      of.notes.set(key, note);
      of.nextUntilMs = Math.min(of.nextUntilMs, note.untilMs);
      if (!before) of.sorted = undefined;
      if (!before) used.entries++;
      used.bytes += bytes - (before?.bytes ?? 0);
    },
    live(scope) {
      const of = all.get(scope);
      const nowMs = clock.monotonicMs();
      if (!of || nowMs < of.nextUntilMs) return of;
      of.nextUntilMs = Number.POSITIVE_INFINITY;
      for (const [key, note] of of.notes) {
        if (note.untilMs <= nowMs) remove(scope, of, key, note);
        else of.nextUntilMs = Math.min(of.nextUntilMs, note.untilMs);
      }
      return all.get(scope);
    },
    find(scope, key) {
      const of = all.get(scope);
      const note = of?.notes.get(key);
      if (!of || !note) return undefined;
      if (note.untilMs > clock.monotonicMs()) return { of, note };
      remove(scope, of, key, note);
      return undefined;
    },
  };
}

function noteOf(
  { value, ttlMs, sourceStep, bytes }: CheckedChange,
  before: Note | undefined,
  clock: ProcessClock,
): Note {
  const nowMs = clock.nowMs();
  return {
    text: JSON.stringify(value),
    createdAtMs: before?.createdAtMs ?? nowMs,
    updatedAtMs: before ? Math.max(nowMs, before.updatedAtMs + 1) : nowMs,
    sourceStep,
    expiresAtMs: ttlMs === null ? null : nowMs + ttlMs,
    untilMs: ttlMs === null ? Number.POSITIVE_INFINITY : clock.monotonicMs() + ttlMs,
    bytes,
  };
}

function entryOf(key: string, note: Note): ScopeEntry {
  return {
    key,
    value: JSON.parse(note.text) as Json,
    layer: 'ephemeral',
    createdAtMs: note.createdAtMs,
    updatedAtMs: note.updatedAtMs,
    ...(note.sourceStep !== null && { sourceStep: note.sourceStep }),
    ...(note.expiresAtMs !== null && { expiresAtMs: note.expiresAtMs }),
  };
}
