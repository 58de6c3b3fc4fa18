import { type Refused, refuse } from '../core/refusals.js';

/** Every "no" of web sessions. */

export const notFound = (): Refused =>
  refuse({
    code: 'SESSION_NOT_FOUND',
    message:
      'there is no such session: it was ended, its time is over, or it never was; retrying cannot help, begin a new one',
    retryable: false,
  });

export const changedSince = (key: string): Refused =>
  refuse({
    code: 'SESSION_CHANGED',
    message: `another request has changed ${JSON.stringify(key)} of this session since it was loaded; load it again, then change it`,
    retryable: false,
    field: key,
  });

export const dataTooLarge = (limit: number, used: number): Refused =>
  refuse({
    code: 'INVALID_INPUT',
    message: `data would be ${used} bytes of JSON and may be ${limit}; keep large things elsewhere and their ids in the session`,
    retryable: false,
    field: 'data',
    limit,
    used,
  });

export const tooManyFlashes = (limit: number): Refused =>
  refuse({
    code: 'INVALID_INPUT',
    message: `flashes: ${limit} are waiting already; take them before more are added`,
    retryable: false,
    field: 'flashes',
    limit,
    used: limit,
  });

export const idTaken = (): Refused =>
  refuse({
    code: 'INVALID_INPUT',
    message: 'id: a session with this id exists already; ids must be random and long',
    retryable: false,
    field: 'id',
  });
