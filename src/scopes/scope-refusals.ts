import { isRefused, type Refused, refuse } from '../core/refusals.js';
import { quoted } from '../core/text-rules.js';

/** Every "no" of scopes, with words that a model can act on. */

export const versionMismatch = (scope: string, key: string, expected: string | null): Refused =>
  refuse({
    code: 'VERSION_MISMATCH',
    message:
      expected === null
        ? `the entry ${quoted(key)} of ${quoted(scope)} is there already; read it, and decide anew`
        : `the entry ${quoted(key)} of ${quoted(scope)} is not as it was read: it was changed or deleted since; read it again, and decide anew`,
    retryable: false,
    field: 'expectedVersion',
  });

export const scopeFull = (scope: string, limit: number, used: number): Refused =>
  refuse({
    code: 'SCOPE_FULL',
    message: `the scope ${quoted(scope)} holds ${used} entries of at most ${limit}; purge some, or write over one that is there`,
    retryable: false,
    limit,
    used,
  });

export const notesFull = (what: 'entries' | 'bytes', limit: number, used: number): Refused =>
  refuse({
    code: 'SCOPE_FULL',
    message: `the notes of this process hold ${used} ${what} of at most ${limit}; forget some, or persist what must stay`,
    retryable: false,
    limit,
    used,
  });

export const tooBusy = (scope: string): Refused =>
  refuse({
    code: 'STORAGE_UNAVAILABLE',
    message: `the scope ${quoted(scope)} was dropped and filled again each time it was looked at; try again later`,
    retryable: true,
    retryAfterMs: 1_000,
    outcome: 'none',
  });

export const importTooSlow = (scope: string): Refused =>
  refuse({
    code: 'STORAGE_UNAVAILABLE',
    message: `the import into ${quoted(scope)} stood still for so long that it was given up; the scope is as it was; import again`,
    retryable: true,
    retryAfterMs: 1_000,
    outcome: 'none',
  });

/** An answer of the engine in the words of scopes: what an unknown outcome means here, and how to find out. */
export function inScopeWords<T>(answer: T | Refused): T | Refused {
  if (!isRefused(answer) || answer.refusal.outcome !== 'unknown') return answer;
  return refuse({
    ...answer.refusal,
    message: 'the store did not answer in time: it may have been written; retrieve it to find out',
  });
}
