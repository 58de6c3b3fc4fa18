import { chmodSync, existsSync, mkdirSync, closeSync, openSync } from 'node:fs';
import type { Database, Statement } from 'better-sqlite3';
import type { Expected, Key, Outcome, Put, RangeQuery, StoredRecord, Transaction } from '../storage.js';
import { AmbitError, Value } from '../storage.js';
import { assertSqliteVersion, migrate } from './sqlite-schema.js';
import { dirname } from 'node:path';
import { isBusy } from './sqlite-errors.js';

/** A connection to one database file: synchronous, and of no thread in particular. */
export interface SqliteDatabase {
  /** Begins a transaction that may write; false while another connection holds the lock. */
  begin(): boolean;
  /** Begins a transaction that only reads, as of one instant. */
  beginRead(): void;
  find(key: Key): StoredRecord | undefined;
  /** Compares and writes inside a transaction. What `find` saw in the same transaction need not be looked at again. */
  apply(transactions: readonly Transaction[], nowMs: number): Outcome[];
  commit(): void;
  rollback(): void;
  range(query: RangeQuery): StoredRecord[];
  /** Deletes inside a transaction, and names what it deleted. */
  sweep(limit: number, nowMs: number): Key[];
  close(): void;
}

export interface SqliteDatabaseOptions {
  readonly path: string;
  readonly durability: 'power' | 'process';
}

/** Bytes of a page in a new file: a small page makes an update of one record write less. 4,096 was a third slower. */
const pageBytes = 1_024;

/** Pages of log after which a commit moves it into the file. Smaller stalls commits more often, larger makes opening slow. */
const checkpointPages = 8_000;

type Row = [id: number, version: string, value: string, expiresAtMs: number | null];
type Head = [id: number, version: string, expiresAtMs: number | null];

