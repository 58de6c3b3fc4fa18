import { type CookieShape, cookieValues, removeCookie, setCookie } from './cookie-rules.js';
import { type FromCookie, signed, verified } from './cookie-signing.js';
import { isCsrfToken, newCsrfToken } from './csrf-tokens.js';
import { orThrow, SessionError } from './session-error.js';
import type { Flash, WebSession, WebSessions, WebUser } from './web-types.js';
import type { Json } from '../core/json.js';

/**
 * The session of one request, as its handler sees it. There need not be one in the store: it begins with the first thing
 * there is to keep. What was changed is saved, and the cookie set, before the answer leaves.
 *
 * What the store refuses is thrown as a `SessionError`. A session that was ended elsewhere meanwhile is no error: it
 * stays gone, and what was changed in it with it.
 */
export interface RequestSession<Data extends object = Record<string, Json>> {
  readonly userId: string | undefined;
  readonly userName: string | undefined;
  get<K extends keyof Data & string>(key: K): Data[K] | undefined;
  set<K extends keyof Data & string>(key: K, value: Data[K]): void;
  remove(key: keyof Data & string): void;
  clear(): void;
  toJSON(): Partial<Data>;
  /** Adds a message for the next page, at once; false where the session was ended meanwhile. */
  flash(flash: Flash): Promise<boolean>;
  /** Takes the messages that wait. */
  takeFlashes(): Promise<readonly Flash[]>;
  /** Makes the session the user's, under a new id: whoever knew the old one has nothing. */
  login(user: WebUser): Promise<void>;
  /** Ends the session. What is set afterwards begins another. */
  logout(): Promise<void>;
  /** Ends all sessions of its user, this one included. */
  logoutEverywhere(): Promise<void>;
  /** A token for a form or a script of the page that is being answered; begins a session where there is none. */
  csrfToken(): Promise<string>;
  /** Whether a token was made for this session. */
  isCsrfToken(token: unknown): boolean;
  /** Saves what was changed so far; what is left is saved before the answer leaves. */
  save(): Promise<void>;
}

/** A session, and what a server's middleware does with it when the handler is through. */
export interface CarriedSession<Data extends object> {
  readonly session: RequestSession<Data>;
  /** Saves what was changed, and sends the cookie headers, also where the save fails: a login has made another id by then. */
  finish(send: (line: string) => void): Promise<void>;
}

/** Loads the session that the cookies of a request name. Cookies that name none are as good as none. */
export async function carrySession<Data extends object>(
  web: WebSessions,
  cookie: CookieShape,
  header: string | undefined,
): Promise<CarriedSession<Data>> {
  for (const value of cookieValues(header, cookie.name)) {
    const from = verified(cookie, value);
    if (!from) continue;
    const answer = await web.load<Data>(from.id);
    if (answer.ok) return carriedBy(new Carrier<Data>(web, cookie, { ...answer, from }));
    if (answer.refusal.code !== 'SESSION_NOT_FOUND') throw new SessionError(answer);
  }
  return carriedBy(new Carrier<Data>(web, cookie, undefined));
}

function carriedBy<Data extends object>(carrier: Carrier<Data>): CarriedSession<Data> {
  return { session: carrier, finish: (send) => carrier.finish(send) };
}

interface Loaded<Data extends object> {
  readonly session: WebSession<Data>;
  readonly touched: boolean;
  readonly from: FromCookie;
}

class Carrier<Data extends object> implements RequestSession<Data> {
  readonly #web: WebSessions;
  readonly #cookie: CookieShape;
  #stored: WebSession<Data> | undefined;
  /** What was set while there was no session. */
  readonly #draft: Map<string, unknown> = new Map();
  /** While a session begins: whoever needs one meanwhile gets the same. */
  #beginning: Promise<WebSession<Data>> | undefined;
  /** What the cookie is to be afterwards: as it is, set to the session, or removed. */
  #cookieIs: 'right' | 'to-set' | 'to-remove';

  constructor(web: WebSessions, cookie: CookieShape, loaded: Loaded<Data> | undefined) {
    this.#web = web;
    this.#cookie = cookie;
    this.#stored = loaded?.session;
    this.#cookieIs = loaded && (loaded.touched || loaded.from.isStale) ? 'to-set' : 'right';
  }

  get userId(): string | undefined {
    return this.#stored?.userId;
  }
  get userName(): string | undefined {
    return this.#stored?.userName;
  }

