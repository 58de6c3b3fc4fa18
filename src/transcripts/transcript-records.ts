import type {
  JsonFields,
  LoopKind,
  LoopStatus,
  SessionFormation,
  SessionScope,
  TranscriptCounts,
  TranscriptDamage,
  TranscriptLoop,
  TranscriptParent,
  TranscriptSession,
  TranscriptUsage,
} from './transcript-types.js';
import { AmbitError } from '../core/errors.js';
import { copyFields } from './json-rules.js';
import { decodeKey, encodeKey, type Key, keysBelow } from '../core/keys.js';
import type { Interval } from '../core/time.js';
import { problemOf, sessionShape } from './record-shapes.js';
import { quoted } from '../core/text-rules.js';
import type { View } from '../engine/engine.js';

/** Every record says in which layout it was written. */
interface Layout {
  readonly schema: number;
  /** Fields of a later layout, or of the caller's own: kept, and shown again. */
  readonly more?: JsonFields;
}

/** What every append changes, and what every reader begins with. Of constant size, however much the session holds. */
export interface SessionRecord extends Layout {
  /** Under which id its content lies. */
  readonly incarnation: string;
  /** The same for as long as the session is not deleted: under it lie the links to sub-agents and the operations done. */
  readonly identity: string;
  readonly agentId: string;
  readonly formation: SessionFormation;
  readonly scope: SessionScope;
  readonly createdAtMs: number;
  readonly lastActiveAtMs: number;
  readonly expiresAtMs: number | null;
  /** Under which id its operations lie, where those before were forgotten; else under its identity. */
  readonly operations?: string;
  /** Its place in the index, at most a second behind `lastActiveAtMs`. */
  readonly indexedAtMs: number;
  readonly parent?: TranscriptParent;
  readonly parentIdentity?: string;
  readonly forkedFrom?: NonNullable<TranscriptSession['forkedFrom']>;
  readonly previousSessionId?: string;
  readonly metadata?: JsonFields;
  readonly lost?: readonly TranscriptDamage[];
  readonly currentLoopId: string | null;
  readonly nextPosition: number;
  readonly revision: number;
  readonly counts: TranscriptCounts;
  readonly usage: TranscriptUsage;
}

/** What of a loop never changes. */
export interface LoopRecord extends Layout {
  readonly kind: LoopKind;
  readonly parentLoopId: string | null;
  readonly groupId: string | null;
  readonly config?: JsonFields;
  readonly startedAtMs: number;
  readonly position: number;
  readonly branchesAt: number;
}

/** What of a loop changes: apart from its config, which may be large. */
export interface LoopStateRecord extends Layout {
  readonly status: LoopStatus;
  readonly endedAtMs: number | null;
  readonly metadata?: JsonFields;
  readonly usage: TranscriptUsage;
}

/** One entry. What is too large for a value lies in pieces, as JSON text. */
export interface EntryRecord {
  readonly schema: number;
  readonly type: 'turn' | 'turn-update' | 'message' | 'event' | 'overlay';
  readonly loopId: string;
  readonly atMs: number;
  readonly fields?: JsonFields;
  readonly pieces?: PiecesRef;
}

/** Where the text of something large lies. */
export interface PiecesRef {
  readonly set: string;
  readonly count: number;
}

/** An append that was done, and what it answered. */
export interface OperationRecord {
  readonly schema: number;
  readonly sha256: string;
  readonly position: number;
}

/** A link from a session to a sub-agent's. */
export interface ChildRecord {
  readonly schema: number;
  readonly loopId?: string;
  readonly toolCallId?: string;
  readonly toolName?: string;
}

export interface Range<T> {
  readonly start: Key<T>;
  readonly end: Key<T>;
}

export const sessionKey = (sessionId: string): Key<SessionRecord> => encodeKey(['transcript', sessionId]);
export const loopKey = (incarnation: string, loopId: string): Key<LoopRecord> =>
  encodeKey(['transcript-loop', incarnation, loopId]);
export const loopStateKey = (incarnation: string, loopId: string): Key<LoopStateRecord> =>
  encodeKey(['transcript-loop-state', incarnation, loopId]);
/** The chosen loop of a parallel group. */
export const groupKey = (incarnation: string, groupId: string): Key<GroupRecord> =>
  encodeKey(['transcript-group', incarnation, groupId]);
export const entryKey = (incarnation: string, position: number): Key<EntryRecord> =>
  encodeKey(['transcript-entry', incarnation, position]);
/** Apart from the content: what was done stays done, also where that is replaced as a whole. */
export const operationKey = (owner: string, operationId: string): Key<OperationRecord> =>
  encodeKey(['transcript-operation', owner, operationId]);
export const childKey = (identity: string, childSessionId: string): Key<ChildRecord> =>
  encodeKey(['transcript-child', identity, childSessionId]);
