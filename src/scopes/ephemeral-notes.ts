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
  /** Keeps room for notes, each key once, that are to take the place of all notes of a scope, or says that they do not fit. */
  reserve(scope: string, notes: readonly CheckedChange[]): NoteReservation | Refused;
}

/** Room that is kept while the rest of an import is written, so that its notes cannot be refused after that. */
interface NoteReservation {
  readonly ok: true;
  /** Puts the notes in the place of what the scope holds by now. */
  replace(): void;
  /** Gives back the room; nothing where `replace` took it. */
  release(): void;
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
  bytes: number;
}

/** What a scope will hold. */
interface Room {
  readonly scope: string;
  readonly entries: number;
  readonly bytes: number;
}

export function createEphemeralNotes(
  clock: ProcessClock,
  bounds: { readonly notesMax: number; readonly noteBytesMax: number },
): EphemeralNotes {
  const stock = createNoteStock(clock);
  const { all } = stock;

  /** What a note would be too much for. */
  function problem(scope: string, key: string, bytes: number): Refused | undefined {
    const before = stock.find(scope, key)?.note;
    const used = stock.used();
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

    drop: (scope) => dropNotes(stock, scope),

    reserve: (scope, notes) => reserveRoom(stock, bounds, scope, notes),
  };
}

function reserveRoom(
  stock: NoteStock,
  bounds: { readonly notesMax: number; readonly noteBytesMax: number },
  scope: string,
  notes: readonly CheckedChange[],
): NoteReservation | Refused {
  for (const other of stock.all.keys()) stock.live(other);
  const room = { scope, entries: notes.length, bytes: notes.reduce((sum, { bytes }) => sum + bytes, 0) };
  const before = stock.all.get(scope);
  const held = stock.used();
  const others = {
    entries: held.entries - (before?.notes.size ?? 0),
    bytes: held.bytes - (before?.bytes ?? 0),
  };
  if (others.entries + room.entries > bounds.notesMax)
    return notesFull('entries', bounds.notesMax, others.entries);
  if (others.bytes + room.bytes > bounds.noteBytesMax)
    return notesFull('bytes', bounds.noteBytesMax, others.bytes);
  stock.rooms.add(room);
  return {
    ok: true,
    replace() {
      stock.rooms.delete(room);
      dropNotes(stock, scope);
      for (const note of notes) stock.put(note);
    },
    release: () => void stock.rooms.delete(room),
  };
}

function dropNotes(stock: NoteStock, scope: string): number {
  const of = stock.live(scope);
  if (!of) return 0;
  const { size } = of.notes;
  for (const [key, note] of of.notes) stock.remove(scope, of, key, note);
  return size;
}

interface Used {
  readonly entries: number;
  readonly bytes: number;
}

/** All notes, and what they come to. */
interface NoteStock {
  readonly all: ReadonlyMap<string, NotesOfScope>;
  /** Room that is kept. */
  readonly rooms: Set<Room>;
  /** What notes take, with the room that is kept and not yet taken. */
  used(): Used;
  put(note: CheckedChange): void;
  remove(scope: string, of: NotesOfScope, key: string, note: Note): void;
  /** The notes of a scope that are not over. */
  live(scope: string): NotesOfScope | undefined;
  /** One note, if it is not over: looked at by itself, since looking through all of its scope's costs what they are. */
  find(scope: string, key: string): { of: NotesOfScope; note: Note } | undefined;
}

function createNoteStock(clock: ProcessClock): NoteStock {
  const all = new Map<string, NotesOfScope>();
  const rooms = new Set<Room>();
  const used = { entries: 0, bytes: 0 };

  function remove(scope: string, of: NotesOfScope, key: string, note: Note): void {
    of.notes.delete(key);
    of.sorted = undefined;
    used.entries--;
    used.bytes -= note.bytes;
    of.bytes -= note.bytes;
    if (of.notes.size === 0) all.delete(scope);
  }

  return {
    all,
    rooms,
    used() {
      let { entries, bytes } = used;
      for (const room of rooms) {
        const of = all.get(room.scope);
        entries += Math.max(0, room.entries - (of?.notes.size ?? 0));
        bytes += Math.max(0, room.bytes - (of?.bytes ?? 0));
      }
      return { entries, bytes };
    },
    remove,
    put(change) {
      const { scope, key, bytes } = change;
      const of = all.get(scope) ?? {
        notes: new Map<string, Note>(),
        sorted: undefined,
        nextUntilMs: Number.POSITIVE_INFINITY,
        bytes: 0,
      };
      all.set(scope, of);
      const before = of.notes.get(key);
      const note = noteOf(change, before, clock);
      of.notes.set(key, note);
      of.nextUntilMs = Math.min(of.nextUntilMs, note.untilMs);
      if (!before) of.sorted = undefined;
      if (!before) used.entries++;
      used.bytes += bytes - (before?.bytes ?? 0);
      of.bytes += bytes - (before?.bytes ?? 0);
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
