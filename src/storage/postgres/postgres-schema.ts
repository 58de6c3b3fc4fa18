import {
  causeOf,
  type PostgresBounds,
  type PostgresConnections,
  type PostgresSession,
} from './postgres-connections.js';
import { AmbitError, StorageUnavailableError } from '../storage.js';
import { codeOf, isLockTimeout } from './postgres-errors.js';
import { records } from './migrations/0001-records.js';

/** Makes the text of one step; `schema` is the namespace, as a quoted identifier. */
export type Migration = (schema: string) => string;

/**
 * In order; each leads to the schema of its position, and is never edited once released. A later one leaves no function
 * behind that takes the arguments of an earlier one and does not refuse the schema that its caller knows.
 */
export const migrations: readonly Migration[] = [records];

/** The schema this program reads and writes. */
export const schemaVersion: number = migrations.length;

/** The schema of PostgreSQL that holds a namespace, as a quoted identifier. */
export function schemaOf(namespace: string | undefined): string {
  return namespace === undefined ? '"ambit"' : `"ambit_${namespace}"`;
}

/** The version that the tables of a namespace have; undefined where there are none. */
export async function versionOf(send: PostgresSession['send'], schema: string): Promise<number | undefined> {
  try {
    const [[row] = []] = await send({ text: `SELECT version FROM ${schema}.schema_version` });
    return row ? Number(row[0]) : undefined;
  } catch (error) {
    // No such table, or not even the schema.
    if (['42P01', '3F000'].includes(codeOf(causeOf(error)))) return undefined;
    throw error;
  }
}

/** How often the tables are looked at: each look but the last may find that another process was faster. */
const looksMax = 10;

/**
 * Makes or updates the tables of a namespace. Of many processes that start at once one does it, and the others wait for
 * it: the row that holds the version is locked meanwhile. Processes that have the namespace open write either before it or
 * not any more: the table is locked before anything is changed, and the functions look at the version behind that lock.
 *
 * @param bounds how long it waits for others, and others for it
 * @param steps the migrations, for tests
 * @throws AmbitError `STORE_CORRUPT` for a schema of another program, `STORE_SCHEMA_TOO_NEW`
 */
export async function migrate(
  connections: PostgresConnections,
  schema: string,
  place: string,
  bounds: PostgresBounds,
  steps: readonly Migration[] = migrations,
): Promise<void> {
  const begin = `BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = ${bounds.lockMsMax};
    SET LOCAL idle_in_transaction_session_timeout = ${bounds.idleMsMax};`;
  await connections.session(async ({ send }) => {
    for (let look = 1; ; look++) {
      const version = await versionOf(send, schema);
      if (version === steps.length) return;
      if (version !== undefined && version > steps.length) throw tooNew(place, schema, version);
      try {
        if (version === undefined) await createVersion(send, schema, place, begin);
        else await update(send, schema, begin, steps);
      } catch (error) {
        if (isLockTimeout(causeOf(error))) throw stuck(place, schema, bounds);
        // Made by another process after the look.
        const madeMeanwhile = ['23505', '42P06', '42P07', '40001', '40P01'].includes(codeOf(causeOf(error)));
        if (!madeMeanwhile || look === looksMax) throw error;
        await send({ text: 'ROLLBACK' });
      }
    }
  });
}

/** Makes the row that is locked while the rest is made. */
async function createVersion(
  send: PostgresSession['send'],
  schema: string,
  place: string,
  begin: string,
): Promise<void> {
  const literal = `'${schema.replaceAll("'", "''")}'`;
  // Asked in one snapshot: what another process made since the last look was made with the version.
  const [[row = []] = []] = await send({
    text: `SELECT to_regnamespace(${literal}) IS NOT NULL, count(*) > 0 AND count(*) FILTER (WHERE relname = 'schema_version') = 0
      FROM pg_class WHERE relnamespace = to_regnamespace(${literal})`,
  });
  const [exists, isFilled] = row;
  if (isFilled === true) {
    throw new AmbitError(
      'STORE_CORRUPT',
      `postgres: ${place}: the schema ${schema} is another program's; name another namespace`,
    );
  }
  // Whoever may not create a schema can be given one that is empty.
  const create = exists === true ? '' : `CREATE SCHEMA ${schema};`;
  await send({
    text: `${begin} ${create}
      CREATE TABLE ${schema}.schema_version (one boolean PRIMARY KEY DEFAULT true CHECK (one), version int NOT NULL);
      INSERT INTO ${schema}.schema_version (version) VALUES (0);
      COMMIT`,
  });
}

async function update(
  send: PostgresSession['send'],
  schema: string,
  begin: string,
  steps: readonly Migration[],
): Promise<void> {
  const locked = await send({
    text: `${begin} SELECT version FROM ${schema}.schema_version FOR UPDATE`,
  });
  const version = Number(locked.at(-1)?.[0]?.[0]);
  const texts = steps.slice(version).map((step) => step(schema));
  if (texts.length > 0) texts.push(`UPDATE ${schema}.schema_version SET version = ${steps.length};`);
  if (texts.length > 0 && version > 0) texts.unshift(`LOCK TABLE ${schema}.record IN ACCESS EXCLUSIVE MODE;`);
  await send({ text: `${texts.join('\n')} COMMIT` });
}

function tooNew(place: string, schema: string, version: number): AmbitError {
  return new AmbitError(
    'STORE_SCHEMA_TOO_NEW',
    `postgres: ${place}: ${schema} was written by a newer Ambit (schema ${version}, this one knows ${schemaVersion}); update Ambit`,
  );
}

function stuck(place: string, schema: string, { lockMsMax }: PostgresBounds): StorageUnavailableError {
  return new StorageUnavailableError(
    `postgres: ${place}: somebody has kept the tables of ${schema} locked for ${lockMsMax} ms, so they were not made or updated; look in pg_stat_activity for who it is, and open the store again`,
    { outcome: 'none' },
  );
}
