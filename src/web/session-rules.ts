import { changedSince, dataTooLarge, idTaken, notFound, tooManyFlashes } from './web-refusals.js';
import { type Change, conflictingKey, sameJson, withChanges } from './merge-rules.js';
import type { ConflictPolicy, Flash, WebUser } from './web-types.js';
import type { Data, SessionRecord, WebKeys } from './web-records.js';
import { isTouchDue, prolonged, timeFor } from './lifetime-rules.js';
import { joinUser, livingSession } from './user-rules.js';
import { flashesMax } from './web-limits.js';
import type { Interval } from '../core/time.js';
import { checkBeside, jsonBytesOver } from './web-input-rules.js';
import type { Json } from '../core/json.js';
import { noEpoch } from './lifetime-rules.js';
import type { Refused } from '../core/refusals.js';
import type { View } from '../engine/engine.js';

/** A session after an operation, and the time of it. */
export interface Found {
  readonly ok: true;
  readonly record: SessionRecord;
  /** Whether its end has moved. */
  readonly touched: boolean;
  readonly atMs: number;
}

/** What a session begins with. */
export interface Creation {
  readonly data: Data;
  readonly user: WebUser | undefined;
  readonly beside: Json;
  readonly idleMs: number;
  readonly absoluteMs: number;
  readonly dataBytesMax: number;
  /** The id is `new`: random, so nobody else has it. Or somebody else made it: it must be `absent`, or may be `any`. */
  readonly id: 'new' | 'absent' | 'any';
}

export function decideCreate(
  view: View,
  now: Interval,
  keys: WebKeys,
  idHash: string,
  creation: Creation,
): Found | Refused {
  const { data, user, beside, idleMs, dataBytesMax } = creation;
  const tooLarge = checkSize(data, dataBytesMax);
  if (tooLarge) return tooLarge;
  if (creation.id !== 'new') {
    if (creation.id === 'absent' && livingSession(view, now, keys, idHash)) return idTaken();
    bury(view, keys, idHash);
  }
  const atMs = now.earliestMs;
  const absoluteExpiresAtMs = atMs + creation.absoluteMs;
  const record: SessionRecord = {
    data,
    flashes: [],
    ...userFields(view, keys, user, absoluteExpiresAtMs),
    createdAtMs: atMs,
    lastAccessedMs: atMs,
    idleMs,
    expiresAtMs: Math.min(atMs + idleMs, absoluteExpiresAtMs),
    absoluteExpiresAtMs,
    beside,
  };
  begin(view, keys, idHash, record, creation.id === 'new');
  return { ok: true, record, touched: true, atMs };
}

/** Finds a session, and prolongs it where that is due. What is found dead is deleted: no clock brings it back. */
export function decideLoad(
  view: View,
  now: Interval,
  keys: WebKeys,
  idHash: string,
  touchAfterPart: number | undefined,
): Found | { readonly ok: true; readonly record: undefined } {
  const record = livingSession(view, now, keys, idHash);
  if (!record) {
    bury(view, keys, idHash);
    return { ok: true, record: undefined };
  }
  const atMs = timeFor(record, now);
  if (touchAfterPart === undefined) return { ok: true, record, touched: false, atMs };
  const lifetime = prolonged(record, now);
  if (!isTouchDue(record, lifetime, touchAfterPart)) return { ok: true, record, touched: false, atMs };
  return put(view, keys, idHash, { ...record, ...lifetime }, atMs);
}

/** What a request brings back. */
export interface Saving {
  readonly base: Data;
  readonly changes: readonly Change[];
  readonly conflict: ConflictPolicy;
  readonly dataBytesMax: number;
  readonly touchAfterPart: number;
  /** As it was, unless given. */
  readonly idleMs?: number | undefined;
  readonly beside?: Json | undefined;
  /** What a request found beside and left alone: where another has changed it since, that stays, and its `idleMs`. */
  readonly besideFound?: Json | undefined;
  /** Whose the session is from now on; `null` for nobody's, as it was unless given. */
  readonly user?: WebUser | null | undefined;
}

