import { boundsWithin, PostgresConnections } from '../../src/storage/postgres/postgres-connections.js';
import { encodeKey, type Storage, StorageUnavailableError, Value } from 'ambit/storage';
import { expect, onTestFinished, test } from 'vitest';
import { type Migration, migrate, migrations } from '../../src/storage/postgres/postgres-schema.js';
import { openPostgres, ownDatabase } from './postgres-databases.js';
import { asking } from '../servers/postgres-standby.js';
import { openAmbit } from 'ambit';
import pg from 'pg';
import type { PostgresBounds } from '../../src/storage/postgres/postgres-connections.js';
import type { PostgresClient, PostgresPool } from '../../src/storage/postgres/postgres-driver.js';

/** What a later Ambit might do: it keeps what it found, and takes its time. */
const copying: Migration = (schema) =>
  `CREATE TABLE ${schema}.found AS SELECT * FROM ${schema}.record; SELECT pg_sleep(0.3);`;

function poolOf(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  pool.on('error', () => undefined);
  onTestFinished(() => pool.end());
  return pool;
}

/** Migrates as a program does that knows these steps. */
function migrateWith(
  pool: PostgresPool,
  steps: readonly Migration[],
  bounds: Partial<PostgresBounds> = {},
): Promise<void> {
  const all = { ...boundsWithin(20_000), ...bounds };
  const connections = new PostgresConnections(pool, 'the test', all, () => Promise.resolve());
  return migrate(connections, '"ambit"', 'the test', all, steps);
}

/** Counts up under a key until it is refused, and answers what was acknowledged last and the refusal. */
async function countUp(storage: Storage, name: string): Promise<[number, unknown]> {
  const key = encodeKey(['count', name]);
  let version: string | null = null;
  for (let count = 1; ; count++) {
    const next = `${name}.${count}`;
    try {
      const write = { kind: 'put', key, expected: version, version: next, value: Value.of(count) } as const;
      // Every other one is no plain replacement, and takes the longer way.
      const writes = count % 2 === 0 ? [write] : [write, checkOf(`none-${name}`)];
      const answer = await storage.commit([{ writes }]);
      expect(answer.outcomes).toEqual([{ status: 'ok' }]);
    } catch (error) {
      return [count - 1, error];
    }
    version = next;
  }
}

const checkOf = (name: string) =>
  ({ kind: 'check', key: encodeKey(['count', name]), expected: null }) as const;

test('a process that has the store open while a newer Ambit changes its tables writes before it or not at all', async () => {
  const url = await ownDatabase();
  const stores = [await openPostgres({ url }), await openPostgres({ url })];
  const counting = stores.flatMap((storage, index) =>
    ['a', 'b'].map((caller) => countUp(storage, `${index}${caller}`)),
  );
  await new Promise((resolve) => setTimeout(resolve, 200));
  await migrateWith(poolOf(url), [...migrations, copying]);
  const ended = await Promise.all(counting);
  for (const [, error] of ended) {
    expect(error).toBeInstanceOf(StorageUnavailableError);
    expect(error).toMatchObject({
      outcome: 'none',
      retryAfterMs: 'never',
      message: expect.stringMatching(
        /^postgres: [^\n]*: a newer Ambit has changed its tables.*; update this program and start it anew/,
      ) as string,
    });
  }
  await asking(url, async (ask) => {
    const order = 'ORDER BY key';
    const left = await ask(`SELECT key, version, value FROM ambit.record ${order}`);
    expect(left).toEqual(await ask(`SELECT key, version, value FROM ambit.found ${order}`));
    expect(left.map(({ value }) => Number(value))).toEqual(ended.map(([count]) => count));
  });
  // And whatever else is asked of it from now on.
  const [storage] = stores;
  const some = [encodeKey(['count', '0a'])];
  for (const asked of [
    () => storage?.read(some),
    () => storage?.range({ start: some[0] ?? expect.fail(), end: encodeKey(['d']), limit: 1 }),
    () => storage?.commit([{ writes: [checkOf('x')] }]),
    () => storage?.locked(some, () => expect.fail('it was run')),
    () => storage?.sweep(1),
  ]) {
    await expect((async () => asked())()).rejects.toMatchObject({ retryAfterMs: 'never', outcome: 'none' });
  }
});

test('calls of such a process are refused, and not to be repeated', async () => {
  const url = await ownDatabase();
  const ambit = await openAmbit({ storage: url });
  onTestFinished(() => ambit.close());
  const created = await ambit.tasks.create({ agentId: 'a', declaredIntent: 'x', authorizedTools: ['*'] });
  if (!created.ok) expect.fail(created.refusal.message);
  const { sessionId } = created.session;
  expect(await ambit.tasks.use(sessionId, 'read')).toMatchObject({ ok: true });
  await migrateWith(poolOf(url), [...migrations, copying]);
  for (const answer of [await ambit.tasks.use(sessionId, 'read'), await ambit.tasks.get(sessionId)]) {
    expect(answer).toMatchObject({
      ok: false,
      refusal: { code: 'STORAGE_UNAVAILABLE', retryable: false, outcome: 'none' },
    });
    if (answer.ok) expect.fail('it was answered');
    expect(answer.refusal.message).toContain('a newer Ambit has changed its tables');
    expect(answer.refusal).not.toHaveProperty('retryAfterMs');
  }
});

/** A pool of a process that stops for good before it sends a statement in which this stands. */
function stoppingBefore(pool: pg.Pool, words: string): PostgresPool & { readonly stopped: Promise<void> } {
  let stop = (): void => undefined;
  const stopped = new Promise<void>((resolve) => (stop = resolve));
  return {
    stopped,
    async connect(): Promise<PostgresClient> {
      const client = (await pool.connect()) as unknown as PostgresClient;
      return {
        query(statement) {
          if (!statement.text.includes(words)) return client.query(statement);
          stop();
          return new Promise(() => undefined);
        },
        release: (destroy) => client.release(destroy),
        on: (event, listener) => client.on(event, listener),
      };
    },
  };
}

test('a process that stops while it makes the tables holds up the others for a bounded time only', async () => {
  const url = await ownDatabase();
  const stuck = stoppingBefore(poolOf(url), 'CREATE TABLE "ambit".record');
  const stuckMigration = migrateWith(stuck, migrations, { idleMsMax: 300, answerMsMax: 6_000 });
  const lost = stuckMigration.catch((error: unknown) => error);
  await stuck.stopped;
  await migrateWith(poolOf(url), migrations, { lockMsMax: 4_000 });
  const storage = await openPostgres({ url });
  expect((await storage.read([])).records).toEqual([]);
  expect(await lost).toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
});

test('an opening that finds the tables locked by somebody else says so', async () => {
  const url = await ownDatabase();
  await migrateWith(poolOf(url), migrations);
  const somebody = await poolOf(url).connect();
  await somebody.query('BEGIN; SELECT 1 FROM ambit.schema_version FOR UPDATE');
  const opening = migrateWith(poolOf(url), [...migrations, copying], { lockMsMax: 200 });
  await expect(opening).rejects.toMatchObject({
    code: 'STORAGE_UNAVAILABLE',
    message: expect.stringMatching(
      /^postgres: the test: somebody has kept the tables of "ambit" locked for 200 ms, [^\n]*$/,
    ) as string,
  });
  await somebody.query('ROLLBACK');
  somebody.release();
  await migrateWith(poolOf(url), [...migrations, copying]);
});