  get<K extends keyof Data & string>(key: K): Data[K] | undefined {
    return this.#stored ? this.#stored.get(key) : (this.#draft.get(key) as Data[K] | undefined);
  }

  set<K extends keyof Data & string>(key: K, value: Data[K]): void {
    if (this.#stored) this.#stored.set(key, value);
    else this.#draft.set(key, value);
  }

  remove(key: keyof Data & string): void {
    if (this.#stored) this.#stored.remove(key);
    else this.#draft.delete(key);
  }

  clear(): void {
    this.#stored?.clear();
    this.#draft.clear();
  }

  toJSON(): Partial<Data> {
    return this.#stored?.toJSON() ?? (Object.fromEntries(this.#draft) as Partial<Data>);
  }

  async flash(flash: Flash): Promise<boolean> {
    const { id } = await this.#existing();
    return orThrow(await this.#web.addFlash(id, flash)).added;
  }

  async takeFlashes(): Promise<readonly Flash[]> {
    return this.#stored ? orThrow(await this.#web.takeFlashes(this.#stored.id)).flashes : [];
  }

  async login(user: WebUser): Promise<void> {
    // One that begins for somebody else's sake has no user.
    while (this.#beginning) await this.#beginning;
    if (this.#stored) {
      const moved = await this.#web.regenerate(this.#stored, { user });
      if (moved.ok) {
        this.#cookieIs = 'to-set';
        return;
      }
      if (moved.refusal.code !== 'SESSION_NOT_FOUND') throw new SessionError(moved);
      // Ended elsewhere meanwhile: what was in it is gone, and this is a login.
      this.#stored = undefined;
      return this.login(user);
    }
    await this.#beginOnce(user);
  }

  async logout(): Promise<void> {
    await this.#beginning;
    if (this.#stored) orThrow(await this.#web.destroy(this.#stored.id));
    this.#end();
  }

  async logoutEverywhere(): Promise<void> {
    const { userId } = this;
    if (userId !== undefined) orThrow(await this.#web.destroyAllForUser(userId));
    await this.logout();
  }

  async csrfToken(): Promise<string> {
    return newCsrfToken((await this.#existing()).id);
  }

  isCsrfToken(token: unknown): boolean {
    return this.#stored !== undefined && isCsrfToken(this.#stored.id, token);
  }

  async save(): Promise<void> {
    if (!this.#stored && (this.#beginning || this.#draft.size > 0)) await this.#beginOnce(undefined);
    if (!this.#stored?.changed) return;
    const saved = await this.#web.save(this.#stored);
    if (saved.ok) {
      if (saved.touched) this.#cookieIs = 'to-set';
    } else if (saved.refusal.code === 'SESSION_NOT_FOUND') {
      // Neither saved nor begun anew. The cookie stays: it may be the one of a login that was quicker.
      this.#stored = undefined;
      this.#cookieIs = 'right';
    } else {
      throw new SessionError(saved);
    }
  }

  async finish(send: (line: string) => void): Promise<void> {
    try {
      await this.save();
    } finally {
      if (this.#cookieIs !== 'right') send(this.#cookieLine());
    }
  }

  #cookieLine(): string {
    const stored = this.#stored;
    if (!stored) return removeCookie(this.#cookie);
    // Rounded up: a cookie that ends before its session ends the session.
    const forS = Math.ceil(stored.expiresInMs / 1_000);
    return setCookie(this.#cookie, signed(this.#cookie, stored.id), forS);
  }

  #existing(): Promise<WebSession<Data>> {
    return this.#stored ? Promise.resolve(this.#stored) : this.#beginOnce(undefined);
  }

  /** A beginning that failed is not kept: the next may succeed. */
  #beginOnce(user: WebUser | undefined): Promise<WebSession<Data>> {
    this.#beginning ??= this.#begin(user).finally(() => (this.#beginning = undefined));
    return this.#beginning;
  }

  async #begin(user: WebUser | undefined): Promise<WebSession<Data>> {
    const data = Object.fromEntries(this.#draft) as Partial<Data>;
    const { session } = orThrow(await this.#web.create<Data>({ data, ...(user && { user }) }));
    // What a handler still holds of it may go on being changed.
    for (const [key, value] of this.#draft)
      session.set(key as keyof Data & string, value as Data[keyof Data & string]);
    this.#draft.clear();
    this.#stored = session;
    this.#cookieIs = 'to-set';
    return session;
  }

  #end(): void {
    this.#stored = undefined;
    this.#draft.clear();
    this.#cookieIs = 'to-remove';
  }
}
