import { type Session, type SessionData, Store } from 'express-session';
import { changesBetween, copyOf, sameJson } from '../../web/merge-rules.js';
import type { Data, SessionRecord } from '../../web/web-records.js';
import type { Json } from '../../core/json.js';
import { orThrow, SessionError } from '../../web/session-error.js';
import { serviceOf } from '../../web/web-sessions.js';
import { walkSessions } from '../../web/web-listing.js';
import type { WebService } from '../../web/web-service.js';
import type { WebSessions, WebUser } from '../../web/web-types.js';

/** What {@link expressStore} may be told. */
export interface ExpressStoreOptions {
  /**
   * Whose a session is, read from its data at each save. Then `web.listForUser` and `web.destroyAllForUser` know it.
   * Nobody's, unless given.
   */
  readonly userOf?: (session: SessionData) => WebUser | undefined;
}

/** A store with everything that express-session knows of. */
export type ExpressStore = Store & Required<Pick<Store, 'all' | 'length' | 'clear' | 'touch'>>;

/**
 * Keeps the sessions of express-session. Requests at once are merged as `web.save` does; a session that was destroyed is
 * not revived by a request that was slower; ids are hashed at rest, so `all` answers a list and no ids.
 *
 * A session lives as long as its cookie: `cookie.maxAge`, or `idleMs` of the web settings where the cookie has none, and
 * at most `absoluteMs`. What a save cannot do is a `SessionError`. That the session is gone is one for
 * `session.save(callback)`; at the end of a response, which is sent by then, it is none.
 *
 * @throws TypeError where `web` is not the `web` of an open Ambit
 * @example
 * ```ts
 * import { openAmbit } from 'ambit';
 * import { expressStore } from 'ambit/express';
 * import express from 'express';
 * import session from 'express-session';
 *
 * const ambit = await openAmbit({ storage: 'sqlite:./app.db' });
 * const app = express();
 * app.use(
 *   session({
 *     store: expressStore(ambit.web),
 *     secret: process.env['SESSION_SECRET'] ?? '',
 *     resave: false,
 *     saveUninitialized: false,
 *   }),
 * );
 * ```
 */
export function expressStore(web: WebSessions, options: ExpressStoreOptions = {}): ExpressStore {
  const { userOf } = options;
  if (userOf !== undefined && typeof userOf !== 'function') throw new TypeError('userOf must be a function');
  return new AmbitStore(serviceOf(web), web, userOf);
}

type Done = ((error?: unknown) => void) | undefined;

/** What is known of a session object that was loaded or saved. */
interface Held {
  /** What its next save is compared with; nothing where the store does not have it yet. */
  base: Data | undefined;
  /** The cookie that goes with it. */
  beside: Json;
  /** A first save of which nobody knows whether it was written: the next one may find its own. */
  isUnsure: boolean;
  /** The save under way: two saves of one object run one after the other. */
  saving: Promise<unknown>;
}

class AmbitStore extends Store implements ExpressStore {
  readonly #service: WebService;
  readonly #web: WebSessions;
  readonly #userOf: ExpressStoreOptions['userOf'];
  /** Where a session object carries what is known of it. A WeakMap costs the collector more than all the rest of a request. */
  readonly #held: symbol = Symbol('held');

  constructor(service: WebService, web: WebSessions, userOf: ExpressStoreOptions['userOf']) {
    super();
    this.#service = service;
    this.#web = web;
    this.#userOf = userOf;
  }

