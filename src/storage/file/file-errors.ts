import { AmbitError, StorageUnavailableError, type WriteOutcome } from '../storage.js';

/** The errno of what a system call threw, such as `ENOSPC`. An AmbitError has a code as well, but is no answer of the system. */
export function errnoOf(error: unknown): string | undefined {
  if (error instanceof AmbitError) return undefined;
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

const restoring = 'restore the directory from a backup';

/** What to do where all that is wrong is the manifest: a backup would lose what came after it. */
export const removingManifest =
  'if no journal and no snapshot is missing, remove this file: it is made anew, and a backup is not needed';

/** Where a store of files is wrong, and what to do about it. */
export function corrupt(
  path: string,
  offset: number,
  problem: string,
  advice: string = restoring,
): AmbitError {
  return new AmbitError(
    'STORE_CORRUPT',
    `file: ${shown(path)}, at byte ${offset}: ${problem}; nothing was changed: ${advice}`,
  );
}

/** A call that the files could not answer. */
export function unavailable(
  path: string,
  problem: string,
  outcome: WriteOutcome,
  cause?: unknown,
): AmbitError {
  return new StorageUnavailableError(`file: ${shown(path)}: ${problem}`, { outcome, cause });
}

/** What a failed system call means to a person. */
export function wordsOf(error: unknown): string {
  const errno = errnoOf(error);
  switch (errno) {
    case undefined:
      return error instanceof Error ? error.message : String(error);
    case 'ENOSPC':
      return 'the disk is full (ENOSPC); free some space';
    case 'EDQUOT':
      return 'the quota of its owner is used up (EDQUOT); free some space';
    case 'EIO':
      return "the disk failed (EIO); look at the system's log";
    case 'EROFS':
    case 'EACCES':
    case 'EPERM':
      return `it may not be read and written (${errno}); change the permissions, or name another directory`;
    case 'EMFILE':
    case 'ENFILE':
      return `too many files are open (${errno}); raise the limit`;
    default:
      return `a system call failed (${errno})`;
  }
}

/** An error of opening, as whoever opens the store gets it. */
export function openingError(path: string, error: unknown): unknown {
  if (errnoOf(error) === undefined) return error;
  return unavailable(path, wordsOf(error), 'none', error);
}

/** A path may hold any character but NUL; an error is one line. */
export function shown(path: string): string {
  return path.replace(/\p{C}/gu, '?');
}
