import type { SessionRecord, UserRecord } from './web-records.js';
import type { Interval } from '../core/time.js';
import { touchEachBelowMs } from './web-limits.js';

/** The part of a record that moves when the session is used. */
export type Lifetime = Pick<SessionRecord, 'lastAccessedMs' | 'idleMs' | 'expiresAtMs'>;

/** The time for a record: never before it was last written, whatever the store's clock does. */
export function timeFor(record: Pick<SessionRecord, 'lastAccessedMs'>, now: Interval): number {
  return Math.max(now.earliestMs, record.lastAccessedMs);
}

/** Whether a session lives: its time is not over, and its user has not ended all sessions since it began. */
export function isAlive(record: SessionRecord, user: UserRecord | undefined, now: Interval): boolean {
  if (Math.max(now.latestMs, record.lastAccessedMs) >= record.expiresAtMs) return false;
  return record.userId === null || (user?.epoch ?? noEpoch) === record.userEpoch;
}

/** The epoch of users whose sessions were never ended all at once, which have no record. */
export const noEpoch = '';

/** The lifetime as a use at this time makes it: the idle end moves, the absolute one does not. */
export function prolonged(record: SessionRecord, now: Interval, idleMs: number = record.idleMs): Lifetime {
  const lastAccessedMs = timeFor(record, now);
  return {
    lastAccessedMs,
    idleMs,
    expiresAtMs: Math.min(lastAccessedMs + idleMs, record.absoluteExpiresAtMs),
  };
}

/** Whether a use that changes nothing else is worth a write. */
export function isTouchDue(record: SessionRecord, next: Lifetime, touchAfterPart: number): boolean {
  const byMs = next.expiresAtMs - record.expiresAtMs;
  if (next.idleMs < touchEachBelowMs) return byMs !== 0;
  // A lifetime that somebody else measures comes a little different each time; one that was set anew is in force at once.
  if (Math.abs(next.idleMs - record.idleMs) > measuredWithinMs) return true;
  return byMs > 0 && byMs >= next.idleMs * touchAfterPart;
}

/** Between the moments at which a server reads its clock for a cookie and for the time that is left of it. */
const measuredWithinMs = 1_000;