  override get(id: string, done: (error: unknown, session?: SessionData | null) => void): void {
    void this.#answer(done, async () => {
      const found = orThrow(await this.#service.load(id, false));
      if (!found.record) return null;
      const { data, beside } = found.record;
      const loaded = sessionOf(data, beside);
      this.#hold(loaded, { base: data, beside, isUnsure: false, saving: Promise.resolve() });
      return loaded;
    });
  }

  /** Express makes its session object from the one that `get` answered: what is known of one is known of the other. */
  override createSession(...[req, loaded]: Parameters<Store['createSession']>): Session & SessionData {
    const made = super.createSession(req, loaded);
    const held = this.#heldOf(loaded);
    if (held) this.#hold(made, held);
    return made;
  }

  override set(id: string, session: SessionData, done?: Done): void {
    void this.#answer(done, async () => {
      const brought = this.#broughtBy(session);
      const held = this.#heldOf(session) ?? this.#hold(session, newHeld());
      const isEnd = isEndOfResponse(done);
      const saved = held.saving.then(() =>
        held.base
          ? this.#save(id, held, held.base, brought, isEnd)
          : this.#create(id, held, session, brought),
      );
      held.saving = saved.catch(ignore);
      return saved;
    });
  }

  override touch(id: string, session: SessionData, done?: Done): void {
    void this.#answer(done, async () => {
      const { cookie, idleMs } = leftOf(session.cookie);
      if (isOver(idleMs)) return this.#destroy(id);
      const { settings } = this.#service;
      const touched = await this.#service.save(id, {
        base: {},
        changes: [],
        beside: cookie,
        besideFound: foundIn(this.#heldOf(session), cookie),
        idleMs: idleMs ?? settings.idleMs,
      });
      // A touch revives nobody, and is no reason to fail.
      if (!touched.ok && touched.refusal.code !== 'SESSION_NOT_FOUND') throw new SessionError(touched);
    });
  }

  override destroy(id: string, done?: Done): void {
    void this.#answer(done, () => this.#destroy(id));
  }

  override all(done: (error: unknown, sessions?: SessionData[] | null) => void): void {
    void this.#answer(done, async () => {
      const sessions: SessionData[] = [];
      const see = ({ data, beside }: SessionRecord): void => void sessions.push(sessionOf(data, beside));
      orThrow(await walkSessions(this.#service, see));
      return sessions;
    });
  }

  override length(done: (error: unknown, length?: number) => void): void {
    void this.#answer(done, async () => {
      return orThrow(await this.#web.count()).count;
    });
  }

  override clear(done?: Done): void {
    void this.#answer(done, async () => {
      orThrow(await this.#web.clear());
    });
  }

  #heldOf(session: object): Held | undefined {
    return (session as { readonly [held: symbol]: Held | undefined })[this.#held];
  }

  /** Not enumerable: it is neither copied nor saved with the session. */
  #hold(session: object, held: Held): Held {
    Object.defineProperty(session, this.#held, { value: held, configurable: true });
    return held;
  }

  #broughtBy(session: SessionData): Brought {
    const user = this.#userOf === undefined ? undefined : (this.#userOf(session) ?? null);
    // As Express keeps it elsewhere: what is no JSON, such as a function, is left out.
    const { cookie: _beside, ...data } = JSON.parse(JSON.stringify(session)) as Record<string, Json>;
    return { data, user, ...leftOf(session.cookie) };
  }

  /** A session that Express has just made must be new; one that somebody wrote by hand replaces what is there. */
  async #create(
    id: string,
    held: Held,
    session: SessionData,
    { data, user, cookie, idleMs }: Brought,
  ): Promise<void> {
    if (isOver(idleMs)) return this.#destroy(id);
    const isNew =
      (session as { readonly req?: { readonly sessionStore?: unknown } }).req?.sessionStore === this;
    const answer = await this.#service.create(id, {
      data,
      user: user ?? undefined,
      beside: cookie,
      id: isNew && !held.isUnsure ? 'absent' : 'any',
      ...(idleMs !== undefined && { idleMs }),
    });
    held.isUnsure ||= !answer.ok && answer.refusal.outcome === 'unknown';
    orThrow(answer);
    held.base = data;
    held.beside = cookie;
  }

  async #save(
    id: string,
    held: Held,
    base: Data,
    { data, user, cookie, idleMs }: Brought,
    isSent: boolean,
  ): Promise<void> {
    if (isOver(idleMs)) return this.#destroy(id);
    const saved = await this.#service.save(id, {
      base,
      changes: changesBetween(base, data),
      beside: cookie,
      besideFound: foundIn(held, cookie),
      idleMs: idleMs ?? this.#service.settings.idleMs,
      ...(user !== undefined && { user }),
    });
    if (saved.ok) {
      held.base = data;
      held.beside = cookie;
    } else if (!isSent || saved.refusal.code !== 'SESSION_NOT_FOUND') throw new SessionError(saved);
  }

  async #destroy(id: string): Promise<void> {
    orThrow(await this.#service.destroy(id));
  }

  /** Calls back outside of the promise: what a callback throws is its own, and no rejection of ours. */
  async #answer<T>(
    done: ((error: unknown, value?: T) => void) | undefined,
    work: () => Promise<T>,
  ): Promise<void> {
    let call: () => void;
    try {
      const value = await work();
      call = () => done?.(null, value);
    } catch (error) {
      call = () => done?.(error);
    }
    if (done) setImmediate(call);
  }
}