/** Opens a file, creating it where it is missing, and answers once it is as durable as asked for. */
export function openSqliteDatabase(
  Constructor: new (path: string, options: { timeout: number }) => Database,
  options: SqliteDatabaseOptions,
): SqliteDatabase {
  createPrivateFile(options.path);
  // No waiting inside SQLite: its back-off starves processes for seconds, and blocks the event loop.
  const database = new Constructor(options.path, { timeout: 0 });
  try {
    configure(database, options);
    return databaseOver(database);
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The data directory is 0700 and its files 0600, whatever the umask: they hold what agents may do. */
function createPrivateFile(path: string): void {
  const directory = dirname(path);
  if (!existsSync(directory)) mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (existsSync(path)) return;
  // SQLite gives its -wal and -shm files the mode of the database file.
  closeSync(openSync(path, 'a', 0o600));
  chmodSync(path, 0o600);
}

function configure(database: Database, { path, durability }: SqliteDatabaseOptions): void {
  assertSqliteVersion(database.prepare('SELECT sqlite_version()').pluck().get() as string);
  database.pragma(`page_size = ${pageBytes}`);
  if (database.pragma('journal_mode = WAL', { simple: true }) !== 'wal') {
    throw new AmbitError('STORE_UNSUPPORTED', `${path}: its file system has no WAL; use a local disk`);
  }
  // A WAL database is opened again at NORMAL, which loses acknowledged calls with the power: set, and read back.
  const wanted = durability === 'power' ? 2 : 1;
  database.pragma(`synchronous = ${wanted}`);
  if (database.pragma('synchronous', { simple: true }) !== wanted) {
    throw new AmbitError('DURABILITY_TOO_WEAK', `${path}: this SQLite does not keep synchronous = ${wanted}`);
  }
  database.pragma('mmap_size = 0');
  database.pragma(`wal_autocheckpoint = ${checkpointPages}`);
  database.exec('BEGIN IMMEDIATE');
  try {
    migrate(database, path);
    database.exec('COMMIT');
  } catch (error) {
    if (database.inTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function databaseOver(database: Database): SqliteDatabase {
  const run = (sql: string): Statement<unknown[]> => database.prepare(sql);
  const begin = run('BEGIN IMMEDIATE');
  const beginRead = run('BEGIN');
  const commit = run('COMMIT');
  const rollback = run('ROLLBACK');
  const findRow = run('SELECT id, version, value, expires_at_ms FROM record WHERE key = ?').raw();
  const findHead = run('SELECT id, version, expires_at_ms FROM record WHERE key = ?').raw();
  const insert = run('INSERT INTO record (key, version, value, expires_at_ms) VALUES (?, ?, ?, ?)');
  const update = run('UPDATE record SET version = ?, value = ? WHERE id = ?');
  // Apart from the one above, which leaves the index on expiry alone.
  const updateExpiry = run('UPDATE record SET version = ?, value = ?, expires_at_ms = ? WHERE id = ?');
  const remove = run('DELETE FROM record WHERE id = ?');
  const range = (order: string): Statement<unknown[]> =>
    run(
      `SELECT key, version, value, expires_at_ms FROM record WHERE key >= ? AND key < ? ORDER BY key ${order} LIMIT ?`,
    ).raw();
  const forward = range('ASC');
  const backward = range('DESC');
  const sweep = run(
    `DELETE FROM record WHERE id IN
       (SELECT id FROM record WHERE expires_at_ms IS NOT NULL AND expires_at_ms <= ? ORDER BY expires_at_ms LIMIT ?)
     RETURNING key`,
  ).pluck();
  /** Heads that were read in the present transaction, and are kept up to date with its writes. */
  const heads = new Map<Key, Head | undefined>();

  function headOf(key: Key): Head | undefined {
    if (heads.has(key)) return heads.get(key);
    const head = findHead.get(key) as Head | undefined;
    heads.set(key, head);
    return head;
  }

  function find(key: Key): StoredRecord | undefined {
    const row = findRow.get(key) as Row | undefined;
    heads.set(key, row && [row[0], row[1], row[3]]);
    return row && recordOf(key, row[1], row[2], row[3]);
  }

  function put(write: Put): void {
    const head = heads.get(write.key);
    const expiresAtMs = write.expiresAtMs ?? null;
    const { key, version, value } = write;
    if (!head) insert.run(key, version, value.text, expiresAtMs);
    else if (head[2] === expiresAtMs) update.run(version, value.text, head[0]);
    else updateExpiry.run(version, value.text, expiresAtMs, head[0]);
  }

  function applyOne(transaction: Transaction, nowMs: number): Outcome {
    const holds = (write: { key: Key; expected: Expected }): boolean =>
      (headOf(write.key)?.[1] ?? null) === write.expected;
    if (!transaction.writes.every(holds)) {
      return { status: 'conflict', current: transaction.writes.map((write) => find(write.key)) };
    }
    if (transaction.notAfterMs !== undefined && nowMs > transaction.notAfterMs) return { status: 'late' };
    for (const write of transaction.writes) {
      if (write.kind === 'put') put(write);
      const head = heads.get(write.key);
      if (write.kind === 'delete' && head) remove.run(head[0]);
    }
    return { status: 'ok' };
  }

  return {
    begin() {
      heads.clear();
      try {
        begin.run();
        return true;
      } catch (error) {
        if (isBusy(error)) return false;
        throw error;
      }
    },
    beginRead() {
      heads.clear();
      beginRead.run();
    },
    find,
    apply: (transactions, nowMs) => transactions.map((transaction) => applyOne(transaction, nowMs)),
    commit: () => void commit.run(),
    rollback() {
      if (database.inTransaction) rollback.run();
    },
    range({ start, end, limit, reverse }) {
      const rows = (reverse ? backward : forward).all(start, end, limit) as [
        Key,
        string,
        string,
        number | null,
      ][];
      return rows.map(([key, version, value, expiresAtMs]) => recordOf(key, version, value, expiresAtMs));
    },
    sweep: (limit, nowMs) => sweep.all(nowMs, limit) as Key[],
    close: () => void database.close(),
  };
}

function recordOf(key: Key, version: string, text: string, expiresAtMs: number | null): StoredRecord {
  const value = Value.fromText(text);
  return expiresAtMs === null ? { key, version, value } : { key, version, value, expiresAtMs };
}
