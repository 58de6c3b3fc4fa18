import { encodeKey, type Key, keysBelow } from '../core/keys.js';
import type { Flash } from './web-types.js';
import type { Json } from '../core/json.js';

/** The data of a session as stored: JSON, never changed in place. */
export type Data = Readonly<Record<string, Json>>;

/** One session. Whether the record exists decides whether the session can. */
export interface SessionRecord {
  readonly data: Data;
  /** Apart from the data: a save neither drops nor repeats one. */
  readonly flashes: readonly Flash[];
  readonly userId: string | null;
  readonly userName: string | null;
  /** The user's epoch when the session became the user's: another one now means that all were ended since. */
  readonly userEpoch: string;
  readonly createdAtMs: number;
  /** The latest time it was written at: time never runs backwards for it, whatever the store's clock does. */
  readonly lastAccessedMs: number;
  readonly idleMs: number;
  /** The end in force: the idle one, and never past the absolute one. */
  readonly expiresAtMs: number;
  readonly absoluteExpiresAtMs: number;
  /** What a server's middleware keeps: the last one wins. */
  readonly beside: Json;
}

/** Only users whose sessions were ended all at once have one. */
export interface UserRecord {
  readonly epoch: string;
  /** No session that began before it, or carries its epoch, is alive then. */
  readonly keptUntilMs: number;
}

/** The keys of one kind of session: kinds share a store and nothing else. */
export interface WebKeys {
  session(idHash: string): Key<SessionRecord>;
  user(userId: string): Key<UserRecord>;
  byUser(userId: string, createdAtMs: number, idHash: string): Key<true>;
  /** All sessions of the kind, in no meaningful order. */
  readonly sessions: { start: Key; end: Key };
  /** One user's sessions, oldest first. */
  userSessions(userId: string): { start: Key; end: Key };
}

export function makeWebKeys(name: string): WebKeys {
  return {
    session: (idHash) => encodeKey(['web', name, idHash]),
    user: (userId) => encodeKey(['web-user', name, userId]),
    byUser: (userId, createdAtMs, idHash) => encodeKey(['web-by-user', name, userId, createdAtMs, idHash]),
    sessions: keysBelow(['web', name]),
    userSessions: (userId) => keysBelow(['web-by-user', name, userId]),
  };
}

/** Whether a swept key was that of a session, of whatever kind. */
export function isSessionKey(key: Key): boolean {
  return key.startsWith(sessionKeyPrefix);
}

const sessionKeyPrefix: string = encodeKey(['web']);
