import { invalidInput, type Refused, refuse } from '../core/refusals.js';
import { quoted } from '../core/text-rules.js';

export function sessionNotFound(sessionId: string): Refused {
  return refuse({
    code: 'SESSION_NOT_FOUND',
    message: `there is no transcript ${quoted(sessionId)}; it was deleted, has expired, or never was`,
    retryable: false,
  });
}

export function sessionExists(sessionId: string): Refused {
  return refuse({
    code: 'SESSION_EXISTS',
    message: `there is a transcript ${quoted(sessionId)} already; choose another id, or replace it on purpose`,
    retryable: false,
  });
}

export function partOfSession(sessionId: string): Refused {
  return invalidInput(
    'part',
    `says that this is not the whole of the transcript ${quoted(sessionId)}, and the rest would be deleted; load it without loopId and turns, choose another id, or give overwrite`,
  );
}

export function loopNotFound(loopId: string): Refused {
  return refuse({
    code: 'LOOP_NOT_FOUND',
    message: `the transcript has no loop ${quoted(loopId)}`,
    retryable: false,
  });
}

export function sessionChanged(sessionId: string): Refused {
  return refuse({
    code: 'SESSION_CHANGED',
    message: `the transcript ${quoted(sessionId)} was changed since it was read; read it again and decide anew`,
    retryable: false,
  });
}

export function operationReused(): Refused {
  return invalidInput(
    'operationId',
    'was used for another content; give every operation an id of its own, and repeat one with the same content',
  );
}

/** What was written so far is being deleted, as if its writer had died. */
export function tookTooLong(): Refused {
  return refuse({
    code: 'SESSION_CHANGED',
    message: 'writing took longer than an hour, and was given up: nothing of it is there; write it again',
    retryable: true,
    retryAfterMs: 0,
  });
}
