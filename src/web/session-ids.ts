import { hash, randomBytes } from 'node:crypto';
import { sessionIdBytes } from './web-limits.js';

/** An id of 256 random bits, in letters that need no quoting in a cookie. */
export function newSessionId(): string {
  return randomBytes(sessionIdBytes).toString('base64url');
}

/** What of an id is stored: whoever reads the store cannot log in with it. 256 random bits need no slow hash. */
export function hashOf(sessionId: string): string {
  return hash('sha256', sessionId, 'base64url');
}

/** An epoch of a user, never used again. */
export function newEpoch(): string {
  return randomBytes(9).toString('base64url');
}
