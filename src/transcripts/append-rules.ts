import {
  groupKey,
  isStaged,
  keptUntil,
  type LoopRecord,
  loopKey,
  type LoopStateRecord,
  loopStateKey,
  operationKey,
  operationsOf,
  type PiecesRef,
  putSession,
  entryKey,
  findLive,
  sessionOf,
  type SessionRecord,
  stagingKey,
  unreadableLoop,
} from './transcript-records.js';
import { loopShape, loopStateShape, problemOf } from './record-shapes.js';
import { indexLagMs, neededOneByOneMax, schemaVersion } from './transcript-limits.js';
import {
  loopNotFound,
  operationReused,
  sessionChanged,
  sessionNotFound,
  tookTooLong,
} from './transcript-refusals.js';
import type { Planned, PlannedEntry, PlannedLoop, PlannedLoopUpdate } from './entry-input-rules.js';
import { addUsage } from './input-problem-rules.js';
import type { Appended } from './transcript-input-types.js';
import { decideCreate, type PlannedSession } from './session-rules.js';
import type { Key } from '../core/keys.js';
import { loopKeysOf } from './append-key-rules.js';
import type { Interval } from '../core/time.js';
import { invalidInput, type Refused } from '../core/refusals.js';
import type { View } from '../engine/engine.js';

/** An append, with everything that chance has to do with it. */
export interface PlannedAppend {
  readonly sessionId: string;
  readonly entries: readonly Planned[];
  /** Where the fields of the entries lie that are too large to be written with the others, by index. */
  readonly pieces: ReadonlyMap<number, PiecesRef>;
  readonly operation: { readonly id: string; readonly sha256: string } | undefined;
  /** The session to make where there is none. */
  readonly create: PlannedSession | undefined;
  readonly expectedRevision: number | undefined;
  readonly incarnation: string | undefined;
  /** The loop that must still be the current one, where it was read before. */
  readonly currentLoopId?: string | null;
  /** The id of the loop that begins where an entry has none to belong to. */
  readonly firstLoopId: string;
}

/** An append that was done, and under which id the operations of its session lie. */
export interface DecidedAppend {
  readonly ok: true;
  readonly appended: Appended;
  readonly operations: string;
}

/** Adds entries to a session, all or none. */
export function decideAppend(view: View, now: Interval, plan: PlannedAppend): DecidedAppend | Refused {
  const { sessionId, operation } = plan;
  const found = findLive(view, now, sessionId);
  if (!found && (!plan.create || plan.incarnation !== undefined)) return sessionNotFound(sessionId);
  if (found && operation) {
    const done = view.get(operationKey(operationsOf(found), operation.id));
    if (done && done.sha256 !== operation.sha256) return operationReused();
    if (done) return answerOf(sessionId, found, done.position, true);
  }
  // What was done already is answered as such, whatever became of the session since.
  if (found && plan.incarnation !== undefined && found.incarnation !== plan.incarnation)
    return sessionChanged(sessionId);
  if (plan.expectedRevision !== undefined && plan.expectedRevision !== (found?.revision ?? 0))
    return sessionChanged(sessionId);
  if (plan.currentLoopId !== undefined && plan.currentLoopId !== found?.currentLoopId)
    return sessionChanged(sessionId);

  if ([...plan.pieces.values()].some(({ set }) => !isStaged(view, set))) return tookTooLong();
  const created = found || !plan.create ? undefined : decideCreate(view, now, plan.create);
  if (created && !created.ok) return created;
  const before = found ?? created?.record;
  if (!before) return sessionNotFound(sessionId);
  const draft = draftOf(view, now, before, plan.firstLoopId);
  needTogether(view, loopKeysOf(plan.entries, before.incarnation));
  for (const [index, entry] of plan.entries.entries()) {
    const refused = addPlanned(draft, entry, plan.pieces.get(index));
    if (refused) return refused;
  }
  needTogether(
    view,
    [...draft.selected.keys()].map((groupId) => groupKey(before.incarnation, groupId)),
  );

  // From here on it writes, and refuses no more.
  created?.write();
  const lastActiveAtMs = Math.max(before.lastActiveAtMs, now.earliestMs);
  const moves = found !== undefined && lastActiveAtMs - found.indexedAtMs >= indexLagMs;
  const record: SessionRecord = {
    ...draft.record,
    lastActiveAtMs,
    indexedAtMs: moves ? lastActiveAtMs : before.indexedAtMs,
    revision: before.revision + 1,
  };
  writeDraft(view, draft, record);
  for (const { set } of plan.pieces.values()) view.delete(stagingKey(set));
  if (operation) {
    const done = { schema: schemaVersion, sha256: operation.sha256, position: before.nextPosition };
    view.insert(operationKey(operationsOf(before), operation.id), done, keptUntil(record));
  }
  putSession(view, sessionId, before, record);
  return answerOf(sessionId, record, before.nextPosition, false);
}

