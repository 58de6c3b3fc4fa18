import type { Disk } from './file-disk.js';
import type { FileHeader } from './file-header.js';
import type { FileRecords } from './file-records.js';
import { listFiles, pathOf } from './file-names.js';
import { shown, wordsOf } from './file-errors.js';
import { writeSnapshot } from './file-snapshot.js';

export interface SnapshotState {
  /** The newest snapshot, 0 where there is none. */
  readonly number: number;
  readonly bytes: number;
  /** Bytes of journals before the one that is written to, which are kept until the next snapshot. */
  readonly olderBytes: number;
  /** Why the last one could not be written. */
  readonly failure: string | undefined;
}

/** Takes snapshots in the background, one at a time, and removes what they replace. */
export interface Snapshots {
  state(): SnapshotState;
  underWay(): boolean;
  /** A journal of so many bytes has been followed by another one. */
  before(journalBytes: number): void;
  /** Begins one that goes with this journal; while another is under way, does nothing. */
  begin(journal: FileHeader): void;
  /** Gives up the one under way. */
  stop(): Promise<void>;
}

export interface SnapshotOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly records: FileRecords;
  readonly newest: { readonly number: number; readonly bytes: number };
  readonly olderBytes: number;
  /** Makes all durable that records hold now, and names the last group of it. */
  readonly settled: () => Promise<number>;
  /** Whether the directory is still the one of this store. */
  readonly isOurs: () => boolean;
}

export function createSnapshots(options: SnapshotOptions): Snapshots {
  const { disk, directory, records, settled, isOurs } = options;
  let { newest, olderBytes } = options;
  let failure: string | undefined;
  let stopped = false;
  let running: Promise<void> | undefined;

  async function take({ number, firstSequence, storeId }: FileHeader, replacedBytes: number): Promise<void> {
    const name = { number, firstSequence, storeId };
    try {
      const written = await writeSnapshot(
        disk,
        directory,
        name,
        records,
        settled,
        () => stopped || !isOurs(),
      );
      if (written === undefined) return;
      newest = { number, bytes: written.bytes };
      olderBytes = Math.max(0, olderBytes - replacedBytes);
      failure = undefined;
      await removeReplaced(number);
    } catch (error) {
      failure = `no snapshot could be written in ${shown(directory)}: ${wordsOf(error)}`;
    }
  }

  async function removeReplaced(number: number): Promise<void> {
    const { journals, snapshots } = await listFiles(disk, directory);
    const replaced = [
      ...journals.filter((old) => old < number).map((old) => pathOf(directory, 'journal', old)),
      ...snapshots.filter((old) => old < number).map((old) => pathOf(directory, 'snapshot', old)),
    ];
    for (const path of replaced) if (isOurs()) await disk.remove(path);
  }

  return {
    state: () => ({ ...newest, olderBytes, failure }),
    underWay: () => running !== undefined,
    before(journalBytes) {
      olderBytes += journalBytes;
    },
    begin(journal) {
      if (stopped) return;
      running ??= take(journal, olderBytes).finally(() => (running = undefined));
    },
    async stop() {
      stopped = true;
      await running;
    },
  };
}
