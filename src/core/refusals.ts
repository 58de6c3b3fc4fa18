import type { WriteOutcome } from './errors.js';

/**
 * Why a call was refused. A program decides on the code, a person and a model read the message.
 * In the order in which `use` checks, then those of the other operations.
 */
export type RefusalCode =
  | 'SESSION_NOT_FOUND'
  | 'AGENT_MISMATCH'
  | 'SESSION_CLOSED'
  | 'SESSION_EXPIRED'
  | 'PARENT_NOT_USABLE'
  | 'BUDGET_EXCEEDED'
  | 'TOOL_NOT_AUTHORIZED'
  | 'CREDENTIAL_NOT_AUTHORIZED'
  | 'SENSITIVITY_EXCEEDED'
  | 'RATE_LIMITED'
  | 'TOO_MANY_SESSIONS'
  | 'TASK_NAME_TAKEN'
  | 'AGENT_DEACTIVATED'
  | 'EXCEEDS_PARENT'
  | 'SESSION_CHANGED'
  | 'SESSION_EXISTS'
  | 'LOOP_NOT_FOUND'
  | 'VERSION_MISMATCH'
  | 'SCOPE_FULL'
  | 'STORAGE_UNAVAILABLE'
  | 'INVALID_INPUT';

/** An expected "no", as a value. Nothing was counted and nothing was changed, unless `outcome` says `unknown`. */
export interface Refusal {
  readonly code: RefusalCode;
  /** What was refused, why, and what to do instead: readable by a developer and by a model. */
  readonly message: string;
  /** Whether the very same call can be granted later without anybody changing the session. */
  readonly retryable: boolean;
  /** Where `retryable`: how many milliseconds to wait. */
  readonly retryAfterMs?: number;
  /** The bound that was hit: calls, sessions, or what the field named in the message holds. */
  readonly limit?: number;
  /** How much of `limit` was used when the call came. */
  readonly used?: number;
  /** The first tool that was refused, or the tool that was. */
  readonly tool?: string;
  /** The field that is wrong, with `INVALID_INPUT`, or wider than the parent's, with `EXCEEDS_PARENT`. */
  readonly field?: string;
  /** With `STORAGE_UNAVAILABLE`: `unknown` means that the call may have been charged; repeat it with the same `callId`. */
  readonly outcome?: WriteOutcome;
}

/** What every operation answers that was refused. */
export interface Refused {
  readonly ok: false;
  readonly refusal: Refusal;
}

/** Makes the answer of a refused operation. */
export function refuse(refusal: Refusal): Refused {
  return { ok: false, refusal };
}

/** Refuses what a caller sent: the message is the field's name and what is wrong with it. */
export function invalidInput(field: string, problem: string): Refused {
  return refuse({ code: 'INVALID_INPUT', message: `${field} ${problem}`, retryable: false, field });
}

/** Whether an answer is a refusal. */
export function isRefused(answer: unknown): answer is Refused {
  return typeof answer === 'object' && answer !== null && (answer as { ok?: unknown }).ok === false;
}

const httpStatuses: Readonly<Record<RefusalCode, number>> = {
  SESSION_NOT_FOUND: 404,
  AGENT_MISMATCH: 403,
  SESSION_CLOSED: 410,
  SESSION_EXPIRED: 408,
  BUDGET_EXCEEDED: 429,
  TOOL_NOT_AUTHORIZED: 403,
  CREDENTIAL_NOT_AUTHORIZED: 403,
  SENSITIVITY_EXCEEDED: 403,
  RATE_LIMITED: 429,
  TOO_MANY_SESSIONS: 429,
  TASK_NAME_TAKEN: 409,
  AGENT_DEACTIVATED: 403,
  PARENT_NOT_USABLE: 403,
  EXCEEDS_PARENT: 403,
  SESSION_CHANGED: 409,
  SESSION_EXISTS: 409,
  LOOP_NOT_FOUND: 404,
  VERSION_MISMATCH: 409,
  SCOPE_FULL: 409,
  STORAGE_UNAVAILABLE: 503,
  INVALID_INPUT: 400,
};

/**
 * The HTTP status that says the same as a refusal code, for those who speak HTTP (RFC 9110, section 15). The domain
 * itself knows no HTTP.
 *
 * @example
 * ```ts
 * import { httpStatusOf } from 'ambit';
 * httpStatusOf('BUDGET_EXCEEDED'); // 429
 * ```
 */
export function httpStatusOf(code: RefusalCode): number {
  return httpStatuses[code];
}
