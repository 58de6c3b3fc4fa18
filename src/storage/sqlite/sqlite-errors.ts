import { AmbitError, StorageUnavailableError, type WriteOutcome } from '../storage.js';

/** The code of an error that SQLite gave, such as `SQLITE_BUSY`, or undefined for any other error. */
export function sqliteCodeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && code.startsWith('SQLITE_') ? code : undefined;
}

/** Whether another connection holds what is needed, so that trying again in a moment may succeed. */
export function isBusy(error: unknown): boolean {
  const code = sqliteCodeOf(error);
  return code !== undefined && (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED'));
}

const advice: Readonly<Record<string, string>> = {
  SQLITE_FULL: 'the disk is full; free some space',
  SQLITE_READONLY: 'the file or its directory is read-only; change its permissions',
  SQLITE_IOERR: 'the disk failed; look at the system log',
  SQLITE_CANTOPEN: 'it cannot be opened; look at the directory and its permissions',
  SQLITE_NOTADB: 'it is not a SQLite database; name another file',
  SQLITE_CORRUPT: 'it is damaged; restore it from a backup',
};

/** What is wrong and what to do, in one line. */
export function sqliteReason(path: string, error: unknown): string {
  const code = sqliteCodeOf(error) ?? '';
  const known = Object.keys(advice).find((prefix) => code.startsWith(prefix));
  const said = error instanceof Error ? error.message : String(error);
  return known ? `${path}: ${advice[known]} (${code})` : `${path}: ${said}`;
}

/** The error that a caller of the storage sees. What is none of SQLite's is thrown on as it is. */
export function storageError(path: string, error: unknown, outcome: WriteOutcome): unknown {
  const code = sqliteCodeOf(error);
  if (error instanceof AmbitError || code === undefined) return error;
  return new StorageUnavailableError(sqliteReason(path, error), { outcome, cause: error });
}

/** The error of an open that failed. */
export function openError(path: string, error: unknown): unknown {
  const code = sqliteCodeOf(error);
  if (error instanceof AmbitError) return error;
  const damaged = code?.startsWith('SQLITE_NOTADB') || code?.startsWith('SQLITE_CORRUPT');
  return new AmbitError(damaged ? 'STORE_CORRUPT' : 'STORAGE_UNAVAILABLE', sqliteReason(path, error), {
    cause: error,
  });
}
