import { AmbitError } from '../storage.js';
import type { Disk, DiskFile } from './file-disk.js';
import { errnoOf, shown } from './file-errors.js';
import { listFiles, pathOf, type StoreFiles } from './file-names.js';
import { askEveryMs, lockWaitMsMax } from './file-lock.js';

/** The files of a store, whose journals nobody else can write to. */
export interface ClaimedFiles {
  readonly files: StoreFiles;
  /** The newest snapshot, or 1: journals from this number on count. */
  readonly base: number;
  /** Those that count, open and locked. */
  readonly journals: readonly ClaimedJournal[];
}

export interface ClaimedJournal {
  readonly number: number;
  readonly path: string;
  readonly file: DiskFile;
}

/**
 * Takes the journals of a store for this process. The file `lock` alone would not do: people remove it, and a second process
 * would lock another file of that name. Whoever writes holds a lock on what it writes, too, and a new journal is locked before
 * it has its name.
 *
 * @throws AmbitError `STORE_LOCKED`; and what the disk throws
 */
export async function claimJournals(disk: Disk, directory: string): Promise<ClaimedFiles> {
  const startMs = performance.now();
  for (;;) {
    const claimed = await tryClaim(disk, directory);
    if (claimed) return claimed;
    if (performance.now() - startMs >= lockWaitMsMax) {
      throw new AmbitError(
        'STORE_LOCKED',
        `file: ${shown(directory)} is in use by a process that opened it before its file \`lock\` was removed or replaced; end that one`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, askEveryMs));
  }
}

async function tryClaim(disk: Disk, directory: string): Promise<ClaimedFiles | undefined> {
  const files = await listFiles(disk, directory);
  const base = files.snapshots.at(-1) ?? 1;
  const journals: ClaimedJournal[] = [];
  let claimed = false;
  try {
    for (const number of files.journals.filter((one) => one >= base)) {
      const path = pathOf(directory, 'journal', number);
      const file = await disk.open(path);
      journals.push({ number, path, file });
      if (!file.tryLock()) return undefined;
    }
    // An owner that goes on in a new journal lets go of the old one: then there are others by now.
    const now = await listFiles(disk, directory);
    claimed = String([now.journals, now.snapshots]) === String([files.journals, files.snapshots]);
    return claimed ? { files: now, base, journals } : undefined;
  } catch (error) {
    // Replaced by a snapshot and removed, since it was listed.
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  } finally {
    if (!claimed) await closeAll(journals);
  }
}

export async function closeAll(journals: readonly ClaimedJournal[]): Promise<void> {
  for (const { file } of journals) await file.close().catch(() => undefined);
}
