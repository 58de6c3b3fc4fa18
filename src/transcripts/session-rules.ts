import {
  childKey,
  currentKey,
  droppedKey,
  indexKeys,
  isStaged,
  keptUntil,
  operationsOf,
  putSession,
  sessionKey,
  sessionOf,
  type SessionRecord,
  type Standing,
  standingOf,
  stagingKey,
  unreadableSession,
} from './transcript-records.js';
import {
  partOfSession,
  sessionChanged,
  sessionExists,
  sessionNotFound,
  tookTooLong,
} from './transcript-refusals.js';
import type { SessionFormation, TranscriptSession } from './transcript-types.js';
import { dropRemains, remainsOf } from './session-remains-rules.js';
import type { CheckedSession } from './session-input-rules.js';
import type { Interval } from '../core/time.js';
import type { Refused } from '../core/refusals.js';
import { schemaVersion } from './transcript-limits.js';
import type { View } from '../engine/engine.js';

/** A session to create, with everything that chance has to do with it. */
export interface PlannedSession extends CheckedSession {
  readonly sessionId: string;
  readonly incarnation: string;
  readonly identity: string;
  readonly formation: SessionFormation;
  readonly previousSessionId?: string;
  readonly ephemeralLifetimeMs: number;
}

/** A session that can be created: `write` does it, and nothing before. */
export interface Creation {
  readonly ok: true;
  readonly record: SessionRecord;
  readonly write: () => void;
}

export function decideCreate(view: View, now: Interval, plan: PlannedSession): Creation | Refused {
  const { sessionId, parent } = plan;
  const standing = standingOf(view, now, sessionId);
  if (standing.is === 'live') return sessionExists(sessionId);
  if (standing.is === 'damaged') throw unreadableSession(sessionId, 'is damaged');
  const above = parent && liveOf(standingOf(view, now, parent.sessionId));
  if (parent && !above) return sessionNotFound(parent.sessionId);
  const record: SessionRecord = {
    schema: schemaVersion,
    incarnation: plan.incarnation,
    identity: plan.identity,
    agentId: plan.agentId,
    formation: plan.formation,
    scope: plan.scope,
    createdAtMs: now.earliestMs,
    lastActiveAtMs: now.earliestMs,
    expiresAtMs: plan.scope === 'ephemeral' ? now.earliestMs + plan.ephemeralLifetimeMs : null,
    indexedAtMs: now.earliestMs,
    ...(parent && above && { parent, parentIdentity: above.identity }),
    ...(plan.previousSessionId !== undefined && { previousSessionId: plan.previousSessionId }),
    ...(plan.metadata && { metadata: plan.metadata }),
    currentLoopId: null,
    nextPosition: 0,
    revision: 1,
    counts: { loops: 0, turns: 0, messages: 0, events: 0 },
    usage: {},
  };
  const write = (): void => {
    if (parent && above) {
      const { sessionId: _above, ...link } = parent;
      view.put(childKey(above.identity, sessionId), { schema: schemaVersion, ...link }, keptUntil(record));
    }
    putSession(view, sessionId, standing.record, record);
  };
  return { ok: true, record, write };
}

/** The session that can be read: a damaged one is no parent, and nobody is in it. */
const liveOf = (standing: Standing): SessionRecord | undefined =>
  standing.is === 'live' ? standing.record : undefined;

type Answered = { readonly ok: true; readonly session: TranscriptSession };

export function decideCreated(view: View, now: Interval, plan: PlannedSession): Answered | Refused {
  const creation = decideCreate(view, now, plan);
  if (!creation.ok) return creation;
  creation.write();
  return { ok: true, session: sessionOf(plan.sessionId, creation.record) };
}

/** Joins the session an agent is in, or puts a new one in its place. */
export function decideOpenCurrent(
  view: View,
  now: Interval,
  plan: PlannedSession,
  inactiveMs: number,
): (Answered & { readonly created: boolean }) | Refused {
  const key = currentKey(plan.agentId);
  const last = view.get(key)?.sessionId;
  const record = last === undefined ? undefined : liveOf(standingOf(view, now, last));
  const isHis = record?.agentId === plan.agentId;
  if (last !== undefined && record && isHis && now.earliestMs - record.lastActiveAtMs < inactiveMs)
    return { ok: true, session: sessionOf(last, record), created: false };
  const rotated: PlannedSession =
    record && isHis && last !== undefined
      ? { ...plan, formation: 'inactivity', previousSessionId: last }
      : plan;
  const creation = decideCreate(view, now, rotated);
  if (!creation.ok) return creation;
  creation.write();
  view.put(key, { schema: schemaVersion, sessionId: plan.sessionId });
  return { ok: true, session: sessionOf(plan.sessionId, creation.record), created: true };
}

