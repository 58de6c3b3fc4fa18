import {
  type CountRecord,
  countKey,
  droppedKey,
  type EntryRecord,
  entryKey,
  expiryKey,
  scopeKey,
  totalKey,
} from './scope-records.js';
import type { Body, View } from '../engine/engine.js';
import type { CheckedChange } from './scope-input-rules.js';
import type { Interval } from '../core/time.js';
import type { Key } from '../core/keys.js';
import type { Refused } from '../core/refusals.js';
import type { ScopeChanged } from './scope-types.js';
import { versionMismatch } from './scope-refusals.js';

/** A change with what only its caller can draw: ids are never made inside a body. */
export interface PlannedChange extends CheckedChange {
  /** Of the entry, once it is written. */
  readonly version: string;
  /** Of the scope, should this change create it. */
  readonly incarnation: string;
  /** Instead of a lifetime from now: what an import brings. */
  readonly expiresAtMs?: number | null;
  readonly createdAtMs?: number;
}

/** What became of changes: done, or one scope would hold too much, of which some may have expired. */
export type ChangesDone =
  | {
      readonly ok: true;
      readonly changes: readonly ScopeChanged[];
      readonly incarnations: readonly (string | undefined)[];
    }
  | {
      readonly full: {
        readonly scope: string;
        readonly incarnation: string;
        readonly used: number;
        readonly timed: number;
      };
    };

interface ScopeState {
  readonly scope: string;
  readonly incarnation: string;
  /** Whether it was there before these changes. */
  readonly existed: boolean;
  /** How many entries came and went; those of them, or of those changed, that have a lifetime. */
  entries: number;
  timed: number;
}

interface EntryState {
  readonly in: ScopeState;
  readonly name: string;
  readonly before: EntryRecord | undefined;
  after: EntryRecord | undefined;
}

/** What changes would leave behind, until it is known that none of them is refused. */
interface Draft {
  readonly scopes: Map<string, ScopeState>;
  readonly entries: Map<Key<EntryRecord>, EntryState>;
}

/** All changes or none, in order: a later one sees what an earlier one wrote. */
export function decideChanges(
  view: View,
  now: Interval,
  planned: readonly PlannedChange[],
  entriesMax: number,
): ChangesDone | Refused {
  const draft: Draft = { scopes: new Map(), entries: new Map() };
  const changes: ScopeChanged[] = [];
  for (const change of planned) {
    const done = draftChange(view, now, draft, change);
    if ('refusal' in done) return done;
    changes.push(done);
  }
  const counts = new Map<ScopeState, CountRecord>();
  for (const state of draft.scopes.values()) {
    // The counter is looked at only where it changes: writing over an entry meets nobody there.
    if (state.entries === 0 && state.timed === 0) continue;
    const before = (state.existed ? view.get(countKey(state.incarnation)) : undefined) ?? {
      scope: state.scope,
      entries: 0,
      timed: 0,
    };
    if (state.entries > 0 && before.entries + state.entries > entriesMax) {
      const { scope, incarnation } = state;
      return { full: { scope, incarnation, used: before.entries, timed: before.timed } };
    }
    counts.set(state, {
      scope: state.scope,
      entries: before.entries + state.entries,
      timed: before.timed + state.timed,
    });
  }
  write(view, draft, counts);
  return {
    ok: true,
    changes,
    incarnations: planned.map(({ scope }) => draft.scopes.get(scope)?.incarnation),
  };
}

/** Whether an entry is there at a time. */
export function isLive(entry: EntryRecord | undefined, latestMs: number): entry is EntryRecord {
  return entry !== undefined && (entry.expiresAtMs === null || entry.expiresAtMs > latestMs);
}

/** Deletes entries that are over, and index records that are, and says how many entries. */
export function decideExpired(
  view: View,
  now: Interval,
  incarnation: string,
  expiries: readonly { readonly expiresAtMs: number; readonly version: string; readonly name: string }[],
): { readonly ok: true; readonly entries: number } {
  const count = view.get(countKey(incarnation));
  // Dropped, or still being filled by an import, which counts what it wrote when it is done.
  if (!count) return { ok: true, entries: 0 };
  let entries = 0;
  for (const { expiresAtMs, version, name } of expiries) {
    const key = entryKey(incarnation, name);
    const entry = view.get(key);
    // Written again meanwhile, or deleted: then its index record was, too, and this finds nothing.
    if (entry?.version === version) {
      if (expiresAtMs > now.latestMs) continue;
      view.delete(key);
      entries++;
    }
    view.delete(expiryKey(incarnation, expiresAtMs, version));
  }
  if (entries > 0) {
    writeCount(view, incarnation, {
      ...count,
      entries: count.entries - entries,
      timed: count.timed - entries,
    });
  }
  return { ok: true, entries };
}

