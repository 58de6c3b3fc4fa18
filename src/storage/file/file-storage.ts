import {
  AmbitError,
  type Capabilities,
  groupTransactionsMax,
  type Storage,
  type StorageDescription,
} from '../storage.js';
import { absoluteDirectory, prepareDirectory } from './file-directory.js';
import { createFileStore, type FileStore } from './file-store.js';
import { type OpenedFiles, openFiles } from './file-open.js';
import { describeFiles } from './file-describe.js';
import { lockStore } from './file-lock.js';
import { openingError } from './file-errors.js';
import { realDisk } from './file-disk.js';

/** Which directory is opened, and how. */
export interface FileStorageOptions {
  /**
   * The directory of the store. It is created where it is missing, readable by its owner only, but not the directories
   * above it.
   */
  readonly path: string;
  /** What an answered call survives: a loss of power, unless said otherwise, or only a crash of the process. */
  readonly durability?: 'power' | 'process';
  /** The store's clock, in milliseconds since 1970: `Date.now` unless said. For tests. */
  readonly clock?: () => number;
  /** Is told, in one line, of remains of a crash that were cut at opening; `process.emitWarning` unless said. */
  readonly report?: (line: string) => void;
}

/**
 * A store in a directory of its own, without a database: all records in memory, every group of calls appended to a
 * journal and, with `durability: 'power'`, flushed before it is answered. One process at a time may have it open.
 *
 * After a flush that failed, the store goes on in a new journal or refuses with `StorageUnavailableError`; it never asks
 * the disk a second time whether that flush was good.
 *
 * @throws AmbitError `STORE_LOCKED` if another process still has it after 5 seconds; `STORE_CORRUPT`, with the offset, for
 * files that are damaged; `STORE_SCHEMA_TOO_NEW`; `STORE_UNSUPPORTED` for a network file system; `INVALID_INPUT` for a
 * path that cannot be a directory; `MISSING_DEPENDENCY` without fs-native-extensions; `STORAGE_UNAVAILABLE` for one that
 * may not be written
 * @throws TypeError for an option of the wrong type
 * @example
 * ```ts
 * import { fileStorage } from 'ambit/file';
 * const storage = await fileStorage({ path: './ambit' });
 * storage.capabilities.durability; // { level: 'power' }
 * await storage.close();
 * ```
 */
export async function fileStorage(options: FileStorageOptions): Promise<Storage> {
  const { path, durability = 'power', clock = Date.now, report = emitWarning } = options;
  if (!['power', 'process'].includes(durability)) {
    throw new AmbitError(
      'INVALID_INPUT',
      `file: durability is ${JSON.stringify(durability)}; choose power or process`,
    );
  }
  if (typeof clock !== 'function') throw new TypeError('file: clock must be a function');
  if (typeof report !== 'function') throw new TypeError('file: report must be a function');
  const directory = absoluteDirectory(path);
  prepareDirectory(directory);
  try {
    const lock = await lockStore(directory);
    try {
      const opened = await openFiles(realDisk, directory);
      if (opened.report !== undefined) report(opened.report);
      const store = createFileStore(opened, {
        directory,
        disk: realDisk,
        clock,
        flushed: durability === 'power',
      });
      return storageOf(store, opened, { directory, durability, clock, release: () => lock.release() });
    } catch (error) {
      lock.release();
      throw error;
    }
  } catch (error) {
    throw openingError(directory, error);
  }
}

interface Opening {
  readonly directory: string;
  readonly durability: 'power' | 'process';
  readonly clock: () => number;
  readonly release: () => void;
}

function storageOf(store: FileStore, opened: OpenedFiles, opening: Opening): Storage {
  const { directory, durability, clock, release } = opening;
  const { read, commit, locked, range, sweep } = store;
  const capabilities: Capabilities = Object.freeze({
    name: 'file',
    durability: Object.freeze({ level: durability }),
    sharing: 'exclusive',
    locking: 'after-conflict',
    immediate: false,
    groupTransactionsMax,
  });
  let closed: Promise<void> | undefined;
  return {
    capabilities,
    clock,
    read,
    commit,
    locked,
    range,
    sweep,
    describe: (): StorageDescription => describeFiles(directory, durability, store.state(), opened),
    close: () => (closed ??= store.close().finally(release)),
  };
}

function emitWarning(line: string): void {
  process.emitWarning(line, 'AmbitWarning');
}
