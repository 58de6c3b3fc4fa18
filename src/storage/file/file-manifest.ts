import { encodeHeader, type FileHeader, newHeader, readHeader } from './file-header.js';
import { finish, manifestPathOf, unfinishedPathOf } from './file-names.js';
import type { Disk } from './file-disk.js';

/** What a manifest says of the newest journal. */
export type NewestJournal = Pick<FileHeader, 'number' | 'firstSequence' | 'storeId'>;

/** A manifest that is whole and durable, but not under its name. */
export interface PreparedManifest {
  publish(): Promise<void>;
  discard(): Promise<void>;
}

/**
 * Makes the file that says which journal is the newest: without it, a store whose newest journal is gone would be read as
 * it was before. It is published once that journal is there, and before anything is written to it: so there is always a
 * journal at least as new as it says.
 */
export async function prepareManifest(
  disk: Disk,
  directory: string,
  newest: NewestJournal,
): Promise<PreparedManifest> {
  const path = manifestPathOf(directory);
  const unfinished = unfinishedPathOf(path);
  const discard = (): Promise<void> => disk.remove(unfinished).catch(() => undefined);
  // What an earlier try left behind.
  await discard();
  try {
    const file = await disk.create(unfinished);
    try {
      await file.write(encodeHeader(newHeader({ kind: 'manifest', ...newest })), 0);
      await file.flushAll();
    } finally {
      await file.close();
    }
  } catch (error) {
    await discard();
    throw error;
  }
  return { publish: () => finish(disk, directory, path), discard };
}

/** @throws AmbitError `STORE_CORRUPT`, `STORE_SCHEMA_TOO_NEW` */
export async function readManifest(disk: Disk, directory: string): Promise<NewestJournal> {
  const path = manifestPathOf(directory);
  const file = await disk.open(path);
  try {
    return await readHeader(file, path, 'manifest');
  } finally {
    await file.close();
  }
}
