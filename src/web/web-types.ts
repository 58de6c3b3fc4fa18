import type { Json } from '../core/json.js';
import type { Refused } from '../core/refusals.js';

/** How loud a flash message is. */
export type FlashLevel = 'success' | 'info' | 'warning' | 'error';

/** A message for the next page: added while one request runs, taken exactly once by another. */
export interface Flash {
  readonly level: FlashLevel;
  readonly message: string;
  readonly title?: string;
}

/**
 * What becomes of a save that changes a key which another request has changed since this one loaded the session: the last
 * commit wins, or the save is refused with `SESSION_CHANGED`. Changes of different keys never meet.
 */
export type ConflictPolicy = 'last-commit-wins' | 'refuse';

/** Bounds of web sessions; `openAmbit({ web })`. */
export interface WebSettings {
  /** How long a session lives without a request: 24 hours unless said; 1 second to 400 days. */
  readonly idleMs?: number;
  /** How long it lives at most, however busy: 30 days unless said; 1 second to 400 days. */
  readonly absoluteMs?: number;
  /**
   * The part of the idle lifetime that must have gone before a request that changes nothing is written down: a twentieth
   * (0.05) unless said, 0 for each time, at most 0.5. Lifetimes under ten minutes are written each time.
   */
  readonly touchAfterPart?: number;
  /** Bytes of JSON in the data of one session: 262,144 unless said, at most 524,288. */
  readonly dataBytesMax?: number;
  /** Two requests that change the same key: `last-commit-wins` unless said. */
  readonly conflict?: ConflictPolicy;
}

/** Whose a session is. */
export interface WebUser {
  /** 1 to 255 characters. */
  readonly userId: string;
  /** For lists and greetings; 1 to 255 characters. */
  readonly userName?: string;
}

/** What a new session begins with. */
export interface NewWebSession<Data extends object = Record<string, Json>> {
  readonly data?: Partial<Data>;
  readonly user?: WebUser;
}

/**
 * A session as one request sees it. Reading and changing it asks nobody; `web.save` writes what was changed. A value
 * that was got may be changed in place: the save notices.
 */
export interface WebSession<Data extends object = Record<string, Json>> {
  /** The secret that the cookie carries. Only its hash is stored. Changes with `regenerate`. */
  readonly id: string;
  readonly userId: string | undefined;
  readonly userName: string | undefined;
  /** Messages that wait, as of the load; `web.takeFlashes` takes them. */
  readonly flashes: readonly Flash[];
  readonly createdAtMs: number;
  /** When it was last written: up to `touchAfterPart` of its idle lifetime before it was last used. */
  readonly lastAccessedMs: number;
  /** The end in force, by the store's clock: idle, and never past the absolute one. */
  readonly expiresAtMs: number;
  readonly absoluteExpiresAtMs: number;
  /** Milliseconds from the last load or save to `expiresAtMs`. */
  readonly expiresInMs: number;
  /** Whether there is anything to save. */
  readonly changed: boolean;
  get<K extends keyof Data & string>(key: K): Data[K] | undefined;
  /** @throws TypeError for what is not JSON, at the save at the latest */
  set<K extends keyof Data & string>(key: K, value: Data[K]): void;
  remove(key: keyof Data & string): void;
  /** Removes every key that this request knows of. */
  clear(): void;
  /** All data as it would be saved, copied. */
  toJSON(): Partial<Data>;
}

/** A session of a list: enough to show and to end it, not to use it. */
export interface ListedWebSession {
  /** Names the session to `destroyListed`. No secret: the id cannot be told from it. */
  readonly handle: string;
  readonly userId: string;
  readonly userName?: string;
  readonly createdAtMs: number;
  readonly lastAccessedMs: number;
  readonly expiresAtMs: number;
  readonly absoluteExpiresAtMs: number;
}

/** Which page of a user's sessions. */
export interface ListWebOptions {
  /** At most so many: 100 unless said, 1 to 1,000. */
  readonly limit?: number;
  /** Where the page before ended. */
  readonly cursor?: string;
}