/** Each record that is looked for by itself is one more run of the append, and the runs of a call are bounded. */
function needTogether(view: View, keys: readonly Key[]): void {
  if (keys.length > neededOneByOneMax) view.need(keys);
}

function answerOf(
  sessionId: string,
  record: SessionRecord,
  position: number,
  replayed: boolean,
): DecidedAppend {
  const session = sessionOf(sessionId, record);
  const appended: Appended = { ok: true, session, position, ...(replayed && { replayed: true as const }) };
  return { ok: true, appended, operations: operationsOf(record) };
}

/** What an append comes to, before any of it is written. */
interface Draft {
  readonly view: View;
  readonly now: Interval;
  readonly firstLoopId: string;
  record: SessionRecord;
  readonly loops: Map<string, LoopRecord>;
  readonly newLoops: Set<string>;
  readonly states: Map<string, LoopStateRecord>;
  readonly selected: Map<string, string>;
  readonly entries: {
    readonly position: number;
    readonly loopId: string;
    readonly entry: PlannedEntry;
    readonly pieces: PiecesRef | undefined;
  }[];
}

function draftOf(view: View, now: Interval, record: SessionRecord, firstLoopId: string): Draft {
  return {
    view,
    now,
    firstLoopId,
    record,
    loops: new Map(),
    newLoops: new Set(),
    states: new Map(),
    selected: new Map(),
    entries: [],
  };
}

function addPlanned(draft: Draft, entry: Planned, pieces: PiecesRef | undefined): Refused | undefined {
  if (entry.is === 'loop') return addLoop(draft, entry);
  if (entry.is === 'loop-update') return updateLoop(draft, entry);
  return addEntry(draft, entry, pieces);
}

function loopOf({ view, record, loops }: Draft, loopId: string): LoopRecord | undefined {
  const known = loops.get(loopId) ?? view.getConstant(loopKey(record.incarnation, loopId));
  const problem = known && problemOf(known, loopShape);
  if (problem !== undefined) throw unreadableLoop(loopId, problem);
  if (known) loops.set(loopId, known);
  return known;
}

function stateOf({ view, record, states }: Draft, loopId: string): LoopStateRecord {
  const known = states.get(loopId) ?? view.get(loopStateKey(record.incarnation, loopId));
  const problem = known && problemOf(known, loopStateShape);
  if (problem !== undefined) throw unreadableLoop(loopId, problem);
  return known ?? { schema: schemaVersion, status: 'running', endedAtMs: null, usage: {} };
}

function addLoop(draft: Draft, entry: PlannedLoop): Refused | undefined {
  const { record, now } = draft;
  if (loopOf(draft, entry.loopId))
    return invalidInput(
      'loopId',
      `${JSON.stringify(entry.loopId)} is taken by another loop of the transcript`,
    );
  const isFirst = record.currentLoopId === null;
  const kind = entry.kind ?? (isFirst && entry.parentLoopId === undefined ? 'initial' : 'continuation');
  const parentLoopId = entry.parentLoopId ?? (kind === 'initial' ? null : record.currentLoopId);
  const parent = parentLoopId === null ? undefined : loopOf(draft, parentLoopId);
  if (parentLoopId !== null && !parent) return loopNotFound(parentLoopId);
  if (kind !== 'initial' && !parent)
    return invalidInput('kind', `is ${kind}, and there is no loop before it; begin with an initial one`);
  if (kind === 'initial' && parent)
    return invalidInput('kind', 'is initial, and an initial loop has no parent');
  const position = record.nextPosition;
  const branchesAt = entry.branchesAt ?? (kind === 'rerun' ? parent?.branchesAt : undefined) ?? position;
  draft.loops.set(entry.loopId, {
    schema: schemaVersion,
    kind,
    parentLoopId,
    groupId: entry.groupId ?? null,
    ...(entry.config && { config: entry.config }),
    startedAtMs: entry.atMs ?? now.latestMs,
    position,
    branchesAt: Math.min(branchesAt, position),
    ...(entry.more && { more: entry.more }),
  });
  draft.newLoops.add(entry.loopId);
  draft.states.set(entry.loopId, {
    schema: schemaVersion,
    status: entry.status,
    endedAtMs: null,
    ...(entry.metadata && { metadata: entry.metadata }),
    usage: entry.usage ?? {},
  });
  draft.record = {
    ...record,
    currentLoopId: entry.loopId,
    counts: { ...record.counts, loops: record.counts.loops + 1 },
    usage: addUsage(record.usage, entry.usage),
  };
  return undefined;
}

