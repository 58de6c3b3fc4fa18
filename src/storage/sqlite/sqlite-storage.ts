import {
  AmbitError,
  type Capabilities,
  groupTransactionsMax,
  type Storage,
  type StorageDescription,
} from '../storage.js';
import { describeSqlite } from './sqlite-describe.js';
import { openExecutor } from './sqlite-open.js';
import { openWorkerStorage } from './sqlite-worker-client.js';
import { storageOnThisThread } from './sqlite-this-thread.js';

/** Which file is opened, and how. */
export interface SqliteStorageOptions {
  /**
   * The database file. It is created where it is missing, readable by its owner only, and so is its directory, but
   * not the directories above that.
   */
  readonly path: string;
  /**
   * Where SQLite runs. `fast`, unless said otherwise: on the calling thread, which a commit blocks for as long as the
   * disk takes. `free`: on a thread of its own, so that the event loop stays free, at a lower throughput.
   */
  readonly eventLoop?: 'fast' | 'free';
  /** What an answered call survives: a loss of power, unless said otherwise, or only a crash of the process. */
  readonly durability?: 'power' | 'process';
  /** The store's clock, in milliseconds since 1970: `Date.now` unless said. For tests. */
  readonly clock?: () => number;
}

/**
 * A store in one SQLite file, which any number of processes of this machine may share. Every group of calls is one
 * transaction; with `durability: 'power'` it is flushed (`synchronous = FULL`, in WAL mode) before it is answered.
 *
 * Where the file is locked by others for more than 5 seconds, or the disk fails, its methods reject with
 * `StorageUnavailableError`. After an I/O error the file is opened anew before anything else is answered.
 *
 * @throws AmbitError `MISSING_DEPENDENCY` without better-sqlite3; `STORE_UNSUPPORTED` for a SQLite before 3.51.3 or a
 * network file system; `INVALID_INPUT` for a path that cannot be a file; `STORE_CORRUPT` for a file that is damaged or
 * another program's; `STORE_SCHEMA_TOO_NEW`; `STORAGE_UNAVAILABLE` for one that may not be written or stays locked;
 * `DURABILITY_TOO_WEAK`
 * @throws TypeError for an option of the wrong type
 * @example
 * ```ts
 * import { sqliteStorage } from 'ambit/sqlite';
 * const storage = await sqliteStorage({ path: './ambit.db', eventLoop: 'free' });
 * storage.capabilities.durability; // { level: 'power' }
 * await storage.close();
 * ```
 */
export async function sqliteStorage(options: SqliteStorageOptions): Promise<Storage> {
  const { path, eventLoop = 'fast', durability = 'power', clock } = options;
  oneOf('eventLoop', eventLoop, ['fast', 'free']);
  oneOf('durability', durability, ['power', 'process']);
  if (clock !== undefined && typeof clock !== 'function')
    throw new TypeError('sqlite: clock must be a function');
  const capabilities: Capabilities = Object.freeze({
    name: 'sqlite',
    durability: Object.freeze({ level: durability }),
    sharing: 'host',
    // On the calling thread the lock costs nothing. From the worker it is held while two messages travel.
    locking: eventLoop === 'fast' ? 'always' : 'after-conflict',
    immediate: false,
    groupTransactionsMax,
  });
  const describe = (): Promise<StorageDescription> => describeSqlite(path, durability, eventLoop);
  if (eventLoop === 'free')
    return { ...(await openWorkerStorage({ path, durability, clock }, capabilities)), describe };
  const executor = await openExecutor({ path, durability, again: false }, clock ?? Date.now);
  return { ...storageOnThisThread(executor, capabilities, clock ?? Date.now), describe };
}

function oneOf(option: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return;
  throw new AmbitError(
    'INVALID_INPUT',
    `sqlite: ${option} is ${JSON.stringify(value)}; choose one of ${choices.join(', ')}`,
  );
}
