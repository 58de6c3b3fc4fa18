import { AmbitError } from '../storage.js';
import type { Database } from 'better-sqlite3';
import { records } from './migrations/0001-records.js';

/** "Ambt" in the file's header (PRAGMA application_id): tells our files from everybody else's. */
const applicationId = 0x41_6d_62_74;

/** In order; each leads to the schema of its position, and is never edited once released. */
const migrations: readonly string[] = [records];

/** The schema this program reads and writes (PRAGMA user_version). */
export const schemaVersion: number = migrations.length;

/** What a database is to us: to be filled, to be brought up to date, or ready. */
export type SchemaState = 'empty' | 'outdated' | 'current';

/**
 * Looks whose database this is and how old, and changes nothing: a stranger's file must not even be put into WAL mode.
 *
 * @throws AmbitError `STORE_CORRUPT` for a stranger's, `STORE_SCHEMA_TOO_NEW` for one of a newer Ambit
 */
export function inspectSchema(database: Database, path: string): SchemaState {
  const [owner, schema, objects] = database
    .prepare(
      `SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
         FROM pragma_application_id, pragma_user_version`,
    )
    .raw()
    .get() as [number, number, number];
  if (owner === 0 && schema === 0 && objects === 0) return 'empty';
  if (owner !== applicationId) {
    throw new AmbitError(
      'STORE_CORRUPT',
      `sqlite: ${path} is a database of another program; name another file`,
    );
  }
  if (schema > schemaVersion) {
    throw new AmbitError(
      'STORE_SCHEMA_TOO_NEW',
      `sqlite: ${path} was written by a newer Ambit (schema ${schema}, this one knows ${schemaVersion}); update Ambit`,
    );
  }
  return schema < schemaVersion ? 'outdated' : 'current';
}

/**
 * Brings the database up to date in one transaction. Of several processes that open a new file at once, one does the
 * work and the others find it done; those that come in between get SQLITE_BUSY.
 */
export function migrate(database: Database, path: string): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    // Another process may have been faster than our first look.
    if (inspectSchema(database, path) !== 'current') {
      const schema = database.pragma('user_version', { simple: true }) as number;
      for (const migration of migrations.slice(schema)) database.exec(migration);
      database.pragma(`application_id = ${applicationId}`);
      database.pragma(`user_version = ${schemaVersion}`);
    }
    database.exec('COMMIT');
  } catch (error) {
    if (database.inTransaction) database.exec('ROLLBACK');
    throw error;
  }
}
