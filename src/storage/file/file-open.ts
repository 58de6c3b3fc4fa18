import type { AmbitError } from '../storage.js';
import { continueJournal, type Journal, prepareJournal } from './file-journal.js';
import { corrupt, shown } from './file-errors.js';
import type { Disk, DiskFile } from './file-disk.js';
import { type FileHeader, readHeader } from './file-header.js';
import { type LoadedJournal, loadJournal, loadSnapshot, type LoadedSnapshot } from './file-load.js';
import { claimJournals, type ClaimedFiles, closeAll } from './file-claim.js';
import { type FileKind, manifestPathOf, pathOf } from './file-names.js';
import { type NewestJournal, prepareManifest, readManifest } from './file-manifest.js';
import { createFileRecords, type FileRecords } from './file-records.js';
import { basename, join } from 'node:path';
import { randomUUID } from 'node:crypto';

/** Written in one go while a journal is made ready. */
const chunkBytes = 1_048_576;

/** A store whose files have been read. */
export interface OpenedFiles {
  readonly storeId: string;
  readonly records: FileRecords;
  readonly journal: Journal;
  /** Of the last frame: all of them are durable. */
  readonly sequence: number;
  /** Whether the store was closed, and not left by a process that died. */
  readonly closed: boolean;
  /** The snapshot that was read, 0 if none was. */
  readonly snapshot: { readonly number: number; readonly bytes: number };
  /** Groups read from journals. */
  readonly groups: number;
  /** Bytes of journals before the last one. */
  readonly olderBytes: number;
  /** What is to be told of the opening: remains that were cut. */
  readonly report: string | undefined;
}

/**
 * Reads the files of a store, or makes those of a new one. The caller has its lock.
 *
 * @throws AmbitError `STORE_CORRUPT`, `STORE_SCHEMA_TOO_NEW`; and what the disk throws
 */
export async function openFiles(disk: Disk, directory: string): Promise<OpenedFiles> {
  const claimed = await claimJournals(disk, directory);
  try {
    const opened = await openClaimed(disk, directory, claimed);
    opened.records.index();
    return opened;
  } catch (error) {
    await closeAll(claimed.journals);
    throw error;
  }
}

async function openClaimed(disk: Disk, directory: string, claimed: ClaimedFiles): Promise<OpenedFiles> {
  const { files } = claimed;
  for (const name of files.unfinished) await disk.remove(join(directory, name));
  const newest = files.manifest ? await readManifest(disk, directory) : undefined;
  if (newest && newest.number > (files.journals.at(-1) ?? 0))
    throw missing(directory, 'journal', newest.number);
  if (files.snapshots.length === 0 && files.journals.length === 0) return createFiles(disk, directory);
  // Whoever renamed a file may have died before its name was durable: what is acknowledged in it now would go with the name.
  await disk.flushDirectory(directory);
  return readStore(disk, directory, { ...claimed, newest, records: createFileRecords() });
}

async function createFiles(disk: Disk, directory: string): Promise<OpenedFiles> {
  const storeId = randomUUID();
  const prepared = await prepareJournal(disk, directory, { number: 1, firstSequence: 1, storeId });
  return {
    storeId,
    records: createFileRecords(),
    journal: await prepared.publish(),
    sequence: 0,
    closed: true,
    snapshot: { number: 0, bytes: 0 },
    groups: 0,
    olderBytes: 0,
    report: undefined,
  };
}

interface FoundStore extends ClaimedFiles {
  readonly records: FileRecords;
  /** What the manifest says, if there is one. */
  readonly newest: NewestJournal | undefined;
}

async function readStore(disk: Disk, directory: string, found: FoundStore): Promise<OpenedFiles> {
  const { files, base, journals, records } = found;
  assertComplete(directory, found);
  let snapshot: LoadedSnapshot | undefined;
  if (files.snapshots.length > 0) snapshot = await readSnapshot(disk, directory, base, records);
  const headers: FileHeader[] = [];
  for (const { number, path, file } of journals)
    headers.push(await readHeader(file, path, 'journal', number));
  const loaded: LoadedJournal[] = [];
  for (const [index, { path, file }] of journals.entries()) {
    const header = headers[index] as FileHeader;
    const storeId = snapshot?.header.storeId ?? headers[0]?.storeId;
    if (header.storeId !== storeId) throw corrupt(path, 0, 'it belongs to another store');
    if (index === 0 && snapshot && snapshot.header.firstSequence !== header.firstSequence)
      throw corrupt(path, 0, 'it does not begin where the snapshot of its number was taken');
    const expected = loaded.at(-1)?.lastSequence;
    if (expected !== undefined && header.firstSequence !== expected + 1)
      throw corrupt(path, 0, 'it does not go on where the journal before it ends');
    const next = headers[index + 1];
    const bounds = {
      atLeastTo: next ? 0 : (snapshot?.lastSequence ?? 0),
      endsWith: next && next.firstSequence - 1,
    };
    loaded.push(await loadJournal(file, path, header, bounds, records));
  }
  return continueStore(disk, directory, { ...found, snapshot, loaded });
}

