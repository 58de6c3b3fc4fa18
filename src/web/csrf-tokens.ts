import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/**
 * A token that a form or a script of this site sends back with what it changes: another site can make a browser send the
 * cookie, but cannot read this. Different each time, so that a compressed page does not give it away byte by byte
 * (BREACH), and all tokens of a session hold at once: tabs do not disturb one another. They end with the session's id.
 */
export function newCsrfToken(sessionId: string): string {
  const salt = randomBytes(18).toString('base64url');
  return salt + macOf(sessionId, salt);
}

/** Whether a token was made for this session. The time it takes says nothing. */
export function isCsrfToken(sessionId: string, token: unknown): boolean {
  if (typeof token !== 'string' || !tokenForm.test(token)) return false;
  const [salt, mac] = [token.slice(0, saltChars), token.slice(saltChars)];
  return timingSafeEqual(Buffer.from(mac), Buffer.from(macOf(sessionId, salt)));
}

/** The id is the key: 256 random bits that nobody but the browser and this server knows, and that no token gives away. */
function macOf(sessionId: string, salt: string): string {
  return createHmac('sha256', sessionId).update(`csrf ${salt}`).digest('base64url');
}

/**
 * What the middlewares of servers throw, or hand to a server's error handler, where a request that may change something
 * brings no token of its session.
 *
 * @example
 * ```ts
 * import { CsrfError } from 'ambit';
 * const isForged = (error: unknown): boolean => error instanceof CsrfError;
 * ```
 */
export class CsrfError extends Error {
  readonly code = 'CSRF_TOKEN_WRONG';
  /** As Express and Hono name it. */
  readonly status = 403;
  /** As Fastify names it. */
  readonly statusCode = 403;

  constructor() {
    super(
      `the request brings no token of its session, neither in the header ${csrfHeader} nor in the form field ${csrfField}; load the page again`,
    );
    this.name = 'CsrfError';
  }

  /** Hono asks an error for its response. */
  getResponse(): Response {
    return new Response(this.message, { status: this.status });
  }
}

/** Where the header and the form field carry a token. */
export const csrfHeader = 'x-csrf-token';
export const csrfField = '_csrf';

/** Whether a request may change something: RFC 9110, section 9.2.1, names those that do not. */
export function isUnsafeMethod(method: string): boolean {
  return !['GET', 'HEAD', 'OPTIONS', 'TRACE'].includes(method);
}

const saltChars = 24;
const tokenForm = /^[A-Za-z0-9_-]{67}$/;
