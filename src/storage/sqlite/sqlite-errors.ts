import { AmbitError, StorageUnavailableError, type WriteOutcome } from '../storage.js';

/** The code of an error that SQLite gave, such as `SQLITE_IOERR_FSYNC`, or undefined for any other error. */
export function sqliteCodeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && code.startsWith('SQLITE_') ? code : undefined;
}

/**
 * Whether another connection is in the way, so that trying again in a moment may succeed: it writes, recovers the log
 * after a crash, or closes the file (BUSY); or many began to read at once and the race was lost too often (PROTOCOL).
 */
export function isBusy(error: unknown): boolean {
  const code = sqliteCodeOf(error);
  return code !== undefined && (code.startsWith('SQLITE_BUSY') || code === 'SQLITE_PROTOCOL');
}

/**
 * Whether a connection that failed so must not be used again. After an I/O error nobody knows what of the log is on
 * the disk: the kernel reports a failed fsync once, and the next one may succeed although the data is gone. A full
 * disk and a lock in the way leave everything as it was.
 */
export function isSuspect(error: unknown): boolean {
  const code = sqliteCodeOf(error);
  return code !== undefined && !isBusy(error) && code !== 'SQLITE_FULL';
}

/**
 * What a COMMIT that failed may have done. Whatever fails before it has written no commit record, and is `none`.
 *
 * - `SQLITE_FULL`: a page could not be appended to the log. The commit record is the last of them, so it is not
 *   there: `none`. (What fails after it, growing the shared memory included, is reported as IOERR.)
 * - `SQLITE_BUSY`: refused before anything was written: `none`.
 * - `SQLITE_IOERR_*`: most often the fsync, after the commit record was written. This connection takes it back, but
 *   recovery after a crash may find it whole in the log and apply it: `unknown`.
 * - anything else: `unknown`, for want of knowledge.
 */
export function outcomeOfFailedCommit(error: unknown): WriteOutcome {
  return isBusy(error) || sqliteCodeOf(error) === 'SQLITE_FULL' ? 'none' : 'unknown';
}

/** What to do about an error, by the beginning of its code. */
const advice: readonly (readonly [code: string, words: string])[] = [
  ['SQLITE_FULL', 'the disk is full; free some space'],
  // Growing the `-shm` file beside it failed, for which there is hardly another reason.
  ['SQLITE_IOERR_SHMSIZE', 'the disk is full; free some space'],
  ['SQLITE_READONLY', 'it is read-only; change the permissions'],
  ['SQLITE_IOERR', "the disk failed; look at the system's log"],
  ['SQLITE_CANTOPEN', 'it cannot be opened; look at the directory and its permissions'],
  ['SQLITE_NOTADB', 'it is not a SQLite database; name another file'],
  ['SQLITE_CORRUPT', 'it is damaged; restore it from a backup'],
  ['SQLITE_BUSY', 'other processes kept it locked; try again'],
];

function lineOf(path: string, error: unknown): string {
  const code = sqliteCodeOf(error) ?? '';
  const said = error instanceof Error ? error.message : String(error);
  const words = advice.find(([beginning]) => code.startsWith(beginning))?.[1] ?? said;
  return `sqlite: ${path}: ${words} (${code})`;
}

/** The error for whoever called a method. What is neither SQLite's nor ours is a bug, and passed on as it is. */
export function unavailable(path: string, error: unknown, outcome: WriteOutcome): unknown {
  if (error instanceof StorageUnavailableError) return error;
  const ours = error instanceof AmbitError;
  if (!ours && sqliteCodeOf(error) === undefined) return error;
  const message = ours ? error.message : lineOf(path, error);
  return new StorageUnavailableError(message, { outcome, cause: error });
}

/** The error for whoever opened the store. */
export function openingError(path: string, error: unknown): unknown {
  const code = sqliteCodeOf(error) ?? '';
  if (code.startsWith('SQLITE_NOTADB') || code.startsWith('SQLITE_CORRUPT')) {
    return new AmbitError('STORE_CORRUPT', lineOf(path, error), { cause: error });
  }
  return error instanceof AmbitError ? error : unavailable(path, error, 'none');
}