/**
 * Web sessions: never lost, never revived, never half saved. A session that is unknown, was ended or is past its time is
 * `SESSION_NOT_FOUND`; other refusals are `SESSION_CHANGED`, `INVALID_INPUT` and `STORAGE_UNAVAILABLE`.
 *
 * @example
 * ```ts
 * import { openAmbit } from 'ambit';
 *
 * const ambit = await openAmbit({ storage: 'sqlite:./app.db' });
 * const created = await ambit.web.create<{ cart: string[] }>({ data: { cart: [] } });
 * if (created.ok) {
 *   const { session } = created;
 *   session.set('cart', ['apples']);
 *   const saved = await ambit.web.save(session);
 *   console.log(saved.ok ? session.expiresAtMs : saved.refusal.message);
 * }
 * ```
 */
export interface WebSessions {
  create<Data extends object = Record<string, Json>>(
    input?: NewWebSession<NoInfer<Data>>,
  ): Promise<{ readonly ok: true; readonly session: WebSession<Data> } | Refused>;
  /** Loads a session and, where it is due, prolongs it. `touched` says whether it was: then its cookie should be, too. */
  load<Data extends object = Record<string, Json>>(
    id: string,
    options?: { readonly touch?: boolean },
  ): Promise<{ readonly ok: true; readonly session: WebSession<Data>; readonly touched: boolean } | Refused>;
  /**
   * Writes what was changed since the load, key by key, on top of what other requests wrote meanwhile. Afterwards the
   * session shows both. `SESSION_NOT_FOUND` where it is gone: it is not revived.
   */
  save<Data extends object>(
    session: WebSession<Data>,
    options?: { readonly conflict?: ConflictPolicy },
  ): Promise<{ readonly ok: true; readonly touched: boolean } | Refused>;
  /**
   * Gives the session a new id, in one transaction with what was changed: the old id is dead at that instant. With a
   * `user` it is a login: the session becomes the user's, and its absolute lifetime begins anew; with `null` a logout
   * that keeps the data.
   */
  regenerate<Data extends object>(
    session: WebSession<Data>,
    options?: { readonly user?: WebUser | null },
  ): Promise<{ readonly ok: true } | Refused>;
  /** Adds a message for the next page; `added` is false where there is no such session. At most 100 wait. */
  addFlash(id: string, flash: Flash): Promise<{ readonly ok: true; readonly added: boolean } | Refused>;
  /** Takes all messages that wait, in the order in which they were added. */
  takeFlashes(id: string): Promise<{ readonly ok: true; readonly flashes: readonly Flash[] } | Refused>;
  /** Ends a session; `destroyed` is false where there is none. */
  destroy(id: string): Promise<{ readonly ok: true; readonly destroyed: boolean } | Refused>;
  /**
   * Ends all sessions of a user at one instant, but for the one with the id `except`. Sessions that begin afterwards are
   * not concerned.
   */
  destroyAllForUser(
    userId: string,
    options?: { readonly except?: string },
  ): Promise<{ readonly ok: true } | Refused>;
  /** A user's live sessions, newest first. */
  listForUser(
    userId: string,
    options?: ListWebOptions,
  ): Promise<
    { readonly ok: true; readonly sessions: readonly ListedWebSession[]; readonly cursor?: string } | Refused
  >;
  /** Ends one session of a user's list; `destroyed` is false where it is none of this user's. */
  destroyListed(
    userId: string,
    handle: string,
  ): Promise<{ readonly ok: true; readonly destroyed: boolean } | Refused>;
  /** Live sessions. Walks all of them: for tests and small stores. */
  count(): Promise<{ readonly ok: true; readonly count: number } | Refused>;
  /** Ends all sessions that there are when their turn comes, piece by piece. */
  clear(): Promise<{ readonly ok: true; readonly destroyed: number } | Refused>;
  /**
   * Deletes what has expired, in bounded batches, and says how many sessions that were; a store elsewhere remembers for a
   * while those that were ended, and they count then. Runs by itself, too.
   */
  sweep(): Promise<{ readonly ok: true; readonly sessions: number } | Refused>;
  /** Sessions of their own on the same store, with settings of their own: another server's, another cookie's. */
  named(name: string, settings?: WebSettings): WebSessions;
}