export const pieceKey = (set: string, index: number): Key<string> =>
  encodeKey(['transcript-piece', set, index]);
/** The session an agent is in, for those who ask for it by agent. */
export const currentKey = (agentId: string): Key<{ readonly schema: number; readonly sessionId: string }> =>
  encodeKey(['transcript-current', agentId]);
/** Content that nobody can reach any more. */
export const droppedKey = (owner: string): Key<number> => encodeKey(['transcript-dropped', owner]);
/** Content that nobody can reach yet, and until when it is waited for. */
export const stagingKey = (owner: string): Key<number> => encodeKey(['transcript-staging', owner]);

export interface GroupRecord {
  readonly schema: number;
  readonly selectedLoopId: string;
}

/** The kinds of records that lie under an id which is given up as a whole. */
export const ownedKinds = [
  'transcript-entry',
  'transcript-piece',
  'transcript-operation',
  'transcript-loop',
  'transcript-loop-state',
  'transcript-group',
  'transcript-child',
  'checkpoint',
  'checkpoint-namespace',
  'checkpoint-value',
  'checkpoint-write',
] as const;

export const ownedRange = (kind: (typeof ownedKinds)[number], owner: string): Range<unknown> =>
  keysBelow([kind, owner]);
export const loopsOf = (incarnation: string): Range<LoopRecord> =>
  keysBelow(['transcript-loop', incarnation]) as Range<LoopRecord>;
export const loopStatesOf = (incarnation: string): Range<LoopStateRecord> =>
  keysBelow(['transcript-loop-state', incarnation]) as Range<LoopStateRecord>;
export const groupsOf = (incarnation: string): Range<GroupRecord> =>
  keysBelow(['transcript-group', incarnation]) as Range<GroupRecord>;
export const childrenOf = (identity: string): Range<ChildRecord> =>
  keysBelow(['transcript-child', identity]) as Range<ChildRecord>;
export const allDropped: Range<number> = keysBelow(['transcript-dropped']) as Range<number>;
export const allStaging: Range<number> = keysBelow(['transcript-staging']) as Range<number>;

/** The index of one agent's sessions, or of all: the one that was active last comes last. */
export function indexRange(agentId: string | undefined): Range<number> {
  const parts = agentId === undefined ? ['transcript-index'] : ['transcript-by-agent', agentId];
  return keysBelow(parts) as Range<number>;
}

/** The two index records of a session. */
export function indexKeys(
  sessionId: string,
  record: Pick<SessionRecord, 'agentId' | 'indexedAtMs'>,
): Key<number>[] {
  return [
    encodeKey(['transcript-index', record.indexedAtMs, sessionId]),
    encodeKey(['transcript-by-agent', record.agentId, record.indexedAtMs, sessionId]),
  ];
}

/** The session that an index record names, and the time it stands at. */
export function indexEntryOf(key: Key<number>): { readonly sessionId: string; readonly indexedAtMs: number } {
  const parts = decodeKey(key);
  return { sessionId: String(parts.at(-1)), indexedAtMs: Number(parts.at(-2)) };
}

/** The last part of a key. */
export function lastPartOf(key: Key): string {
  // What ends a key is a key as well: the parts before need not be decoded.
  const last = key.slice(key.lastIndexOf(' ', key.length - 2) + 1) as Key;
  return String(decodeKey(last)[0]);
}

/** Whether a session is there at a time: an ephemeral one is gone when its lifetime is over. */
export function isLive(record: SessionRecord | undefined, now: Interval): record is SessionRecord {
  return record !== undefined && (record.expiresAtMs === null || now.latestMs < record.expiresAtMs);
}

/** Under which id the operations lie that were done in a session. */
export const operationsOf = ({ operations, identity }: SessionRecord): string => operations ?? identity;

/**
 * Whether an owner's records are still waited for. Once they are not they are being deleted: whoever writes on would leave
 * behind what nobody collects, and whoever refers to them a hole.
 */
export const isStaged = (view: View, owner: string): boolean => view.get(stagingKey(owner)) !== undefined;

/** What a session's records are kept by: those of an ephemeral one go by themselves. */
export function keptUntil(record: Pick<SessionRecord, 'expiresAtMs'>): { expiresAtMs?: number } {
  return record.expiresAtMs === null ? {} : { expiresAtMs: record.expiresAtMs };
}

/**
 * A session as it is now, or nothing.
 *
 * @throws AmbitError `STORE_CORRUPT` or `STORE_SCHEMA_TOO_NEW` where its record is none that can be read
 */
export function findLive(view: View, now: Interval, sessionId: string): SessionRecord | undefined {
  const standing = standingOf(view, now, sessionId);
  if (standing.is === 'damaged') throw unreadableSession(sessionId, 'is damaged');
  return standing.is === 'live' ? standing.record : undefined;
}