const over: readonly string[] = ['completed', 'rejected', 'aborted'];

function updateLoop(draft: Draft, entry: PlannedLoopUpdate): Refused | undefined {
  const loopId = entry.loopId ?? draft.record.currentLoopId;
  if (loopId === null) return invalidInput('loopId', 'must be given: there is no loop yet');
  const loop = loopOf(draft, loopId);
  if (!loop) return loopNotFound(loopId);
  const state = stateOf(draft, loopId);
  const ends = entry.status !== undefined && over.includes(entry.status) && state.endedAtMs === null;
  draft.states.set(loopId, {
    ...state,
    status: entry.status ?? state.status,
    endedAtMs: entry.endedAtMs ?? (ends ? draft.now.latestMs : state.endedAtMs),
    ...(entry.metadata && { metadata: entry.metadata }),
    usage: addUsage(state.usage, entry.usage),
  });
  draft.record = { ...draft.record, usage: addUsage(draft.record.usage, entry.usage) };
  if (entry.selected) {
    if (loop.groupId === null) return invalidInput('selected', 'can only be said of a loop of a group');
    draft.selected.set(loop.groupId, loopId);
    draft.record = { ...draft.record, currentLoopId: loopId };
  }
  return undefined;
}

const countedAs = { turn: 'turns', message: 'messages', event: 'events' } as const;

function addEntry(draft: Draft, entry: PlannedEntry, pieces: PiecesRef | undefined): Refused | undefined {
  if (entry.loopId === undefined && draft.record.currentLoopId === null) {
    const first = {
      is: 'loop',
      loopId: draft.firstLoopId,
      kind: 'initial',
      status: 'running',
    } as PlannedLoop;
    const refused = addLoop(draft, first);
    if (refused) return refused;
  }
  const loopId = entry.loopId ?? (draft.record.currentLoopId as string);
  if (!loopOf(draft, loopId)) return loopNotFound(loopId);
  const { record } = draft;
  if (entry.type === 'overlay' && (entry.fields.to as number) >= record.nextPosition)
    return invalidInput(
      'to',
      `is ${entry.fields.to as number}, and the last entry before it is ${record.nextPosition - 1}`,
    );
  draft.entries.push({ position: record.nextPosition, loopId, entry, pieces });
  if (entry.usage) {
    const state = stateOf(draft, loopId);
    draft.states.set(loopId, { ...state, usage: addUsage(state.usage, entry.usage) });
  }
  const counter = countedAs[entry.type as keyof typeof countedAs] as
    (typeof countedAs)[keyof typeof countedAs] | undefined;
  draft.record = {
    ...record,
    nextPosition: record.nextPosition + 1,
    counts: counter ? { ...record.counts, [counter]: record.counts[counter] + 1 } : record.counts,
    usage: addUsage(record.usage, entry.usage),
  };
  return undefined;
}

function writeDraft(view: View, draft: Draft, record: SessionRecord): void {
  const { incarnation } = record;
  const kept = keptUntil(record);
  for (const loopId of draft.newLoops) view.put(loopKey(incarnation, loopId), draft.loops.get(loopId), kept);
  for (const [loopId, state] of draft.states) {
    if (draft.newLoops.has(loopId)) view.insert(loopStateKey(incarnation, loopId), state, kept);
    else view.put(loopStateKey(incarnation, loopId), state, kept);
  }
  for (const [groupId, selectedLoopId] of draft.selected)
    view.put(groupKey(incarnation, groupId), { schema: schemaVersion, selectedLoopId }, kept);
  for (const { position, loopId, entry, pieces } of draft.entries) {
    const stored = {
      schema: schemaVersion,
      type: entry.type,
      loopId,
      atMs: entry.atMs ?? draft.now.latestMs,
      ...(pieces ? { pieces } : { fields: entry.fields }),
    };
    view.insert(entryKey(incarnation, position), stored, kept);
  }
}
