import {
  childKey,
  currentKey,
  droppedKey,
  findLive,
  indexKeys,
  isLive,
  isStaged,
  keptUntil,
  operationsOf,
  putSession,
  sessionKey,
  sessionOf,
  type SessionRecord,
  stagingKey,
} from './transcript-records.js';
import {
  partOfSession,
  sessionChanged,
  sessionExists,
  sessionNotFound,
  tookTooLong,
} from './transcript-refusals.js';
import type { SessionFormation, TranscriptSession } from './transcript-types.js';
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
  const before = view.get(sessionKey(sessionId));
  if (isLive(before, now)) return sessionExists(sessionId);
  const above = parent && findLive(view, now, parent.sessionId);
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
    putSession(view, sessionId, before, record);
  };
  return { ok: true, record, write };
}

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
  const record = last === undefined ? undefined : findLive(view, now, last);
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
  const record = findLive(view, now, sessionId);
  if (!record) return sessionNotFound(sessionId);
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
  const before = view.get(sessionKey(sessionId));
  const found = isLive(before, now) ? before : undefined;
  if (found && !plan.replace) return sessionExists(sessionId);
  if (found && plan.isPart) return partOfSession(sessionId);
  if (
    expected &&
    (found?.incarnation !== expected.incarnation || (expected.revision ?? found.revision) !== found.revision)
  )
    return found ? sessionChanged(sessionId) : sessionNotFound(sessionId);
  const { incarnation } = plan.record;
  if (!isStaged(view, incarnation)) return tookTooLong();
  const { parent } = plan.record;
  const above = parent && findLive(view, now, parent.sessionId);
  const lastActiveAtMs = Math.min(plan.lastActiveAtMs ?? now.earliestMs, now.earliestMs);
  const operations = plan.operations ?? found?.operations;
  const record: SessionRecord = {
    ...plan.record,
    ...(above && { parentIdentity: above.identity }),
    identity: found?.identity ?? plan.identity,
    ...(operations !== undefined && { operations }),
    createdAtMs: Math.min(plan.createdAtMs ?? found?.createdAtMs ?? lastActiveAtMs, now.earliestMs),
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
  if (before) view.insert(droppedKey(before.incarnation), schemaVersion);
  if (found) view.insert(droppedKey(plan.identity), schemaVersion);
  // The first ones lie where the links to sub-agents do, and stay there until the session is deleted.
  if (found?.operations !== undefined && found.operations !== operations)
    view.insert(droppedKey(found.operations), schemaVersion);
  for (const owner of [incarnation, plan.identity]) view.delete(stagingKey(owner));
  putSession(view, sessionId, before, record);
  return { ok: true, session: sessionOf(sessionId, record) };
}
