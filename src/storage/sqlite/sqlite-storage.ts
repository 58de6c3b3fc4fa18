import type { Database } from 'better-sqlite3';
import type { Capabilities, Storage } from '../storage.js';
import { AmbitError, StorageUnavailableError } from '../storage.js';
import { openSqliteDatabase, type SqliteDatabase } from './sqlite-database.js';
import { isBusy, openError } from './sqlite-errors.js';
import { createSqliteSession, lockWaitMsMax } from './sqlite-session.js';
import { openSqliteWorker } from './sqlite-worker-client.js';

export interface SqliteStorageOptions {
  /** The database file; it and its directory are created where missing, readable by their owner only. */
  readonly path: string;
  /**
   * Where SQLite runs. `fast`: on the calling thread, which a commit then blocks for as long as the disk takes. `free`:
   * on a thread of its own, which costs about a third of the throughput. `fast` unless said.
   */
  readonly eventLoop?: 'fast' | 'free';
  /** What an answered call survives: a loss of power (`power`, unless said), or only a crash of the process (`process`). */
  readonly durability?: 'power' | 'process';
  /** Milliseconds since 1970; this machine's clock unless said. For tests. */
  readonly clock?: () => number;
}

/** What loads the database library; apart, so that its absence can be explained. */
export type SqliteConstructor = new (path: string, options: { timeout: number }) => Database;

/**
 * A store in one SQLite file, which any number of processes of this machine may share.
 *
 * Every group of calls is one transaction in WAL mode with `synchronous = FULL`, set and read back at open.
 *
 * @throws AmbitError `MISSING_DEPENDENCY` without better-sqlite3; `STORE_UNSUPPORTED` for a SQLite that can corrupt a
 * shared file; `STORE_SCHEMA_TOO_NEW`; `STORE_CORRUPT` for a file that is not Ambit's; `STORAGE_UNAVAILABLE` for one that
 * cannot be opened
 * @example
 * ```ts
 * import { openAmbit } from 'ambit';
 * import { sqliteStorage } from 'ambit/sqlite';
 * const ambit = await openAmbit({ storage: await sqliteStorage({ path: './ambit.db', eventLoop: 'free' }) });
 * await ambit.close();
 * ```
 */
export async function sqliteStorage(options: SqliteStorageOptions): Promise<Storage> {
  const { path, eventLoop = 'fast', durability = 'power' } = options;
  const capabilities: Capabilities = Object.freeze({
    name: 'sqlite',
    durability: Object.freeze({ level: durability }),
    sharing: 'host',
    // On the calling thread the bodies run inside the lock for nothing; from the worker it is held for two hops.
    locking: eventLoop === 'fast' ? 'always' : 'after-conflict',
    immediate: false,
    groupTransactionsMax: 1_024,
  });
  const clock = options.clock ?? (() => Date.now());
  if (eventLoop === 'free')
    return openSqliteWorker({ path, durability, clock, ownClock: !options.clock }, capabilities);

  const database = await openPatiently(path, durability);
  const session = createSqliteSession(database, path, clock);
  let closed = false;
  const open = <A extends unknown[], R>(verb: (...args: A) => R): ((...args: A) => R) => {
    return (...args) => {
      if (closed) throw new StorageUnavailableError(`${path}: it was closed`, { outcome: 'none' });
      return verb(...args);
    };
  };
  return {
    capabilities,
    clock,
    read: open(session.read),
    commit: open(session.commit),
    locked: open(session.locked),
    range: open(session.range),
    sweep: open(session.sweep),
    close() {
      if (closed) return;
      closed = true;
      database.close();
    },
  };
}

/** Opens the file, waiting for others that are opening it: creating the tables needs the file's only write lock. */
export async function openPatiently(path: string, durability: 'power' | 'process'): Promise<SqliteDatabase> {
  const constructor = await loadSqlite();
  const startMs = performance.now();
  for (;;) {
    try {
      return openSqliteDatabase(constructor, { path, durability });
    } catch (error) {
      if (!isBusy(error) || performance.now() - startMs > lockWaitMsMax) throw openError(path, error);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function loadSqlite(): Promise<SqliteConstructor> {
  try {
    const { default: constructor } = await import('better-sqlite3');
    return constructor as unknown as SqliteConstructor;
  } catch (error) {
    throw new AmbitError(
      'MISSING_DEPENDENCY',
      'SQLite needs the package better-sqlite3: npm install better-sqlite3',
      {
        cause: error,
      },
    );
  }
}
