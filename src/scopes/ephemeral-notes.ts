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
  const all = new Map<string, NotesOfScope>();
  const used = { entries: 0, bytes: 0 };

  function remove(scope: string, of: NotesOfScope, key: string, note: Note): void {
    of.notes.delete(key);
    of.sorted = undefined;
    used.entries--;
    used.bytes -= note.bytes;
    if (of.notes.size === 0) all.delete(scope);
  }

  /** The notes of a scope that are not over. */
  function live(scope: string): NotesOfScope | undefined {
    const of = all.get(scope);
    const nowMs = clock.monotonicMs();
    if (!of || nowMs < of.nextUntilMs) return of;
    of.nextUntilMs = Number.POSITIVE_INFINITY;
    for (const [key, note] of of.notes) {
      if (note.untilMs <= nowMs) remove(scope, of, key, note);
      else of.nextUntilMs = Math.min(of.nextUntilMs, note.untilMs);
    }
    return all.get(scope);
  }

  /** One note, if it is not over: looked at by itself, since looking through all of its scope's costs what they are. */
  function find(scope: string, key: string): { of: NotesOfScope; note: Note } | undefined {
    const of = all.get(scope);
    const note = of?.notes.get(key);
    if (!of || !note) return undefined;
    if (note.untilMs > clock.monotonicMs()) return { of, note };
    remove(scope, of, key, note);
    return undefined;
  }

  /** What a note would be too much for. */
  function problem(scope: string, key: string, bytes: number): Refused | undefined {
    const before = find(scope, key)?.note;
    if (!before && used.entries >= bounds.notesMax)
      return notesFull('entries', bounds.notesMax, used.entries);
    if (used.bytes + bytes - (before?.bytes ?? 0) > bounds.noteBytesMax)
      return notesFull('bytes', bounds.noteBytesMax, used.bytes);
    return undefined;
  }

  return {
    put({ scope, key, value, ttlMs, sourceStep, bytes }) {
      if (problem(scope, key, bytes)) for (const other of all.keys()) live(other);
      const full = problem(scope, key, bytes);
      if (full) return full;
      const before = all.get(scope)?.notes.get(key);
      const nowMs = clock.nowMs();
      const of = all.get(scope) ?? {
        notes: new Map<string, Note>(),
        sorted: undefined,
        nextUntilMs: Number.POSITIVE_INFINITY,
      };
      all.set(scope, of);
      const untilMs = ttlMs === null ? Number.POSITIVE_INFINITY : clock.monotonicMs() + ttlMs;
      of.notes.set(key, {
        text: JSON.stringify(value),
        createdAtMs: before?.createdAtMs ?? nowMs,
        updatedAtMs: before ? Math.max(nowMs, before.updatedAtMs + 1) : nowMs,
        sourceStep,
        expiresAtMs: ttlMs === null ? null : nowMs + ttlMs,
        untilMs,
        bytes,
      });
      of.nextUntilMs = Math.min(of.nextUntilMs, untilMs);
      if (!before) of.sorted = undefined;
      if (!before) used.entries++;
      used.bytes += bytes - (before?.bytes ?? 0);
      return { ok: true };
    },

    get(scope, key) {
      const found = find(scope, key);
      return found && entryOf(key, found.note);
    },

    delete(scope, key) {
      const found = find(scope, key);
      if (found) remove(scope, found.of, key, found.note);
      return found !== undefined;
    },

    keys(scope) {
      const of = live(scope);
      return of ? (of.sorted ??= [...of.notes.keys()].sort(compareKeys)) : [];
    },

    count: (scope) => live(scope)?.notes.size ?? 0,

    scopes() {
      for (const scope of all.keys()) live(scope);
      return [...all.keys()].sort(compareKeys);
    },

    drop(scope) {
      const of = live(scope);
      if (!of) return 0;
      const { size } = of.notes;
      for (const [key, note] of of.notes) remove(scope, of, key, note);
      return size;
    },
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
