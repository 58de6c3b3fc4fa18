import { type Refused, refuse } from '../core/refusals.js';
import type { WriteOutcome } from '../core/errors.js';
import { StorageUnavailableError } from '../storage/storage.js';

const outcomes: Readonly<Record<WriteOutcome, string>> = {
  none: 'nothing was charged; try again later',
  unknown: 'it may have been done; repeat it with the same callId (operationId, for transcripts) to find out',
};

/** The refusal of a call that the store did not answer. */
export function unavailable(reason: string, outcome: WriteOutcome, retryAfterMs: number | 'never'): Refused {
  if (retryAfterMs === 'never') {
    const charged = outcome === 'none' ? 'nothing was charged' : 'it may have been done';
    const message = `the store serves this process no more (${reason}): ${charged}, and trying again does not help`;
    return refuse({ code: 'STORAGE_UNAVAILABLE', message, retryable: false, outcome });
  }
  return refuse({
    code: 'STORAGE_UNAVAILABLE',
    message: `the store did not answer (${reason}): ${outcomes[outcome]}`,
    retryable: true,
    retryAfterMs,
    outcome,
  });
}

export interface Failure {
  readonly reason: string;
  readonly outcome: WriteOutcome;
  readonly retryAfterMs: number | 'never';
}

/** What a failure of the store means: a backend says so itself, anything else it throws leaves everything open. */
export function failureOf(error: unknown): Failure {
  if (error instanceof StorageUnavailableError) {
    return { reason: error.message, outcome: error.outcome, retryAfterMs: error.retryAfterMs };
  }
  return {
    reason: error instanceof Error ? error.message : String(error),
    outcome: 'unknown',
    retryAfterMs: 1_000,
  };
}
