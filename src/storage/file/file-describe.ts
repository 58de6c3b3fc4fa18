import type { FileStoreState } from './file-store.js';
import { formatVersion } from './file-header.js';
import { nameOf, type OpenedFiles } from './file-open.js';
import { pathOf } from './file-names.js';
import { shown } from './file-errors.js';
import type { StorageDescription } from '../storage.js';
import { statSync } from 'node:fs';

/** What a store of files is, and in what state. */
export function describeFiles(
  directory: string,
  durability: 'power' | 'process',
  state: FileStoreState,
  opened: OpenedFiles,
): StorageDescription {
  const { records, journalPath, journalBytes, snapshot, failure } = state;
  const older = snapshot.olderBytes > 0 ? `, and ${bytes(snapshot.olderBytes)} of older ones` : '';
  return {
    server: `Ambit files ${formatVersion}`,
    schemaVersion: formatVersion,
    facts: {
      directory: shown(directory),
      flushing: durability === 'power' ? 'every group (fdatasync)' : 'now and then',
      records: String(records),
      journal: `${nameOf(journalPath)}, ${bytes(journalBytes)}${older}`,
      snapshot:
        snapshot.number === 0
          ? 'none yet: the journal is short'
          : `snapshot ${snapshot.number}, ${bytes(snapshot.bytes)}${takenAt(directory, snapshot.number)}`,
      integrity: integrityOf(opened),
    },
    warnings: [failure, snapshot.failure].filter((line) => line !== undefined),
  };
}

/** All of it was read at opening, and every checksum compared: there is nothing more to look at. */
function integrityOf({ groups, closed, report }: OpenedFiles): string {
  const found = `every checksum held at opening, ${groups} groups of the journal among them`;
  if (report !== undefined) return `${found}; ${report}`;
  return closed ? found : `${found}; its process had ended without closing it`;
}

function takenAt(directory: string, number: number): string {
  const found = statSync(pathOf(directory, 'snapshot', number), { throwIfNoEntry: false });
  return found ? `, of ${found.mtime.toISOString()}` : '';
}

function bytes(count: number): string {
  return count < 1_048_576 ? `${(count / 1_024).toFixed(1)} KiB` : `${(count / 1_048_576).toFixed(1)} MiB`;
}
