import { carrySession, type RequestSession } from '../../web/request-session.js';
import { checkCookie, type SessionCookieOptions } from '../../web/cookie-rules.js';
import { csrfField, CsrfError, csrfHeader, isUnsafeMethod } from '../../web/csrf-tokens.js';
import type { Context, MiddlewareHandler } from 'hono';
import type { Json } from '../../core/json.js';
import { requireWeb } from '../../web/web-sessions.js';
import type { WebSessions } from '../../web/web-types.js';

/** What {@link honoSessions} may be told. */
export interface HonoSessionOptions {
  readonly cookie?: SessionCookieOptions;
  /**
   * Which requests must bring a token of their session, in the header `x-csrf-token` or the form field `_csrf`: all but
   * GET, HEAD, OPTIONS and TRACE unless said, none for `false`.
   */
  readonly csrf?: boolean | ((context: Context) => boolean);
}

/**
 * Gives each request its session, `c.var.session`, and saves it before the answer leaves; what cannot be saved is
 * answered as an error.
 *
 * @throws AmbitError `INVALID_INPUT` for a cookie that browsers would refuse, or that would not be safe
 * @example
 * ```ts
 * import { openAmbit } from 'ambit';
 * import { honoSessions } from 'ambit/hono';
 * import { Hono } from 'hono';
 *
 * const ambit = await openAmbit({ storage: 'sqlite:./app.db' });
 * const cookie = { keys: process.env['SESSION_KEY'] ?? '' };
 * const app = new Hono()
 *   .use(honoSessions<{ visits: number }>(ambit.web, { cookie }))
 *   .get('/', (c) => {
 *     const visits = (c.var.session.get('visits') ?? 0) + 1;
 *     c.var.session.set('visits', visits);
 *     return c.json({ visits });
 *   });
 * ```
 */
export function honoSessions<Data extends object = Record<string, Json>>(
  web: WebSessions,
  options: HonoSessionOptions = {},
): MiddlewareHandler<{ Variables: { session: RequestSession<Data> } }> {
  requireWeb(web);
  const cookie = checkCookie(options.cookie);
  const { csrf = true } = options;
  const wantsToken = typeof csrf === 'function' ? csrf : () => csrf;
  return async (c, next) => {
    const { session, finish } = await carrySession<Data>(web, cookie, c.req.header('cookie'));
    if (isUnsafeMethod(c.req.method) && wantsToken(c) && !session.isCsrfToken(await tokenOf(c))) {
      throw new CsrfError();
    }
    c.set('session', session);
    await next();
    await finish((line) => c.header('set-cookie', line, { append: true }));
  };
}

/** Hono keeps what it parsed, so that the handler can ask for it again. */
async function tokenOf(c: Context): Promise<unknown> {
  const token = c.req.header(csrfHeader);
  if (token !== undefined) return token;
  const isForm = /^(application\/x-www-form-urlencoded|multipart\/form-data)\b/i;
  return isForm.test(c.req.header('content-type') ?? '') ? (await c.req.parseBody())[csrfField] : undefined;
}