export function decideSave(
  view: View,
  now: Interval,
  keys: WebKeys,
  idHash: string,
  saving: Saving,
): Found | Refused {
  const record = livingSession(view, now, keys, idHash);
  if (!record) return notFound();
  const data = merged(record, saving);
  if ('refusal' in data) return data;
  const { besideFound, user } = saving;
  const isTheirs = besideFound !== undefined && !sameBeside(record.beside, besideFound);
  const { beside = record.beside, idleMs } = isTheirs ? record : saving;
  const lifetime = prolonged(record, now, idleMs);
  const atMs = lifetime.lastAccessedMs;
  const stays = isUserOf(record, user);
  const isSame = saving.changes.length === 0 && stays && sameBeside(record.beside, beside);
  if (isSame && !isTouchDue(record, lifetime, saving.touchAfterPart)) {
    return { ok: true, record, touched: false, atMs };
  }
  // Measured only where it is written: most saves are touches that are not due.
  const tooLarge = checkBeside(beside);
  if (tooLarge) return tooLarge;
  const next: SessionRecord = { ...record, data: data.data, beside, ...lifetime };
  if (stays) return put(view, keys, idHash, next, atMs);
  const moved = { ...next, ...userFields(view, keys, user ?? undefined, record.absoluteExpiresAtMs) };
  bury(view, keys, idHash);
  begin(view, keys, idHash, moved, false);
  return { ok: true, record: moved, touched: true, atMs };
}

/** Saves under a new id: the old one is dead in the same transaction. */
export function decideRegenerate(
  view: View,
  now: Interval,
  keys: WebKeys,
  ids: { readonly old: string; readonly fresh: string },
  saving: Saving,
  absoluteMs: number,
): Found | Refused {
  const record = livingSession(view, now, keys, ids.old);
  if (!record) return notFound();
  // One user's data and messages are not the next one's; what a visitor had before the login stays theirs.
  const loginId = saving.user?.userId;
  const isOther = loginId !== undefined && record.userId !== null && record.userId !== loginId;
  const data = isOther ? ownChanges(saving) : merged(record, saving);
  if ('refusal' in data) return data;
  const lifetime = prolonged(record, now);
  const atMs = lifetime.lastAccessedMs;
  // A login begins a lifetime; a new id alone must not be a way to live for ever.
  const isLogin = saving.user !== undefined && saving.user !== null;
  const absoluteExpiresAtMs = isLogin ? atMs + absoluteMs : record.absoluteExpiresAtMs;
  const user = saving.user === undefined ? userOf(record) : (saving.user ?? undefined);
  const next: SessionRecord = {
    ...record,
    ...lifetime,
    ...userFields(view, keys, user, absoluteExpiresAtMs),
    data: data.data,
    flashes: isOther ? [] : record.flashes,
    createdAtMs: isLogin ? atMs : record.createdAtMs,
    expiresAtMs: Math.min(atMs + record.idleMs, absoluteExpiresAtMs),
    absoluteExpiresAtMs,
  };
  bury(view, keys, ids.old);
  begin(view, keys, ids.fresh, next, true);
  return { ok: true, record: next, touched: true, atMs };
}

export function decideDestroy(
  view: View,
  now: Interval,
  keys: WebKeys,
  idHash: string,
  userId?: string,
): { readonly ok: true; readonly destroyed: boolean } {
  const living = livingSession(view, now, keys, idHash);
  if (userId !== undefined && living?.userId !== userId) return { ok: true, destroyed: false };
  bury(view, keys, idHash);
  return { ok: true, destroyed: living !== undefined };
}

export function decideAddFlash(
  view: View,
  now: Interval,
  keys: WebKeys,
  idHash: string,
  flash: Flash,
): { readonly ok: true; readonly added: boolean } | Refused {
  const record = livingSession(view, now, keys, idHash);
  if (!record) return { ok: true, added: false };
  if (record.flashes.length >= flashesMax) return tooManyFlashes(flashesMax);
  // Not prolonged, here and below: the cookie would end before the session, and the next load sees no reason to set it.
  const next = { ...record, flashes: [...record.flashes, flash] };
  put(view, keys, idHash, next, timeFor(record, now));
  return { ok: true, added: true };
}

