import { httpStatusOf, type Refusal, type Refused } from '../core/refusals.js';

/**
 * What the middlewares of servers throw, or hand to a server's error handler, where the session of a request could not
 * be loaded or saved. Servers answer with its status.
 *
 * @example
 * ```ts
 * import { SessionError } from 'ambit';
 * const isBusy = (error: unknown): boolean => error instanceof SessionError && error.refusal.retryable;
 * ```
 */
export class SessionError extends Error {
  readonly refusal: Refusal;
  readonly code: Refusal['code'];
  /** As Express and Hono name it. */
  readonly status: number;
  /** As Fastify names it. */
  readonly statusCode: number;

  constructor({ refusal }: Refused) {
    super(`session: ${refusal.message}`);
    this.name = 'SessionError';
    this.refusal = refusal;
    this.code = refusal.code;
    this.status = httpStatusOf(refusal.code);
    this.statusCode = this.status;
  }

  /** Hono asks an error for its response. */
  getResponse(): Response {
    return new Response(this.message, { status: this.status });
  }
}

/** An answer that is no refusal. */
export function orThrow<T extends { readonly ok: true }>(answer: T | Refused): T {
  if (answer.ok) return answer;
  throw new SessionError(answer);
}
