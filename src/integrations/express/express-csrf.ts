import {
  csrfField,
  CsrfError,
  csrfHeader,
  isCsrfToken,
  isUnsafeMethod,
  newCsrfToken,
} from '../../web/csrf-tokens.js';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';

/** What {@link expressCsrf} may be told. */
export interface ExpressCsrfOptions {
  /**
   * Which requests must bring a token of their session, in the header `x-csrf-token` or the form field `_csrf`: all but
   * GET, HEAD, OPTIONS and TRACE unless said.
   */
  readonly wantsToken?: (request: ExpressRequest) => boolean;
}

/** What is looked at of a request of Express. */
export interface ExpressRequest {
  readonly method?: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly sessionID: string;
  readonly session?: object | null;
  readonly body?: unknown;
}

/** A middleware, as Express takes it. */
export type ExpressHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/**
 * Refuses requests of other sites. Comes after express-session, and after the parser of forms where tokens come in a
 * field. {@link csrfTokenOf} makes a token; a request without one is a `CsrfError`.
 *
 * @example
 * ```ts
 * import { openAmbit } from 'ambit';
 * import { csrfTokenOf, expressCsrf, expressStore } from 'ambit/express';
 * import express from 'express';
 * import session from 'express-session';
 *
 * const ambit = await openAmbit({ storage: 'sqlite:./app.db' });
 * const secret = process.env['SESSION_SECRET'] ?? '';
 * const app = express();
 * app.use(session({ store: expressStore(ambit.web), secret, resave: false, saveUninitialized: false }));
 * app.use(express.urlencoded({ extended: false }), expressCsrf());
 * app.get('/', (req, res) => {
 *   res.send(`<form method="post"><input type="hidden" name="_csrf" value="${csrfTokenOf(req)}"></form>`);
 * });
 * ```
 */
export function expressCsrf(options: ExpressCsrfOptions = {}): ExpressHandler {
  const { wantsToken = () => true } = options;
  return (given, _response, next) => {
    const request = given as IncomingMessage & ExpressRequest;
    if (typeof request.sessionID !== 'string') {
      next(new TypeError('expressCsrf must come after express-session'));
      return;
    }
    const isRefused = isUnsafeMethod(request.method ?? '') && wantsToken(request) && !hasToken(request);
    next(isRefused ? new CsrfError() : undefined);
  };
}

/**
 * A token for a form or a script of the page that is being answered. Its session is saved from now on: one without
 * anything in it is not, and the next request would get another id.
 *
 * @example
 * ```ts
 * import { csrfTokenOf } from 'ambit/express';
 * import type { RequestHandler } from 'express';
 *
 * const page: RequestHandler = (req, res) => {
 *   res.send(`<meta name="csrf-token" content="${csrfTokenOf(req)}">`);
 * };
 * ```
 */
export function csrfTokenOf({ session, sessionID }: ExpressRequest): string {
  if (!session) throw new TypeError('csrfTokenOf must come after express-session');
  Object.assign(session, { [csrfField]: true });
  return newCsrfToken(sessionID);
}

function hasToken(request: ExpressRequest): boolean {
  return isCsrfToken(request.sessionID, tokenOf(request));
}

function tokenOf({ headers, body }: ExpressRequest): unknown {
  if (headers[csrfHeader] !== undefined) return headers[csrfHeader];
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, csrfField)) return undefined;
  return (body as Record<string, unknown>)[csrfField];
}