interface ReadStore extends FoundStore {
  readonly snapshot: LoadedSnapshot | undefined;
  readonly loaded: readonly LoadedJournal[];
}

/** Makes the last journal ready to be written to, and removes what is no longer needed. */
async function continueStore(disk: Disk, directory: string, read: ReadStore): Promise<OpenedFiles> {
  const { files, base, records, snapshot, journals, loaded, newest } = read;
  const [last, lastLoaded] = [journals.at(-1), loaded.at(-1)];
  // assertComplete has seen to it that there is one.
  if (!last || !lastLoaded) throw corrupt(directory, 0, 'it has no journal');
  const { header, position, length, lastSequence, closed } = lastLoaded;
  assertNewest(directory, header, newest);
  const cut = await settle(last, lastLoaded);
  // Missing, or of before: its process died before it wrote it.
  if (newest?.number !== header.number)
    await prepareManifest(disk, directory, journalNameOf(header)).then((prepared) => prepared.publish());
  const made =
    newest === undefined && lastSequence > 0
      ? `file: ${shown(manifestPathOf(directory))}: it was missing, and is made anew: that no newer journal is missing cannot be told`
      : undefined;
  await closeAll(journals.slice(0, -1));
  for (const number of files.journals)
    if (number < base) await disk.remove(pathOf(directory, 'journal', number));
  for (const number of files.snapshots)
    if (number < base) await disk.remove(pathOf(directory, 'snapshot', number));
  return {
    storeId: header.storeId,
    records,
    journal: continueJournal(disk, { file: last.file, header, path: last.path, position, length }),
    sequence: lastSequence,
    closed,
    snapshot: { number: snapshot?.header.number ?? 0, bytes: snapshot?.bytes ?? 0 },
    groups: loaded.reduce((sum, { groups }) => sum + groups, 0),
    olderBytes: loaded.slice(0, -1).reduce((sum, one) => sum + one.position, 0),
    report: [cut, made].filter((line) => line !== undefined).join('; ') || undefined,
  };
}

function journalNameOf({ number, firstSequence, storeId }: FileHeader): NewestJournal {
  return { number, firstSequence, storeId };
}

/** The newest journal that was found is the one that the manifest names, or a newer one of the same store. */
function assertNewest(directory: string, header: FileHeader, newest: NewestJournal | undefined): void {
  if (newest === undefined) return;
  const path = manifestPathOf(directory);
  if (newest.storeId !== header.storeId) throw corrupt(path, 0, 'it belongs to another store');
  if (newest.number === header.number && newest.firstSequence !== header.firstSequence)
    throw corrupt(path, 0, `it names another journal ${newest.number} than there is`);
}

/**
 * Makes what was read durable, and cuts the remains of a group that was not acknowledged.
 *
 * The last groups may lie in the page cache alone, because their process died before a flush, or, worse, after one that
 * failed: the system then takes the pages for clean. So they are written again.
 */
async function settle(
  { path, file }: { readonly path: string; readonly file: DiskFile },
  { unprovenAt, position, length, tornAt }: LoadedJournal,
): Promise<string | undefined> {
  for (let at = unprovenAt; at < position; at += chunkBytes) {
    const chunk = Buffer.alloc(Math.min(chunkBytes, position - at));
    await file.read(chunk, at);
    await file.write(chunk, at);
  }
  if (tornAt !== undefined) {
    const zeros = Buffer.alloc(chunkBytes);
    for (let at = position; at < length; at += chunkBytes)
      await file.write(zeros.subarray(0, Math.min(chunkBytes, length - at)), at);
  }
  await file.flushAll();
  if (tornAt === undefined) return undefined;
  return (
    `file: ${shown(path)}: cut at byte ${position}: what followed (from byte ${tornAt}) was no whole group, ` +
    'as a crash leaves it; no group before it is touched'
  );
}

async function readSnapshot(
  disk: Disk,
  directory: string,
  number: number,
  records: FileRecords,
): Promise<LoadedSnapshot> {
  const path = pathOf(directory, 'snapshot', number);
  const file = await disk.open(path);
  try {
    return await loadSnapshot(file, path, number, records);
  } finally {
    await file.close();
  }
}

/** Every journal from the newest snapshot on must be there: one that is missing would refund what was counted in it. */
function assertComplete(directory: string, { files, base, journals }: ClaimedFiles): void {
  if (files.snapshots.length === 0 && files.journals[0] !== 1)
    throw missing(directory, 'snapshot', files.journals[0] ?? 1);
  const last = journals.at(-1)?.number ?? base;
  for (let number = base; number <= last; number++)
    if (!files.journals.includes(number)) throw missing(directory, 'journal', number);
}

function missing(directory: string, kind: FileKind, number: number): AmbitError {
  return corrupt(pathOf(directory, kind, number), 0, 'it is missing, and what it held with it');
}

/** The name of a file, as a person sees it in the directory. */
export function nameOf(path: string): string {
  return shown(basename(path));
}