export function decideTakeFlashes(
  view: View,
  now: Interval,
  keys: WebKeys,
  idHash: string,
): { readonly ok: true; readonly flashes: readonly Flash[] } {
  const record = livingSession(view, now, keys, idHash);
  if (!record || record.flashes.length === 0) return { ok: true, flashes: [] };
  put(view, keys, idHash, { ...record, flashes: [] }, timeFor(record, now));
  return { ok: true, flashes: record.flashes };
}

/** Deletes a session, living or dead, and its entry in the user's list. */
export function bury(view: View, keys: WebKeys, idHash: string): void {
  const key = keys.session(idHash);
  const record = view.get(key);
  if (!record) return;
  if (record.userId !== null) view.delete(keys.byUser(record.userId, record.createdAtMs, idHash));
  view.delete(key);
}

/** Writes a session that has no entry in a user's list yet. */
function begin(view: View, keys: WebKeys, idHash: string, record: SessionRecord, isNew: boolean): void {
  const key = keys.session(idHash);
  const options = { expiresAtMs: record.expiresAtMs };
  if (isNew) view.insert(key, record, options);
  else view.put(key, record, options);
  if (record.userId === null) return;
  const entry = keys.byUser(record.userId, record.createdAtMs, idHash);
  const entryOptions = { expiresAtMs: record.absoluteExpiresAtMs };
  if (isNew) view.insert(entry, true, entryOptions);
  else view.put(entry, true, entryOptions);
}

function put(view: View, keys: WebKeys, idHash: string, record: SessionRecord, atMs: number): Found {
  view.put(keys.session(idHash), record, { expiresAtMs: record.expiresAtMs });
  return { ok: true, record, touched: true, atMs };
}

function merged(record: SessionRecord, saving: Saving): { readonly data: Data } | Refused {
  const { base, changes, conflict, dataBytesMax } = saving;
  if (changes.length === 0) return { data: record.data };
  const key = conflict === 'refuse' ? conflictingKey(record.data, base, changes) : undefined;
  if (key !== undefined) return changedSince(key);
  const data = withChanges(record.data, changes);
  return checkSize(data, dataBytesMax) ?? { data };
}

/** What a request changed, on top of nothing. */
function ownChanges({ changes, dataBytesMax }: Saving): { readonly data: Data } | Refused {
  const data = withChanges({}, changes);
  return checkSize(data, dataBytesMax) ?? { data };
}

function checkSize(data: Data, dataBytesMax: number): Refused | undefined {
  const bytes = jsonBytesOver(dataBytesMax, data);
  return bytes === undefined ? undefined : dataTooLarge(dataBytesMax, bytes);
}

/** The moment in what is kept beside moves by itself with each request: that alone is a touch. */
function sameBeside(before: Json, after: Json): boolean {
  const still = (value: Json): Json =>
    typeof value === 'object' && value !== null && 'expires' in value ? { ...value, expires: null } : value;
  return sameJson(still(before), still(after));
}

function isUserOf(record: SessionRecord, user: WebUser | null | undefined): boolean {
  if (user === undefined) return true;
  return record.userId === (user?.userId ?? null) && record.userName === (user?.userName ?? null);
}

function userOf({ userId, userName }: SessionRecord): WebUser | undefined {
  if (userId === null) return undefined;
  return userName === null ? { userId } : { userId, userName };
}

function userFields(
  view: View,
  keys: WebKeys,
  user: WebUser | undefined,
  absoluteExpiresAtMs: number,
): Pick<SessionRecord, 'userId' | 'userName' | 'userEpoch'> {
  if (!user) return { userId: null, userName: null, userEpoch: noEpoch };
  return {
    userId: user.userId,
    userName: user.userName ?? null,
    userEpoch: joinUser(view, keys, user.userId, absoluteExpiresAtMs),
  };
}