/** Makes a session unreachable, with everything under it; what is left is collected afterwards. */
export function decideDelete(view: View, now: Interval, sessionId: string): { readonly ok: true } | Refused {
  const standing = standingOf(view, now, sessionId);
  if (standing.is === 'absent') return sessionNotFound(sessionId);
  if (standing.is === 'damaged') {
    dropRemains(view, sessionId, remainsOf(sessionId, standing.remains));
    return { ok: true };
  }
  const { record } = standing;
  for (const key of indexKeys(sessionId, record)) view.delete(key);
  view.delete(sessionKey(sessionId));
  if (record.parentIdentity !== undefined) view.delete(childKey(record.parentIdentity, sessionId));
  // Operations lie under the identity as long as none were forgotten.
  for (const owner of new Set([record.incarnation, record.identity, operationsOf(record)]))
    view.insert(droppedKey(owner), schemaVersion);
  return { ok: true };
}

/** The content that takes the place of a session's, under an incarnation that nobody could reach so far. */
export interface PlannedSwitch {
  readonly sessionId: string;
  /** Whether a session that is there is replaced. */
  readonly replace: boolean;
  /** Whether it was loaded in part, and nobody said that the rest is to go. */
  readonly isPart: boolean;
  /** What it must still be, where it was read before. */
  readonly expected: { readonly incarnation: string; readonly revision: number | undefined } | undefined;
  /** The session's record, but for what depends on the one before it. */
  readonly record: Omit<
    SessionRecord,
    'identity' | 'indexedAtMs' | 'lastActiveAtMs' | 'createdAtMs' | 'revision'
  >;
  readonly createdAtMs: number | undefined;
  /** When it was active last, for one that comes from elsewhere; now, unless given. */
  readonly lastActiveAtMs: number | undefined;
  /** Under which its links to sub-agents were written, for a session that is new. */
  readonly identity: string;
  /** Where its operations lie from now on, where those before are to be forgotten. */
  readonly operations: string | undefined;
}

export function decideSwitch(view: View, now: Interval, plan: PlannedSwitch): Answered | Refused {
  const { sessionId, expected } = plan;
  const standing = standingOf(view, now, sessionId);
  const isThere = standing.is !== 'absent';
  if (isThere && !plan.replace) return sessionExists(sessionId);
  if (isThere && plan.isPart) return partOfSession(sessionId);
  const live = liveOf(standing);
  if (
    expected &&
    (live?.incarnation !== expected.incarnation || (expected.revision ?? live.revision) !== live.revision)
  )
    return isThere ? sessionChanged(sessionId) : sessionNotFound(sessionId);
  const remains = standing.is === 'damaged' ? remainsOf(sessionId, standing.remains) : undefined;
  const found = live ?? remains;
  const { incarnation } = plan.record;
  if (!isStaged(view, incarnation)) return tookTooLong();
  const { parent } = plan.record;
  const above = parent && liveOf(standingOf(view, now, parent.sessionId));
  const lastActiveAtMs = Math.min(plan.lastActiveAtMs ?? now.earliestMs, now.earliestMs);
  const operations = plan.operations ?? found?.operations;
  const record: SessionRecord = {
    ...plan.record,
    ...(above && { parentIdentity: above.identity }),
    identity: found?.identity ?? plan.identity,
    ...(operations !== undefined && { operations }),
    createdAtMs: Math.min(plan.createdAtMs ?? live?.createdAtMs ?? lastActiveAtMs, now.earliestMs),
    lastActiveAtMs,
    indexedAtMs: lastActiveAtMs,
    revision: (found?.revision ?? 0) + 1,
  };
  if (found?.parentIdentity !== undefined && found.parentIdentity !== above?.identity)
    view.delete(childKey(found.parentIdentity, sessionId));
  if (parent && above) {
    const { sessionId: _above, ...link } = parent;
    view.put(childKey(above.identity, sessionId), { schema: schemaVersion, ...link }, keptUntil(record));
  }
  // Put: of what a damaged record names nobody knows that it was not dropped before.
  const drop = (owner: string): void => view.put(droppedKey(owner), schemaVersion);
  const before = standing.is === 'damaged' ? remains : standing.record;
  if (before?.incarnation !== undefined) drop(before.incarnation);
  if (record.identity !== plan.identity) drop(plan.identity);
  // The first ones lie where the links to sub-agents do, and stay there until the session is deleted.
  if (found?.operations !== undefined && found.operations !== operations) drop(found.operations);
  for (const owner of [incarnation, plan.identity]) view.delete(stagingKey(owner));
  const index = standing.is === 'damaged' ? remains?.index : standing.record;
  putSession(view, sessionId, index, record, lastActiveAtMs === plan.lastActiveAtMs);
  return { ok: true, session: sessionOf(sessionId, record) };
}
