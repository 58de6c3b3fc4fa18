import { AmbitError, type Storage } from 'ambit/storage';
import { changed, openPostgres, ownDatabase, postgresChild } from './postgres-databases.js';
import { commitOk, key, put, readOne } from '../../src/testing/contract/contract-words.js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { freePort } from '../servers/guarded-servers.js';
import { loadDriver } from '../../src/storage/postgres/postgres-driver.js';
import { openAmbit } from 'ambit';
import { Pool } from 'pg';
import { postgresStorage, type PostgresStorageOptions } from 'ambit/postgres';
import { sharedServerUrl } from '../servers/shared-server.js';
import { startChild } from '../proof/proof-processes.js';
import { startCuttingProxy } from '../servers/cutting-proxy.js';
import { startPostgresServer } from '../servers/postgres-server.js';
import { asking, startPostgresStandby } from '../servers/postgres-standby.js';

async function errorOf(opening: Promise<unknown>): Promise<AmbitError> {
  const error = await opening.then(
    () => expect.fail('it opened'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(AmbitError);
  expect((error as AmbitError).message).toMatch(/^postgres: [^\n]+$/);
  return error as AmbitError;
}

/** Writes what a record of the store would be refused for, if the store did not work. */
async function works(storage: Storage): Promise<void> {
  const first = put(key('works'), (await readOne(storage, key('works')))?.version ?? null, 1);
  await commitOk(storage, first);
  await commitOk(storage, put(key('works'), first.version, 2));
}

describe('the tables of a namespace', () => {
  test('are made once when 50 processes start at once, and all 50 open', { timeout: 180_000 }, async () => {
    const url = await ownDatabase();
    await asking(url, async (ask) => {
      await ask('CREATE TABLE made (what text)');
      await ask(`CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS
          $$ BEGIN INSERT INTO public.made SELECT object_identity FROM pg_event_trigger_ddl_commands() WHERE object_type = 'table'; END $$`);
      await ask('CREATE EVENT TRIGGER note ON ddl_command_end EXECUTE FUNCTION note()');
    });
    const children = Array.from({ length: 50 }, () => startChild('open', { url }, postgresChild));
    for (const child of children) expect(await child.next()).toBe('ready');
    for (const child of children) child.go();
    const said = await Promise.all(children.map((child) => child.rest()));
    expect(said.map((lines) => JSON.stringify(lines))).toEqual(Array(50).fill('[{"opened":1}]'));
    const made = await asking(url, (ask) => ask('SELECT what FROM made ORDER BY what'));
    expect(made).toEqual([{ what: 'ambit.record' }, { what: 'ambit.schema_version' }]);
  });

  test('are made once, whoever looks at them in the meantime', async () => {
    const url = await ownDatabase();
    for (let round = 0; round < 15; round++) {
      const opening = Array.from({ length: 5 }, () => openPostgres({ url, namespace: `n${round}` }));
      for (const storage of await Promise.all(opening)) await storage.close();
    }
  });

  test('are made by the next process where the first died on the way', async () => {
    const url = await ownDatabase();
    await (await postgresStorage({ url })).close();
    await asking(url, async (ask) => {
      const functions = await ask(
        `SELECT oid::regprocedure AS name FROM pg_proc WHERE pronamespace = 'ambit'::regnamespace`,
      );
      for (const { name } of functions) await ask(`DROP FUNCTION ${String(name)}`);
      await ask('DROP TABLE ambit.record');
      await ask('UPDATE ambit.schema_version SET version = 0');
    });
    await works(await openPostgres({ url }));
  });

  test('of a newer Ambit are refused, at open and at every new connection', async () => {
    const url = await ownDatabase();
    const storage = await openPostgres({ url });
    await works(storage);
    await asking(url, async (ask) => {
      await ask('UPDATE ambit.schema_version SET version = 99');
      const error = await errorOf(postgresStorage({ url }));
      expect(error.code).toBe('STORE_SCHEMA_TOO_NEW');
      expect(error.message).toContain('schema 99');
      await ask(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
      );
      await expect(Promise.resolve(storage.read([]))).rejects.toMatchObject({
        code: 'STORAGE_UNAVAILABLE',
        outcome: 'none',
        retryAfterMs: 'never',
        message: expect.stringContaining('a newer Ambit has changed its tables (schema 99') as string,
      });
      await ask('UPDATE ambit.schema_version SET version = 1');
    });
    await works(storage);
  });

  test('are not made among those of another program', async () => {
    const url = await ownDatabase();
    await asking(url, async (ask) => {
      await ask('CREATE SCHEMA ambit');
      await ask('CREATE TABLE ambit.record (theirs int)');
      const error = await errorOf(postgresStorage({ url }));
      expect(error.code).toBe('STORE_CORRUPT');
      expect(await ask(`SELECT relname FROM pg_class WHERE relnamespace = 'ambit'::regnamespace`)).toEqual([
        { relname: 'record' },
      ]);
    });
    await works(await openPostgres({ url, namespace: 'elsewhere' }));
  });

  test('are apart from those of other namespaces, whatever their names', async () => {
    const url = await ownDatabase();
    const names = [undefined, 'ambit', 'A', 'a', '-', '_', '0-_a', 'x'.repeat(40)];
    const stores: Storage[] = [];
    for (const namespace of names) {
      const storage = await openPostgres({ url, ...(namespace !== undefined && { namespace }) });
      expect(await readOne(storage, key('a'))).toBeUndefined();
      await commitOk(storage, put(key('a'), null, { namespace }));
      stores.push(storage);
    }
    for (const [index, storage] of stores.entries()) {
      expect((await readOne(storage, key('a')))?.value.json).toEqual({ namespace: names[index] });
    }
    // In the URL it means the same.
    const named = await openPostgres({ url: `${url}?namespace=A` });
    expect((await readOne(named, key('a')))?.value.json).toEqual({ namespace: 'A' });
  });
});

describe('a user with few privileges', () => {
  /** A user, and what is done for them before they come. */
  async function userOf(url: string, ...before: string[]): Promise<string> {
    const name = `few_${process.pid}_${Math.random().toString(36).slice(2, 8)}`;
    await asking(url, async (ask) => {
      await ask(`CREATE ROLE ${name} LOGIN PASSWORD 'few'`);
      for (const sql of before) await ask(sql.replaceAll('USER', name));
    });
    onTestFinished(async () => {
      await asking(url, (ask) => ask(`DROP OWNED BY ${name} CASCADE; DROP ROLE ${name}`));
    });
    return changed(url, { username: name, password: 'few' });
  }

  test('is told what is lacking', async () => {
    const url = await userOf(await ownDatabase());
    const error = await errorOf(postgresStorage({ url }));
    expect(error.code).toBe('STORAGE_UNAVAILABLE');
    expect(error.message).toContain('lacks a privilege');
  });

  test('needs no more than a schema that somebody made for them', async () => {
    const url = await userOf(await ownDatabase(), 'CREATE SCHEMA ambit AUTHORIZATION USER');
    await works(await openPostgres({ url }));
  });

  test('whatever they are set to: commits are flushed, and found where they belong', async () => {
    const database = await ownDatabase();
    const url = await userOf(
      database,
      'CREATE SCHEMA ambit AUTHORIZATION USER',
      'CREATE SCHEMA mine AUTHORIZATION USER',
      'CREATE TABLE public.flushed (how text)',
      'GRANT ALL ON public.flushed TO USER',
      'ALTER ROLE USER SET synchronous_commit = off',
      'ALTER ROLE USER SET search_path = mine',
      'ALTER ROLE USER SET standard_conforming_strings = off',
      `ALTER ROLE USER SET default_transaction_isolation = 'repeatable read'`,
    );
    const storage = await openPostgres({ url });
    await asking(database, async (ask) => {
      await ask(`CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO public.flushed VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$`);
      await ask(
        'CREATE TRIGGER note AFTER INSERT OR UPDATE ON ambit.record FOR EACH STATEMENT EXECUTE FUNCTION public.note()',
      );
    });
    await works(storage);
    const backslash = key(String.raw`'\'`, '"');
    await storage.locked([backslash], () => [{ writes: [put(backslash, null, String.raw`\n'\\`)] }]);
    expect((await readOne(storage, backslash))?.value.json).toBe(String.raw`\n'\\`);
    const seen = await asking(database, (ask) =>
      ask('SELECT how, count(*)::int AS often FROM public.flushed GROUP BY how'),
    );
    // lock_records only locks: what it inserted is flushed by the commit of the rest.
    expect(seen.find(({ how }) => how === 'on')?.['often']).toBeGreaterThanOrEqual(4);
    expect(seen.filter(({ how }) => how !== 'on').map(({ often }) => often)).toEqual([1]);
  });
});

describe('what is refused, in one clear line that shows no password', () => {
  const secret = 'hunter2-hunter2';

  test.each<[string, (url: string) => Promise<string> | string, string, RegExp]>([
    [
      'a wrong password',
      (url) => changed(url, { password: secret }),
      'STORAGE_UNAVAILABLE',
      /user name or password/,
    ],
    [
      'an unknown user',
      (url) => changed(url, { username: 'nobody-at-all', password: secret }),
      'STORAGE_UNAVAILABLE',
      /user name or password/,
    ],
    ['no password', (url) => changed(url, { password: '' }), 'STORAGE_UNAVAILABLE', /password is missing/],
    [
      'an unknown database',
      (url) => changed(url, { pathname: '/no_such_database' }),
      'STORAGE_UNAVAILABLE',
      /no such database/,
    ],
    [
      'nobody who listens',
      async (url) => changed(url, { port: String(await freePort()), password: secret }),
      'STORAGE_UNAVAILABLE',
      /nobody listens/,
    ],
    ['TLS where there is none', (url) => `${url}?sslmode=verify-full`, 'STORAGE_UNAVAILABLE', /TLS/],
    ['no TLS files', (url) => `${url}?sslrootcert=/no/such/file`, 'STORAGE_UNAVAILABLE', /sslrootcert/],
  ])('%s', async (_name, urlOf, code, words) => {
    const shared = await sharedServerUrl('postgres');
    const error = await errorOf(postgresStorage({ url: await urlOf(shared) }));
    expect(error).toMatchObject({ code, outcome: 'none', message: expect.stringMatching(words) as string });
    for (const word of [secret, new URL(shared).password]) {
      expect(error.message).not.toContain(word);
      expect(JSON.stringify([error, error.cause, error.stack])).not.toContain(word);
    }
  });

  test('a database that is not in UTF8', async () => {
    const url = await ownDatabase(`ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`);
    expect((await errorOf(postgresStorage({ url }))).code).toBe('STORE_UNSUPPORTED');
  });

  test.each<[string, PostgresStorageOptions]>([
    ['neither URL nor pool', {}],
    ['both', { url: 'postgres://127.0.0.1/a', pool: new Pool() }],
    ['a namespace with a blank', { url: 'postgres://127.0.0.1/a', namespace: 'a b' }],
    ['a long namespace', { url: 'postgres://127.0.0.1/a', namespace: 'x'.repeat(41) }],
    ['no connections', { url: 'postgres://127.0.0.1/a', connectionsMax: 0 }],
    ['no time', { url: 'postgres://127.0.0.1/a', answerMsMax: 0 }],
    ['half a millisecond', { url: 'postgres://127.0.0.1/a', answerMsMax: 100.5 }],
  ])('%s', async (_name, options) => {
    expect((await errorOf(postgresStorage(options))).code).toBe('INVALID_INPUT');
  });

  test('another scheme, and options of the wrong type', async () => {
    const sqlite = { url: 'sqlite:./ambit.db' };
    await expect(postgresStorage(sqlite)).rejects.toThrow(/must begin with postgres:/);
    const wrong: unknown[] = [
      { url: 5 },
      { pool: {} },
      { pool: null },
      { url: 'postgres://h/a', namespace: 5 },
    ].concat([
      { url: 'postgres://h/a', connectionsMax: '4' },
      { url: 'postgres://h/a', clock: 5 },
    ] as never[]);
    for (const options of wrong) {
      await expect(postgresStorage(options as PostgresStorageOptions)).rejects.toThrow(TypeError);
    }
  });

  test('a missing or broken pg is explained', async () => {
    const missing = Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' });
    const absent = await errorOf(loadDriver(() => Promise.reject(missing)));
    expect(absent.code).toBe('MISSING_DEPENDENCY');
    expect(absent.message).toContain('npm install pg');
    const broken = await errorOf(loadDriver(() => Promise.reject(new Error('Unexpected token\nat line 1'))));
    expect(broken.message).toContain('Unexpected token');
  });
});

describe('a pool that was handed in', () => {
  test('of one connection serves everything at once, is left as it was, and stays open', async () => {
    const pool = new Pool({ connectionString: await ownDatabase(), max: 1 });
    onTestFinished(() => pool.end());
    const setting = 'SELECT current_setting($1) AS value';
    const before = (await pool.query(setting, ['statement_timeout'])).rows;
    const storage = await openPostgres({ pool });
    await Promise.all(
      Array.from({ length: 10 }, async (_, index) => {
        await storage.locked([key('a')], ([record]) => [
          { writes: [put(key('a'), record?.version ?? null, index)] },
        ]);
        await commitOk(storage, put(key('n', index), null, index));
        await storage.sweep(10);
      }),
    );
    await storage.close();
    expect((await pool.query(setting, ['statement_timeout'])).rows).toEqual(before);
    expect((await pool.query(setting, ['synchronous_commit'])).rows).toEqual([{ value: 'on' }]);
    expect((await pool.query('SELECT count(*)::int AS count FROM ambit.record')).rows).toEqual([
      { count: 11 },
    ]);
  });
});

describe('durability', () => {
  test(
    'is what the server is set to: one that does not flush is named so, refused by default, and never taken for another',
    { timeout: 120_000 },
    async () => {
      const good = await startPostgresServer();
      onTestFinished(() => good.stop());
      const weak = await startPostgresServer(['fsync=off', 'full_page_writes=off']);
      onTestFinished(() => weak.stop());

      const lost = await openPostgres({ url: weak.url });
      expect(lost.capabilities.durability).toEqual({ level: 'process' });
      const described = await lost.describe?.();
      expect(described?.facts).toMatchObject({ fsync: 'off' });
      expect(described?.warnings).toHaveLength(2);
      await expect(openAmbit({ storage: weak.url })).rejects.toMatchObject({ code: 'DURABILITY_TOO_WEAK' });
      await (await openAmbit({ storage: weak.url, durability: 'process' })).close();

      // The same address, user and password lead to another server one day.
      const { password } = new URL(good.url);
      await asking(weak.url, (ask) => ask(`ALTER ROLE ambit PASSWORD '${password}'`));
      const proxy = await startCuttingProxy(good.port);
      onTestFinished(() => proxy.close());
      const storage = await openPostgres({ url: changed(good.url, { port: String(proxy.port) }) });
      expect(storage.capabilities.durability).toEqual({ level: 'power' });
      await works(storage);
      proxy.targetPort = weak.port;
      proxy.cutAll();
      await expect(Promise.resolve(storage.read([key('works')]))).rejects.toMatchObject({
        code: 'STORAGE_UNAVAILABLE',
        message: expect.stringContaining('fsync') as string,
      });
      proxy.targetPort = good.port;
      await works(storage);
    },
  );
});

test('a standby is refused: what it shows may be old', { timeout: 120_000 }, async () => {
  const primary = await startPostgresServer();
  onTestFinished(() => primary.stop());
  await works(await openPostgres({ url: primary.url }));
  const standby = await startPostgresStandby(primary);
  onTestFinished(() => standby.stop());
  const url = changed(primary.url, { port: String(standby.port) });
  const error = await errorOf(postgresStorage({ url }));
  expect(error.code).toBe('STORAGE_UNAVAILABLE');
  expect(error.message).toContain('standby');
  await standby.promote();
  await works(await openPostgres({ url }));
});

test('a process that leaves without closing is not held up by its connections', async () => {
  const url = await ownDatabase();
  const child = startChild('leave', { url, who: 'leaver' }, postgresChild);
  expect(await child.next()).toBe('ready');
  child.go();
  expect(await child.rest()).toEqual(['ok']);
  expect(await child.ended).toBe(0);
});

test('describes the server it is on', async () => {
  const storage = await openPostgres({ url: await ownDatabase() });
  const described = await storage.describe?.();
  expect(described).toMatchObject({
    server: expect.stringMatching(/^PostgreSQL \d+\.\d+$/) as string,
    schemaVersion: 1,
    facts: { fsync: 'on', 'synchronous commit': 'on' },
    warnings: [],
  });
});
