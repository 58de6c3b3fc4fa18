import { AmbitError, StorageUnavailableError } from '../storage.js';
import { createRecords, type SqliteRecords } from './sqlite-records.js';
import { inspectSchema, migrate } from './sqlite-schema.js';
import type { Database } from 'better-sqlite3';
import { identityOf } from './sqlite-file.js';
import type { SqliteDriver } from './sqlite-driver.js';

/** One connection to the file: synchronous, and never waiting. Errors are SQLite's own. */
export interface SqliteConnection {
  readonly records: SqliteRecords;
  /** Takes the write lock, or throws SQLITE_BUSY at once. */
  begin(): void;
  /** What is read until `commit` is of one instant. */
  beginReading(): void;
  commit(): void;
  /** Ends the transaction, if SQLite has not done so already. */
  rollBack(): void;
  /** Whether the path no longer leads to the file that this connection writes. */
  moved(): boolean;
  close(): void;
}

export interface SqliteConnectionOptions {
  readonly path: string;
  readonly durability: 'power' | 'process';
}

/**
 * Bytes of a page in a new file. A group of scattered updates writes a page for each of them: 4 KiB made it 15 % slower
 * here, and more where the disk is. Smaller ones gained little and made the file 40 % larger.
 */
const pageBytes = 1_024;

/**
 * Pages in the log after which a commit moves them into the file, 8 MiB. SQLite's 1,000 would do so every fifteenth
 * group of 64 (a sixth slower); four times as many gained 15 % more, but stall a commit for twice as long.
 */
const checkpointPages = 8_000;

/** The log is cut back to this once a burst, or a reader that slept, has made it larger. */
const logBytesMax = 67_108_864;

/** `PRAGMA synchronous`: FULL flushes the log at each commit, NORMAL only before a checkpoint. */
const synchronousOf = { power: 2, process: 1 } as const;

/** Opens a file that exists, sets it up where it is new, and answers only if it is as durable as it was asked to be. */
export function connect(driver: SqliteDriver, options: SqliteConnectionOptions): SqliteConnection {
  const { path } = options;
  const identity = identityOf(path);
  if (identity === undefined) {
    throw new StorageUnavailableError(`sqlite: ${path} is gone; restore it, and nothing is lost`, {
      outcome: 'none',
    });
  }
  // No waiting inside SQLite: its back-off starves processes for seconds, and blocks the event loop meanwhile.
  const database = new driver(path, { timeout: 0, fileMustExist: true });
  try {
    const state = inspectSchema(database, path);
    if (state === 'empty') database.pragma(`page_size = ${pageBytes}`);
    configure(database, options);
    if (state !== 'current') migrate(database, path);
    if (options.durability === 'power') settleLog(database);
    return {
      ...transactionsOf(database),
      records: createRecords(database),
      moved: () => identityOf(path) !== identity,
      close: () => void database.close(),
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

function configure(database: Database, { path, durability }: SqliteConnectionOptions): void {
  const journal = database.pragma('journal_mode = WAL', { simple: true });
  if (journal !== 'wal') {
    throw new AmbitError(
      'STORE_UNSUPPORTED',
      `sqlite: ${path}: no WAL on this file system; use a local disk`,
    );
  }
  // Every connection opens a WAL database at NORMAL, however the last one left it. So set, and read back.
  const synchronous = synchronousOf[durability];
  database.pragma(`synchronous = ${synchronous}`);
  if (database.pragma('synchronous', { simple: true }) !== synchronous) {
    throw new AmbitError(
      'DURABILITY_TOO_WEAK',
      `sqlite: this SQLite refuses PRAGMA synchronous = ${synchronous}; install better-sqlite3 as npm has it`,
    );
  }
  // On macOS fsync leaves the data in the drive's cache; elsewhere these do nothing.
  database.pragma(`fullfsync = ${synchronous - 1}`);
  database.pragma(`checkpoint_fullfsync = ${synchronous - 1}`);
  // An I/O error under a mapping kills the process with SIGBUS.
  database.pragma('mmap_size = 0');
  database.pragma(`wal_autocheckpoint = ${checkpointPages}`);
  database.pragma(`journal_size_limit = ${logBytesMax}`);
}

/**
 * Moves what the log holds into the file, flushed, before anything is answered. A process whose fsync failed and that
 * then died may have left commits in the log that are readable, but not on the disk; a commit flushed after them would
 * be lost with them. Where others have the file open there was no recovery, and nothing to fear: then it does what it can.
 */
function settleLog(database: Database): void {
  database.pragma('wal_checkpoint(PASSIVE)');
}

function transactionsOf(
  database: Database,
): Pick<SqliteConnection, 'begin' | 'beginReading' | 'commit' | 'rollBack'> {
  const begin = database.prepare('BEGIN IMMEDIATE');
  const beginReading = database.prepare('BEGIN');
  const commit = database.prepare('COMMIT');
  const rollBack = database.prepare('ROLLBACK');
  return {
    begin: () => void begin.run(),
    beginReading: () => void beginReading.run(),
    commit: () => void commit.run(),
    rollBack() {
      if (database.inTransaction) rollBack.run();
    },
  };
}