function newHeld(): Held {
  return { base: undefined, beside: null, isUnsure: false, saving: Promise.resolve() };
}

/** The cookie that a request found, where it has changed nothing of it: another request's change is not to be undone. */
function foundIn(held: Held | undefined, cookie: Json): Json | undefined {
  if (!held) return undefined;
  const [found, now] = [attributesOf(held.beside), attributesOf(cookie)];
  const isSameAge = Math.abs(found.ageMs - now.ageMs) <= ageWithinMs;
  return isSameAge && sameJson(found.rest, now.rest) ? held.beside : undefined;
}

/** Express measures a cookie's age anew in each request, and comes to a little less where the clock ticks meanwhile. */
const ageWithinMs = 1_000;

function attributesOf(cookie: Json): { readonly ageMs: number; readonly rest: Json } {
  if (typeof cookie !== 'object' || cookie === null || Array.isArray(cookie))
    return { ageMs: -1, rest: null };
  const { originalMaxAge = null, expires: _moves, ...rest } = cookie as Record<string, Json>;
  // Without an age it lasts as long as the browser.
  return { ageMs: typeof originalMaxAge === 'number' ? originalMaxAge : Number.MAX_VALUE, rest };
}

/** What a session object brings to its save. */
interface Brought extends Cookie {
  readonly data: Data;
  /** As it was, unless given; `null` for nobody's. */
  readonly user: WebUser | null | undefined;
}

interface Cookie {
  readonly cookie: Json;
  /** What is left of it; nothing for one that lasts as long as the browser. */
  readonly idleMs: number | undefined;
}

/** @param cookie there is none in a session that somebody wrote by hand */
function leftOf(cookie: SessionData['cookie'] | undefined): Cookie {
  if (!cookie) return { cookie: null, idleMs: undefined };
  const { expires } = cookie as { expires?: Date | string | false | null };
  const leftMs = expires ? Math.round(new Date(expires).getTime() - Date.now()) : Number.NaN;
  return { cookie: jsonOf(cookie), idleMs: Number.isFinite(leftMs) ? leftMs : undefined };
}

/** What JSON would make of a cookie, which is flat; this is done on every request. */
function jsonOf(cookie: SessionData['cookie']): Json {
  const { toJSON } = cookie as { readonly toJSON?: () => object };
  const json: Record<string, Json> = {};
  for (const [field, value] of Object.entries(toJSON?.call(cookie) ?? cookie) as [string, unknown][]) {
    if (value instanceof Date) json[field] = Number.isNaN(value.getTime()) ? null : value.toISOString();
    else if (value === null || typeof value === 'string' || typeof value === 'number') json[field] = value;
    else if (typeof value === 'boolean') json[field] = value;
  }
  return json;
}

function isOver(idleMs: number | undefined): boolean {
  return idleMs !== undefined && idleMs <= 0;
}

/** A session as Express expects it from a store: its own copy, with a cookie. */
function sessionOf(data: Data, beside: Json): SessionData {
  const copy = copyOf(data) as Record<string, unknown>;
  // Express replaces it, and changes what it made of it.
  if (beside !== null) copy['cookie'] = beside;
  return copy as unknown as SessionData;
}

/**
 * Whether Express saves at the end of a response. An error would then cut the connection on what may not have left yet,
 * for a user who has logged out elsewhere meanwhile. It calls its callback so; a handler that asks is told.
 */
function isEndOfResponse(done: Done): boolean {
  return done?.name === 'onsave';
}

function ignore(): void {}
