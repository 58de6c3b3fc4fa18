import { carrySession, type CarriedSession, type RequestSession } from '../../web/request-session.js';
import { checkCookie, type SessionCookieOptions } from '../../web/cookie-rules.js';
import { csrfField, CsrfError, csrfHeader, isUnsafeMethod } from '../../web/csrf-tokens.js';
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { Json } from '../../core/json.js';
import { requireWeb } from '../../web/web-sessions.js';
import type { WebSessions } from '../../web/web-types.js';

/** What is in `request.session`: declare your keys in it, `declare module 'ambit/fastify'`. Any JSON unless you do. */
export interface FastifySessionData {
  [key: string]: Json;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The session of this request. */
    session: RequestSession<FastifySessionData>;
  }
}

/** What {@link fastifySessions} may be told. */
export interface FastifySessionOptions {
  /** The `web` of an open Ambit. */
  readonly web: WebSessions;
  readonly cookie?: SessionCookieOptions;
  /**
   * Which requests must bring a token of their session, in the header `x-csrf-token` or the form field `_csrf`: all but
   * GET, HEAD, OPTIONS and TRACE unless said, none for `false`.
   */
  readonly csrf?: boolean | ((request: FastifyRequest) => boolean);
}

/**
 * Gives each request its session, `request.session`, and saves it before the answer leaves; what cannot be saved is
 * answered as an error. Forms need a parser of their own before their field is looked at.
 *
 * @example
 * ```ts
 * import { openAmbit } from 'ambit';
 * import { fastifySessions } from 'ambit/fastify';
 * import Fastify from 'fastify';
 *
 * const ambit = await openAmbit({ storage: 'sqlite:./app.db' });
 * const app = Fastify();
 * await app.register(fastifySessions, { web: ambit.web, cookie: { keys: process.env['SESSION_KEY'] ?? '' } });
 * app.get('/', (request) => {
 *   const visits = Number(request.session.get('visits') ?? 0) + 1;
 *   request.session.set('visits', visits);
 *   return { visits };
 * });
 * ```
 */
export const fastifySessions: FastifyPluginAsync<FastifySessionOptions> = async (app, options) => {
  const web = requireWeb(options.web);
  const cookie = checkCookie(options.cookie);
  const { csrf = true } = options;
  const wantsToken = typeof csrf === 'function' ? csrf : () => csrf;
  const carried = new WeakMap<FastifyRequest, CarriedSession<FastifySessionData>>();

  app.decorateRequest('session');
  app.addHook('onRequest', async (request) => {
    const one = await carrySession<FastifySessionData>(web, cookie, request.headers.cookie);
    carried.set(request, one);
    request.session = one.session;
  });
  // Not before the body is there.
  app.addHook('preHandler', (request, _reply, next) => {
    if (!isUnsafeMethod(request.method) || !wantsToken(request)) return next();
    const token = request.headers[csrfHeader] ?? fieldOf(request.body);
    return next(request.session.isCsrfToken(token) ? undefined : new CsrfError());
  });
  app.addHook('onSend', async (request, reply) => {
    const one = carried.get(request);
    // Once: what fails here comes back as the answer of the error.
    carried.delete(request);
    await one?.finish((line) => void reply.header('set-cookie', line));
  });
};

// A plugin is a world of its own in Fastify unless it says so: hooks in here would see the requests of nobody else.
Object.assign(fastifySessions, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'ambit-sessions',
});

function fieldOf(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, csrfField)) return undefined;
  return (body as Record<string, unknown>)[csrfField];
}