/** What stands under a session's id. */
export type Standing =
  | { readonly is: 'live'; readonly record: SessionRecord }
  /** Nothing, or a session that has expired and was not swept yet. */
  | { readonly is: 'absent'; readonly record: SessionRecord | undefined }
  /** A record without its fields; `remains` is nothing where its very text is no JSON. */
  | { readonly is: 'damaged'; readonly remains: unknown };

/**
 * Looks a session up, whatever has become of its record.
 *
 * @throws AmbitError `STORE_SCHEMA_TOO_NEW` where a later version wrote it
 */
export function standingOf(view: View, now: Interval, sessionId: string): Standing {
  const record = readableOf(view, sessionKey(sessionId));
  if (record === noJson) return { is: 'damaged', remains: undefined };
  if (record === undefined) return { is: 'absent', record };
  const problem = problemOf(record, sessionShape);
  if (problem === 'is damaged') return { is: 'damaged', remains: record };
  if (problem !== undefined) throw unreadableSession(sessionId, problem);
  return isLive(record, now) ? { is: 'live', record } : { is: 'absent', record };
}

const noJson: unique symbol = Symbol('no JSON');

function readableOf<T>(view: View, key: Key<T>): T | undefined | typeof noJson {
  try {
    return view.get(key);
  } catch (error) {
    // Only what JSON.parse says: by whatever else it throws, the engine asks for a record.
    if (error instanceof SyntaxError) return noJson;
    throw error;
  }
}

export const unreadableSession = (sessionId: string, problem: string): AmbitError =>
  unreadable(
    `the record of the transcript ${quoted(sessionId)}`,
    problem,
    'other transcripts are not affected; delete it, or put a copy of it in its place',
  );

export const unreadableLoop = (loopId: string, problem: string): AmbitError =>
  unreadable(
    `the loop ${quoted(loopId)}`,
    problem,
    'begin an initial loop, or save what load gives of the rest',
  );

function unreadable(what: string, problem: string, advice: string): AmbitError {
  const code = problem === 'is damaged' ? 'STORE_CORRUPT' : 'STORE_SCHEMA_TOO_NEW';
  return new AmbitError(code, `${what} ${problem}; ${advice}`);
}

/** Writes a session's record, and its index where it has moved. */
export function putSession(
  view: View,
  sessionId: string,
  before: Pick<SessionRecord, 'agentId' | 'indexedAtMs'> | undefined,
  record: SessionRecord,
  isTimeGiven = false,
): void {
  const kept = keptUntil(record);
  const old = before ? indexKeys(sessionId, before) : [];
  const place = indexKeys(sessionId, record);
  for (const key of old) if (!place.includes(key)) view.delete(key);
  // Not put: a key that holds the time is another one each time the body runs, and none of them would ever be loaded.
  // A time that comes from elsewhere is the same each time, and may be one at which a damaged record left its place behind.
  const add = isTimeGiven ? view.put.bind(view) : view.insert.bind(view);
  for (const key of place) if (!old.includes(key)) add(key, record.schema, kept);
  view.put(sessionKey(sessionId), record, kept);
}

/** A session as callers see it: a copy, since what is kept must not change with it. */
export function sessionOf(sessionId: string, record: SessionRecord): TranscriptSession {
  const {
    more,
    identity: _i,
    parentIdentity: _p,
    operations: _o,
    indexedAtMs: _x,
    expiresAtMs,
    currentLoopId,
    ...shown
  } = record;
  return {
    ...(more && copyFields('session', more)),
    ...shown,
    sessionId,
    ...(expiresAtMs !== null && { expiresAtMs }),
    ...(currentLoopId !== null && { currentLoopId }),
    ...(record.parent && { parent: { ...record.parent } }),
    ...(record.forkedFrom && { forkedFrom: { ...record.forkedFrom } }),
    ...(record.metadata && { metadata: copyFields('metadata', record.metadata) }),
    ...(record.lost && { lost: record.lost.map((one) => ({ ...one })) }),
    counts: { ...record.counts },
    usage: { ...record.usage },
  };
}

/** A loop as callers see it. */
export function loopOf(
  loopId: string,
  record: LoopRecord,
  state: LoopStateRecord | undefined,
): TranscriptLoop {
  const { kind, parentLoopId, groupId, config, startedAtMs, position, branchesAt, more } = record;
  return {
    ...(more && copyFields('loop', more)),
    schema: record.schema,
    loopId,
    kind,
    ...(parentLoopId !== null && { parentLoopId }),
    ...(groupId !== null && { groupId }),
    status: state?.status ?? 'running',
    ...(config && { config: copyFields('config', config) }),
    ...(state?.metadata && { metadata: copyFields('metadata', state.metadata) }),
    usage: { ...state?.usage },
    startedAtMs,
    ...(state && state.endedAtMs !== null && { endedAtMs: state.endedAtMs }),
    position,
    branchesAt,
  };
}
