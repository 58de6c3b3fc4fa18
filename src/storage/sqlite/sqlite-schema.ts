import type { Database } from 'better-sqlite3';
import { AmbitError } from '../storage.js';

/** "Ambt" in the file's header: tells our files from everybody else's. */
export const applicationId = 0x41_6d_62_74;

/** One step each, applied in order and never edited once released; the position is the version it leads to. */
const migrations: readonly string[] = [
  `CREATE TABLE record (
     id            INTEGER PRIMARY KEY,
     key           TEXT    NOT NULL UNIQUE,
     version       TEXT    NOT NULL,
     value         TEXT    NOT NULL,
     expires_at_ms INTEGER
   ) STRICT;
   CREATE INDEX record_by_expiry ON record (expires_at_ms) WHERE expires_at_ms IS NOT NULL;`,
];

/** The schema this program writes. */
export const schemaVersion: number = migrations.length;

/** The WAL-reset bug, which can corrupt a database that several processes write, was mended in this version. */
export const sqliteVersionMin = '3.51.3';

/** Refuses a SQLite that can corrupt a shared database. */
export function assertSqliteVersion(version: string): void {
  const number = (text: string): number =>
    text.split('.').reduce((total, part) => total * 1_000 + Number(part), 0);
  if (number(version) >= number(sqliteVersionMin)) return;
  throw new AmbitError(
    'STORE_UNSUPPORTED',
    `SQLite ${version} can corrupt a shared database; install a better-sqlite3 with SQLite ${sqliteVersionMin} or later`,
  );
}

/**
 * Creates the tables, or brings them up to date, inside one write transaction that the caller holds: of several
 * processes that open a new file at once, one migrates and the others find it done.
 */
export function migrate(database: Database, path: string): void {
  const version = database.pragma('user_version', { simple: true }) as number;
  const owner = database.pragma('application_id', { simple: true }) as number;
  const tables = database.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() as number;
  if (owner !== applicationId && (tables > 0 || version > 0)) {
    throw new AmbitError(
      'STORE_CORRUPT',
      `${path}: a SQLite database, but not one of Ambit's; name another file`,
    );
  }
  if (version > schemaVersion) {
    throw new AmbitError(
      'STORE_SCHEMA_TOO_NEW',
      `${path}: schema ${version}, but this Ambit knows up to ${schemaVersion}; install a newer Ambit`,
    );
  }
  if (version === schemaVersion) return;
  for (const step of migrations.slice(version)) database.exec(step);
  database.pragma(`application_id = ${applicationId}`);
  database.pragma(`user_version = ${schemaVersion}`);
}
