import { isAlive, noEpoch, timeFor } from './lifetime-rules.js';
import type { SessionRecord, UserRecord, WebKeys } from './web-records.js';
import { absoluteMsMax } from './web-limits.js';
import { dayMs, type Interval } from '../core/time.js';
import type { View } from '../engine/engine.js';

/** The session under an id if it lives, tied to its user's epoch: what is gone is as if it never was. */
export function livingSession(
  view: View,
  now: Interval,
  keys: WebKeys,
  idHash: string,
): SessionRecord | undefined {
  const record = view.get(keys.session(idHash));
  if (!record) return undefined;
  const user = record.userId === null ? undefined : view.get(keys.user(record.userId));
  if (!isAlive(record, user, now)) return undefined;
  // Decided while it lives, and not applied later.
  view.validUntil(record.expiresAtMs - 1);
  return record;
}

/**
 * The epoch that a session of this user begins in. Prolongs the user's record, where there is one, so that it outlives
 * the session: without it the session would look as if it had been ended.
 */
export function joinUser(view: View, keys: WebKeys, userId: string, absoluteExpiresAtMs: number): string {
  const user = view.get(keys.user(userId));
  if (!user) return noEpoch;
  const keptUntilMs = absoluteExpiresAtMs + marginMs;
  if (user.keptUntilMs < keptUntilMs) putUser(view, keys, userId, { ...user, keptUntilMs });
  return user.epoch;
}

/** Ends all sessions of a user that there are, but for one. The epoch is fresh and random. */
export function decideEndAll(
  view: View,
  now: Interval,
  keys: WebKeys,
  userId: string,
  epoch: string,
  exceptIdHash: string | undefined,
): { readonly ok: true } {
  const excepted = exceptIdHash === undefined ? undefined : livingSession(view, now, keys, exceptIdHash);
  const before = view.get(keys.user(userId));
  const keptUntilMs = Math.max(now.latestMs + absoluteMsMax + marginMs, before?.keptUntilMs ?? 0);
  putUser(view, keys, userId, { epoch, keptUntilMs });
  if (exceptIdHash !== undefined && excepted?.userId === userId) {
    const kept = { ...excepted, userEpoch: epoch, lastAccessedMs: timeFor(excepted, now) };
    view.put(keys.session(exceptIdHash), kept, { expiresAtMs: kept.expiresAtMs });
  }
  return { ok: true };
}

function putUser(view: View, keys: WebKeys, userId: string, user: UserRecord): void {
  view.put(keys.user(userId), user, { expiresAtMs: user.keptUntilMs });
}

/** The sweep goes by the store's clock, which may be set forward and back again by about so much. */
const marginMs = dayMs;
