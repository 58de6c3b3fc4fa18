import {
  AmbitError,
  type Capabilities,
  type Durability,
  groupTransactionsMax,
  type Storage,
} from '../storage.js';
import {
  type QuestionContext,
  rangeAnswerOf,
  rangeQuestion,
  readQuestion,
  recordsOf,
  sweepAnswerOf,
  sweepQuestion,
} from './postgres-group.js';
import { askSettings, durabilityOf, guardPromises } from './postgres-settings.js';
import { boundsWithin, PostgresConnections, within } from './postgres-connections.js';
import { commit } from './postgres-commit.js';
import { loadDriver, type OwnPool, type PostgresPool } from './postgres-driver.js';
import { migrate, schemaOf } from './postgres-schema.js';
import { describePostgres } from './postgres-describe.js';
import { locked } from './postgres-locked.js';
import { placeOf } from './postgres-place.js';

/** Which database is opened, and how. */
export interface PostgresStorageOptions {
  /** `postgres://USER:PASSWORD@HOST:5432/DATABASE`. Connections are made, and ended, by the store. */
  readonly url?: string;
  /** In place of a URL: a `Pool` of `pg`. It is not ended by the store, and whoever made it listens to its errors. */
  readonly pool?: PostgresPool;
  /**
   * Keeps stores apart that share a database: 1 to 40 letters, digits, `_` and `-`. Its tables lie in the schema
   * `ambit_NAMESPACE`; in `ambit`, where none is named.
   */
  readonly namespace?: string;
  /** Connections at most, 4 unless said; with a URL only. */
  readonly connectionsMax?: number;
  /** How long an answer of the server may take, in milliseconds: 5,000 unless said, 100 to 60,000. */
  readonly answerMsMax?: number;
  /** The store's clock, in milliseconds since 1970: the server's, unless said. For tests. */
  readonly clock?: () => number;
}

/** Two lanes of the engine, a walk and a sweep: more would wait for nothing. */
const connectionsDefault = 4;

/** Longer than a flush on a disk that is busy, and shorter than callers wait. */
const answerMsDefault = 5_000;

/** How long opening may take: tables are made, and many processes may wait for the one that makes them. */
const openMsMax = 30_000;

/**
 * A store in a PostgreSQL database (14 or later), which any number of processes on any machines may share. Every group of
 * calls is one statement, one round trip and one flush.
 *
 * Where the server cannot be reached, is read-only, or does not answer in time, its methods reject with
 * `StorageUnavailableError`; they connect again by themselves. The transactions of the store set `synchronous_commit` to
 * `on`, whatever the role or the database is set to.
 *
 * @throws AmbitError `INVALID_INPUT`; `MISSING_DEPENDENCY` without pg; `STORAGE_UNAVAILABLE` for a server that cannot be
 * reached, does not let in, or has no connection left; `STORE_UNSUPPORTED` for a PostgreSQL before 14, or a database that
 * is not in UTF8; `STORE_SCHEMA_TOO_NEW`; `STORE_CORRUPT` for a schema of another program
 * @throws TypeError for an option of the wrong type
 * @example
 * ```ts
 * import { openAmbit } from 'ambit';
 * import { postgresStorage } from 'ambit/postgres';
 *
 * const storage = await postgresStorage({ url: process.env['DATABASE_URL'] ?? '', namespace: 'agents' });
 * const ambit = await openAmbit({ storage });
 * await ambit.close();
 * ```
 */
export async function postgresStorage(options: PostgresStorageOptions): Promise<Storage> {
  const { answerMsMax = answerMsDefault, connectionsMax = connectionsDefault, clock } = options;
  wholeNumber('answerMsMax', answerMsMax, 100, 60_000);
  wholeNumber('connectionsMax', connectionsMax, 1, 1_000);
  if (clock !== undefined && typeof clock !== 'function') {
    throw new TypeError('postgres: clock must be a function');
  }
  const { place, namespace, url } = placeOf(options);
  const own = url === undefined ? undefined : await makePool(url, connectionsMax, answerMsMax);
  const pool = own ?? (options.pool as PostgresPool);
  try {
    return await openOn(pool, { place, schema: schemaOf(namespace), answerMsMax, clock, own });
  } catch (error) {
    if (own) await endPool(own, answerMsMax);
    throw error;
  }
}

interface Opening {
  readonly place: string;
  readonly schema: string;
  readonly answerMsMax: number;
  readonly clock: (() => number) | undefined;
  readonly own: OwnPool | undefined;
}

async function openOn(pool: PostgresPool, opening: Opening): Promise<Storage> {
  const { place, schema, clock, own } = opening;
  const bounds = boundsWithin(opening.answerMsMax);
  const openBounds = boundsWithin(Math.max(openMsMax, opening.answerMsMax));
  let durability: Durability = { level: 'none' };
  const opener = new PostgresConnections(pool, place, openBounds, async (send) => {
    durability = durabilityOf(await askSettings(send, place, own && openBounds.statementMsMax));
  });
  try {
    await migrate(opener, schema, place, openBounds);
  } finally {
    await opener.close();
  }

  const guard = guardPromises(place, schema, durability, own && bounds.statementMsMax);
  const connections = new PostgresConnections(pool, place, bounds, guard);
  const context: QuestionContext = { schema, bounds, clockMs: () => clock?.() ?? null };
  const capabilities: Capabilities = Object.freeze({
    name: 'postgres',
    durability,
    sharing: 'network',
    locking: 'after-conflict',
    immediate: false,
    groupTransactionsMax,
  });
  let closed: Promise<void> | undefined;
  return {
    capabilities,
    ...(clock && { clock }),

    async read(keys) {
      return recordsOf(keys, await connections.read(readQuestion(keys, context)));
    },

    commit: (transactions) => commit(connections, context, transactions),

    locked: (keys, run) => locked(connections, context, keys, run),

    async range(query) {
      return rangeAnswerOf(await connections.read(rangeQuestion(query, context)));
    },

    async sweep(limit) {
      const rows = await connections.write(sweepQuestion(limit, context));
      if (Array.isArray(rows)) return sweepAnswerOf(rows);
      return { keys: [], nowMs: recordsOf([], await connections.read(readQuestion([], context))).nowMs };
    },

    describe: () => describePostgres(connections, schema),

    close: () => (closed ??= connections.close().then(() => own && endPool(own, opening.answerMsMax))),
  };
}

async function makePool(url: string, max: number, answerMsMax: number): Promise<OwnPool> {
  const { Pool } = await loadDriver();
  const pool = new Pool({
    connectionString: url,
    max,
    connectionTimeoutMillis: answerMsMax,
    keepAlive: true,
    allowExitOnIdle: true,
    fallback_application_name: 'ambit',
  });
  // A connection that breaks while nobody uses it leaves the pool by itself; unheard, the event would end the process.
  pool.on('error', () => undefined);
  return pool;
}

/** Ends its connections. Those whose server is silent are left to the system: nobody waits for them. */
async function endPool(pool: OwnPool, waitMsMax: number): Promise<void> {
  await within(performance.now() + waitMsMax, pool.end()).catch(() => undefined);
}

function wholeNumber(option: string, value: number, least: number, most: number): void {
  if (typeof value !== 'number') throw new TypeError(`postgres: ${option} must be a number`);
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new AmbitError(
    'INVALID_INPUT',
    `postgres: ${option} is ${value}; it must be a whole number from ${least} to ${most}`,
  );
}