/** Puts a scope out of everybody's reach, and says how many entries it held. */
export const decideDrop =
  (scope: string): Body<{ readonly ok: true; readonly entries: number }> =>
  (view) => {
    const record = view.get(scopeKey(scope));
    if (!record) return { ok: true, entries: 0 };
    const entries = view.get(countKey(record.incarnation))?.entries ?? 0;
    view.delete(scopeKey(scope));
    view.delete(countKey(record.incarnation));
    view.put(totalKey, (view.get(totalKey) ?? 1) - 1);
    view.insert(droppedKey(record.incarnation), true);
    return { ok: true, entries };
  };

function draftChange(view: View, now: Interval, draft: Draft, change: PlannedChange): ScopeChanged | Refused {
  const state = scopeState(view, draft, change);
  const entry = state && entryState(view, draft, state, change.key);
  const current = entry && isLive(entry.after, now.latestMs) ? entry.after : undefined;
  // What is decided on an entry that is there must not happen when it is over.
  if (current?.expiresAtMs) view.validUntil(current.expiresAtMs - 1);
  if (change.expectedVersion !== undefined && (current?.version ?? null) !== change.expectedVersion)
    return versionMismatch(change.scope, change.key, change.expectedVersion);
  if (change.kind === 'persist' || (current && change.kind === 'mutate')) {
    const written = state ?? newScope(draft, change);
    const slot = entry ?? entryState(view, draft, written, change.key);
    replace(slot, recordOf(change, now, current, slot.after));
    return { changed: true, created: current === undefined, version: change.version };
  }
  if (!current || !entry) return { changed: false, created: false };
  replace(entry, undefined);
  return { changed: true, created: false };
}

function scopeState(view: View, draft: Draft, { scope }: PlannedChange): ScopeState | undefined {
  const known = draft.scopes.get(scope);
  if (known) return known;
  const record = view.get(scopeKey(scope));
  if (!record) return undefined;
  const state = { scope, incarnation: record.incarnation, existed: true, entries: 0, timed: 0 };
  draft.scopes.set(scope, state);
  return state;
}

function newScope(draft: Draft, { scope, incarnation }: PlannedChange): ScopeState {
  const state = { scope, incarnation, existed: false, entries: 0, timed: 0 };
  draft.scopes.set(scope, state);
  return state;
}

function entryState(view: View, draft: Draft, state: ScopeState, name: string): EntryState {
  const key = entryKey(state.incarnation, name);
  const known = draft.entries.get(key);
  if (known) return known;
  const before = state.existed ? view.get(key) : undefined;
  const entry = { in: state, name, before, after: before };
  draft.entries.set(key, entry);
  return entry;
}

function recordOf(
  change: PlannedChange,
  { earliestMs }: Interval,
  current: EntryRecord | undefined,
  last: EntryRecord | undefined,
): EntryRecord {
  // Time never runs backwards for an entry, and no two writes of it are of one time.
  const writtenAtMs = Math.max(earliestMs, last ? last.updatedAtMs + 1 : 0);
  return {
    value: change.value,
    version: change.version,
    createdAtMs: current?.createdAtMs ?? Math.min(change.createdAtMs ?? writtenAtMs, writtenAtMs),
    updatedAtMs: writtenAtMs,
    sourceStep: change.sourceStep,
    expiresAtMs: change.expiresAtMs ?? (change.ttlMs === null ? null : earliestMs + change.ttlMs),
  };
}

function replace(entry: EntryState, after: EntryRecord | undefined): void {
  const { after: before } = entry;
  entry.after = after;
  entry.in.entries += Number(after !== undefined) - Number(before !== undefined);
  entry.in.timed += Number(isTimed(after)) - Number(isTimed(before));
}

function isTimed(entry: EntryRecord | undefined): boolean {
  return entry !== undefined && entry.expiresAtMs !== null;
}

function write(view: View, draft: Draft, counts: ReadonlyMap<ScopeState, CountRecord>): void {
  for (const [key, entry] of draft.entries) {
    const { before, after } = entry;
    if (before === after) continue;
    const { incarnation } = entry.in;
    if (!after) view.delete(key);
    else if (entry.in.existed) view.put(key, after);
    else view.insert(key, after);
    if (before && before.expiresAtMs !== null)
      view.delete(expiryKey(incarnation, before.expiresAtMs, before.version));
    if (after && after.expiresAtMs !== null)
      view.insert(expiryKey(incarnation, after.expiresAtMs, after.version), entry.name);
  }
  for (const [state, count] of counts) {
    if (state.existed) writeCount(view, state.incarnation, count);
    else if (count.entries > 0) {
      view.put(scopeKey(state.scope), { incarnation: state.incarnation });
      view.insert(countKey(state.incarnation), count);
      view.put(totalKey, (view.get(totalKey) ?? 0) + 1);
    }
  }
}

/** A scope that holds nothing any more goes with its last entry. */
function writeCount(view: View, incarnation: string, count: CountRecord): void {
  if (count.entries > 0) return view.put(countKey(incarnation), count);
  view.delete(countKey(incarnation));
  view.delete(scopeKey(count.scope));
  view.put(totalKey, (view.get(totalKey) ?? 1) - 1);
}
