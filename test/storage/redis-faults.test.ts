import {
  admin,
  create,
  documentedRights,
  eventually,
  key,
  newNamespace,
  openStore,
  ownServer,
  put,
  refusal,
  valuesOf,
} from './redis-servers.js';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type RedisServer, startRedisServer } from '../servers/redis-server.js';
import { fakeClock, storageContract } from 'ambit/testing';
import { freePort } from '../servers/guarded-servers.js';
import { openAmbit } from 'ambit';
import { Redis } from 'ioredis';
import { redisStorage } from 'ambit/redis';
import { scripts } from '../../src/storage/redis/redis-scripts.js';
import { spawnSync } from 'node:child_process';

/** What opening a store fails with. */
async function openingError(options: Parameters<typeof redisStorage>[0]): Promise<Error & { code?: string }> {
  const startMs = performance.now();
  const error = await redisStorage({ answerMsMax: 1_000, ...options }).then(
    async (storage) => {
      await storage.close();
      return expect.fail('it was opened');
    },
    (reason: unknown) => reason as Error,
  );
  expect(performance.now() - startMs).toBeLessThan(15_000);
  expect(error.name).toMatch(/^(AmbitError|StorageUnavailableError)$/);
  expect(error.message).toMatch(/^redis: [^\n]+$/);
  expect(error.cause).toBeUndefined();
  return error;
}

let server: RedisServer;
let boss: Redis;

beforeAll(async () => {
  server = await startRedisServer();
  boss = new Redis(server.url);
});
afterAll(async () => {
  boss.disconnect();
  await server.stop();
});

/** Changes settings of the shared server for one test. */
async function settings(changes: Record<string, string>): Promise<void> {
  for (const [name, value] of Object.entries(changes)) {
    const [, before = ''] = await boss.config('GET', name);
    await boss.config('SET', name, value);
    onTestFinished(async () => {
      await boss.config('SET', name, before);
    });
  }
}

describe('a store is not opened', () => {
  test('where nobody listens', async () => {
    const error = await openingError({ url: `redis://:hunter2@127.0.0.1:${await freePort()}` });
    expect(error).toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(error.message).toContain('ECONNREFUSED');
    expect(error.message).not.toContain('hunter2');
  });

  test('with a wrong password, with none, and with a user that is not known', async () => {
    const { port } = server;
    const wrong = await openingError({ url: `redis://:hunter2@127.0.0.1:${port}` });
    const none = await openingError({ url: `redis://127.0.0.1:${port}` });
    const user = await openingError({ url: `redis://bob5:hunter2@127.0.0.1:${port}` });
    expect(wrong.message).toContain('the user name or the password is wrong');
    expect(none.message).toContain('it wants a password');
    expect(user.message).toContain('the user name or the password is wrong');
    for (const { message } of [wrong, none, user]) expect(message).not.toMatch(/hunter2|bob5/);
  });

  test('where the server is silent', async () => {
    const silent = await ownServer();
    silent.pause();
    const error = await openingError({ url: silent.url });
    silent.resume();
    expect(error).toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  });

  test('where it takes no more clients', async () => {
    await settings({ maxclients: '1' });
    const error = await openingError({ url: server.url });
    expect(error).toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(error.message).toContain('maxclients');
  });

  test('while it loads its data, and then is', async () => {
    const slow = await ownServer();
    const storage = await openStore({ url: slow.url, namespace: 'slow' });
    expect(await create(storage, 'kept')).toBe('ok');
    // While it loads it listens once in 1,024 commands, and takes a little for each of them.
    const client = await admin(slow.url);
    const filling = client.pipeline();
    for (let index = 0; index < 6_000; index++) filling.set(`filling-${index}`, '');
    await filling.exec();
    await slow.kill();
    await slow.start(['--key-load-delay 600'], 'any answer');
    const loading = await refusal(valuesOf(storage, ['kept']));
    expect(loading.outcome).toBe('none');
    const error = await openingError({ url: slow.url, answerMsMax: 200 });
    expect(error).toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(await eventually(() => valuesOf(storage, ['kept']))).toEqual(['kept']);
  });

  test('on a replica', async () => {
    const replica = await ownServer({ settings: ['--replicaof 127.0.0.1 1'] });
    const error = await openingError({ url: replica.url });
    expect(error).toMatchObject({ code: 'STORE_UNSUPPORTED' });
    expect(error.message).toContain('replica');
  });

  test.each(['allkeys-lru', 'allkeys-lfu', 'allkeys-random'])(
    'where %s may drop a budget',
    async (policy) => {
      await settings({ 'maxmemory-policy': policy });
      const error = await openingError({ url: server.url });
      expect(error).toMatchObject({ code: 'STORE_UNSUPPORTED' });
      expect(error.message).toContain(policy);
    },
  );

  test('in a database that it does not have: never in database 0 instead', async () => {
    const namespace = newNamespace();
    const error = await openingError({ url: `${server.url}/99`, namespace });
    expect(error.message).toContain('DB index is out of range');
    expect(await boss.exists(`ambit:{${namespace}}:schema`)).toBe(0);
  });

  test('in a namespace that a newer program wrote, or another one uses', async () => {
    const [newer, other] = [newNamespace(), newNamespace()];
    await boss.set(`ambit:{${newer}}:schema`, '2');
    await boss.set(`ambit:{${other}}:index`, 'mine');
    expect(await openingError({ url: server.url, namespace: newer })).toMatchObject({
      code: 'STORE_SCHEMA_TOO_NEW',
    });
    expect(await openingError({ url: server.url, namespace: other })).toMatchObject({
      code: 'STORE_CORRUPT',
    });
    expect(await boss.get(`ambit:{${other}}:index`)).toBe('mine');
  });

  test('with options that make no sense', async () => {
    const wrong = (options: object): Promise<unknown> =>
      redisStorage(options as never).catch((error: unknown) => error);
    expect(await wrong({})).toBeInstanceOf(TypeError);
    expect(await wrong({ url: server.url, client: {} })).toBeInstanceOf(TypeError);
    expect(await wrong({ client: {} })).toBeInstanceOf(TypeError);
    expect(await wrong({ url: 7 })).toBeInstanceOf(TypeError);
    expect(await wrong({ url: server.url, clock: 7 })).toBeInstanceOf(TypeError);
    for (const options of [
      { url: 'http://127.0.0.1' },
      { url: server.url, namespace: 'a b' },
      { url: server.url, namespace: '{x}' },
      { url: server.url, answerMsMax: 1 },
    ])
      expect(await wrong(options)).toMatchObject({ code: 'INVALID_INPUT' });
  });
});

describe('what an answer survives is what the server is set to keep', () => {
  const durabilityWith = async (changes: Record<string, string>) => {
    await settings(changes);
    const storage = await openStore({ url: server.url });
    const description = await storage.describe?.();
    return { durability: storage.capabilities.durability, description };
  };

  test('appendfsync always', async () => {
    const { durability, description } = await durabilityWith({});
    expect(durability).toEqual({ level: 'power' });
    expect(description?.warnings).toEqual([]);
    expect(description?.facts).toMatchObject({ persistence: 'appendonly yes, appendfsync always' });
  });

  test('appendfsync everysec', async () => {
    const { durability, description } = await durabilityWith({ appendfsync: 'everysec' });
    expect(durability).toEqual({ level: 'bounded-loss', lossWindowMs: 2_000 });
    expect(description?.warnings.join()).toContain('appendfsync always');
  });

  test('appendfsync no, flushes that rest, and no log at all', async () => {
    expect((await durabilityWith({ appendfsync: 'no' })).durability).toEqual({ level: 'none' });
    const resting = await durabilityWith({ appendfsync: 'always', 'no-appendfsync-on-rewrite': 'yes' });
    expect(resting.durability).toEqual({ level: 'none' });
    expect((await durabilityWith({ appendonly: 'no' })).durability).toEqual({ level: 'none' });
  });

  test('a server that does not tell is promised nothing of', async () => {
    await boss.acl('SETUSER', 'reticent', 'on', '>secret', '~ambit:*', '+@all', '-config');
    const url = `redis://reticent:secret@127.0.0.1:${server.port}`;
    const storage = await openStore({ url });
    expect(storage.capabilities.durability).toEqual({ level: 'none' });
    expect((await storage.describe?.())?.warnings.join()).toContain('CONFIG GET is refused');
    await boss.acl('DELUSER', 'reticent');
  });

  test('an opening that asks for more is refused, with the option named', async () => {
    await settings({ appendfsync: 'everysec' });
    const storage = `${server.url}?namespace=${newNamespace()}`;
    await expect(openAmbit({ storage })).rejects.toMatchObject({
      code: 'DURABILITY_TOO_WEAK',
      message: expect.stringContaining("durability: 'bounded-loss'") as string,
    });
    const ambit = await openAmbit({ storage, durability: 'bounded-loss' });
    await ambit.close();
  });

  test('a server that comes back keeping less is not used until it is put right', async () => {
    const weak = await ownServer();
    const storage = await openStore({ url: weak.url });
    expect(await create(storage, 'a')).toBe('ok');
    await weak.kill();
    await weak.start(['--appendfsync everysec']);
    const error = await refusal(
      (async () => {
        for (let round = 0; round < 100; round++) {
          await valuesOf(storage, []).catch((reason: unknown) => {
            if (String(reason).includes('keeps less')) throw reason;
          });
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      })(),
    );
    expect(error.outcome).toBe('none');
    const client = await admin(weak.url);
    await client.config('SET', 'appendfsync', 'always');
    await eventually(() => create(storage, 'b'));
    expect(await valuesOf(storage, ['a', 'b'])).toEqual(['a', 'b']);
  });
});

describe('a server that cannot take it refuses, writes nothing, and is used again when it can', () => {
  /** Breaks the server, looks at the refusals of a commit and of a read, mends it, and looks whether it works. */
  async function refusedWhile(
    breaking: () => Promise<unknown>,
    mending: () => Promise<unknown>,
    words: RegExp,
    readsAreAnswered = false,
  ): Promise<void> {
    const storage = await openStore({ url: server.url });
    expect(await create(storage, 'before')).toBe('ok');
    await breaking();
    try {
      const commit = await refusal(create(storage, 'refused'));
      expect(commit.message).toMatch(words);
      expect(commit.outcome).toBe('none');
      if (readsAreAnswered) expect(await valuesOf(storage, ['before'])).toEqual(['before']);
      else expect((await refusal(valuesOf(storage, ['before']))).message).toMatch(words);
    } finally {
      await mending();
    }
    expect(await eventually(() => create(storage, 'after'))).toBe('ok');
    expect(await valuesOf(storage, ['before', 'refused', 'after'])).toEqual(['before', undefined, 'after']);
  }

  test('its memory is full', async () => {
    await refusedWhile(
      () => boss.config('SET', 'maxmemory', '1mb'),
      () => boss.config('SET', 'maxmemory', '0'),
      /memory is full/,
      true,
    );
  });

  test('a full one can still be swept', async () => {
    const storage = await openStore({ url: server.url });
    await storage.commit([{ writes: [put(key('old'), null, 'old', 1)] }]);
    await boss.config('SET', 'maxmemory', '1mb');
    const swept = await storage.sweep(10);
    await boss.config('SET', 'maxmemory', '0');
    expect(swept.keys).toEqual([key('old')]);
  });

  test('it became a read-only replica', async () => {
    await refusedWhile(
      () => boss.replicaof('127.0.0.1', '1'),
      () => boss.replicaof('NO', 'ONE'),
      /replica|connection is lost/,
    );
  });

  test('it became a replica that does not know its primary', async () => {
    await boss.config('SET', 'replica-serve-stale-data', 'no');
    await refusedWhile(
      () => boss.replicaof('127.0.0.1', '1'),
      () => boss.replicaof('NO', 'ONE'),
      /replica/,
    );
    await boss.config('SET', 'replica-serve-stale-data', 'yes');
  });

  test('too few replicas follow it', async () => {
    await refusedWhile(
      () => boss.config('SET', 'min-replicas-to-write', '1'),
      () => boss.config('SET', 'min-replicas-to-write', '0'),
      /too few of its replicas/,
    );
  });

  test('it could not write its snapshot', async () => {
    await refusedWhile(
      async () => {
        await boss.config('SET', 'save', '3600 1000');
        await boss.config('SET', 'rdb-key-save-delay', '10000000');
        await boss.bgsave();
        const [, pid] = /^process_id:(\d+)/m.exec(await boss.info('server')) ?? [];
        const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
        const rows = stdout.split('\n').map((line) => line.trim().split(/\s+/));
        const children = rows.flatMap(([child, parent]) => (parent === pid ? [Number(child)] : []));
        expect(children).not.toEqual([]);
        for (const child of children) process.kill(child, 'SIGKILL');
        while (!(await boss.info('persistence')).includes('rdb_last_bgsave_status:err'))
          await new Promise((resolve) => setTimeout(resolve, 20));
      },
      async () => {
        await boss.config('SET', 'rdb-key-save-delay', '0');
        await boss.config('SET', 'save', '');
      },
      /cannot write to its disk/,
    );
  });

  test('a script keeps it busy', async () => {
    await boss.config('SET', 'busy-reply-threshold', '50');
    const other = await admin(server.url);
    let looping: Promise<unknown> | undefined;
    await refusedWhile(
      async () => {
        looping = other.eval('while true do end', 0).catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, 300));
      },
      async () => {
        await boss.script('KILL');
        await looping;
      },
      /busy with a script/,
    );
    await boss.config('SET', 'busy-reply-threshold', '5000');
  });

  test('a newer program wrote the namespace', async () => {
    const namespace = newNamespace();
    const storage = await openStore({ url: server.url, namespace });
    expect(await create(storage, 'before')).toBe('ok');
    await boss.set(`ambit:{${namespace}}:schema`, '2');
    const error = await refusal(create(storage, 'refused'));
    expect(error.message).toContain('newer Ambit');
    expect(error).toMatchObject({ outcome: 'none', retryAfterMs: 'never' });
    await refusal(valuesOf(storage, []));
  });

  test('its user lost a right', async () => {
    await boss.acl('SETUSER', 'worker', 'on', '>secret', '~ambit:*', '+@all');
    const url = `redis://worker:secret@127.0.0.1:${server.port}`;
    const storage = await openStore({ url });
    await boss.acl('SETUSER', 'worker', '-evalsha');
    const error = await refusal(create(storage, 'refused'));
    expect(error.message).toContain('docs/redis.md');
    expect(error.message).not.toContain('worker');
    expect(error.outcome).toBe('none');
    await boss.acl('SETUSER', 'worker', '+evalsha');
    expect(await create(storage, 'after')).toBe('ok');
    // Its password was changed: connections that were made stay, so it must be ended.
    await boss.acl('SETUSER', 'worker', 'resetpass', '>changed');
    await boss.client('KILL', 'USER', 'worker');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect((await refusal(create(storage, 'refused'))).message).toContain('password is wrong');
    await boss.acl('DELUSER', 'worker');
  });

  test('it is silent: given up within the bound, and it may have been written', async () => {
    const silent = await ownServer();
    const storage = await openStore({ url: silent.url });
    expect(await create(storage, 'before')).toBe('ok');
    silent.pause();
    const error = await refusal(create(storage, 'perhaps'));
    expect(error.outcome).toBe('unknown');
    silent.resume();
    expect(await eventually(() => create(storage, 'after'))).toBe('ok');
  });
});

test('the user that docs/redis.md tells to make may do all that is needed, and no more', async () => {
  const rules = documentedRights();
  await boss.call('ACL', 'SETUSER', 'ambit-app', ...rules);
  const [url, namespace] = [`redis://ambit-app:secret@127.0.0.1:${server.port}/0`, newNamespace()];
  const storage = await openStore({ url, namespace });
  expect(storage.capabilities.durability).toEqual({ level: 'power' });
  expect((await storage.describe?.())?.warnings).toEqual([]);
  const clock = fakeClock();
  const cases = storageContract(() => {
    const inNamespace = newNamespace();
    return { clock, open: () => redisStorage({ url, namespace: inNamespace, clock }) };
  });
  for (const { name, run } of cases)
    await run().catch((error: unknown) => expect.fail(`${name}: ${String(error)}`));
  const client = await admin(url);
  await expect(client.get('mine')).rejects.toThrow('NOPERM');
  await expect(client.keys('*')).rejects.toThrow('NOPERM');
  await boss.acl('DELUSER', 'ambit-app');
});

describe('a user who lacks a right is refused at opening, with the rule that gives it', () => {
  const openingAs = async (...rules: readonly string[]): Promise<Error> => {
    await boss.call('ACL', 'SETUSER', 'lacking', 'reset', ...rules);
    const error = await openingError({ url: `redis://lacking:secret@127.0.0.1:${server.port}/0` });
    await boss.acl('DELUSER', 'lacking');
    expect(error).toMatchObject({ code: 'STORAGE_UNAVAILABLE', outcome: 'none' });
    expect(error.message).toMatch(/^redis: 127\.0\.0\.1:\d+: [^\n]*$/);
    expect(error.message).not.toContain('lacking');
    return error;
  };

  test('of a command', async () => {
    const needed = documentedRights().filter((right) => /^\+(?!config|select|cluster)/.test(right));
    expect(needed.length).toBeGreaterThan(20);
    for (const right of needed) {
      const { message } = await openingAs(...documentedRights().filter((other) => other !== right));
      expect(message).toContain(`this user may not run ${right.slice(1).toUpperCase()}; `);
      expect(message).toContain(`ACL SETUSER NAME ${right} `);
    }
  });

  test('to choose a database', async () => {
    await boss.call('ACL', 'SETUSER', 'lacking', 'reset', ...documentedRights(), '-select');
    const error = await openingError({ url: `redis://lacking:secret@127.0.0.1:${server.port}/1` });
    await boss.acl('DELUSER', 'lacking');
    expect(error.message).toContain('may not run SELECT; allow it with ACL SETUSER NAME +select ');
  });

  test('of several commands', async () => {
    const rules = documentedRights().filter((right) => right !== '+zadd' && right !== '+hscan');
    const { message } = await openingAs(...rules);
    expect(message).toContain('may not run HSCAN, ZADD; allow it with ACL SETUSER NAME +hscan +zadd ');
  });

  test.each(['~others:*', '%R~ambit:*'])('of the keys, with %s', async (pattern) => {
    const rules = documentedRights().map((right) => (right === '~ambit:*' ? pattern : right));
    const { message } = await openingAs(...rules);
    expect(message).toContain('the keys of Ambit; allow it with ACL SETUSER NAME ~ambit:* ');
  });

  test('and the commands that are looked at are those of the scripts', () => {
    const used = Object.values(scripts).flatMap(({ text }) =>
      [...text.matchAll(/(?:call\(|each\()'([A-Z]+)'/g)].map(([, command]) => `+${command?.toLowerCase()}`),
    );
    expect(used.length).toBeGreaterThan(50);
    const allowed = documentedRights();
    for (const right of new Set(used)) expect(allowed).toContain(right);
  });
});

describe('what an administrator may do beside it', () => {
  test('SCRIPT FLUSH is not noticed', async () => {
    const storage = await openStore({ url: server.url });
    for (let round = 0; round < 5; round++) {
      await boss.script('FLUSH');
      const answers = await Promise.all([
        create(storage, `a${round}`),
        create(storage, `b${round}`),
        valuesOf(storage, ['none']),
        storage.locked([key('c')], (records) => [
          { writes: [put(key('c'), records[0]?.version ?? null, 'again')] },
        ]),
      ]);
      expect(answers.slice(0, 3)).toEqual(['ok', 'ok', [undefined]]);
      expect(answers[3]).toMatchObject({ outcomes: [{ status: 'ok' }] });
    }
  });

  test('FLUSHALL takes all sessions, and grants nothing', async () => {
    const own = await ownServer();
    const ambit = await openAmbit({ storage: `${own.url}?namespace=flushed`, sweepEveryMs: false });
    onTestFinished(() => ambit.close());
    const terms = { agentId: 'agent', declaredIntent: 'x', authorizedTools: ['read_file'] };
    const created = await ambit.tasks.create(terms);
    if (!created.ok) throw new Error(created.refusal.message);
    const { sessionId } = created.session;
    expect(await ambit.tasks.use(sessionId, 'read_file')).toMatchObject({ ok: true });
    await (await admin(own.url)).flushall();
    expect(await ambit.tasks.use(sessionId, 'read_file')).toMatchObject({
      ok: false,
      refusal: { code: 'SESSION_NOT_FOUND' },
    });
    // The namespace is there again with the next session.
    const next = await ambit.tasks.create(terms);
    if (!next.ok) throw new Error(next.refusal.message);
    expect(await ambit.tasks.use(next.session.sessionId, 'read_file')).toMatchObject({ ok: true });
  });

  test('a key that Redis itself would expire is left to Ambit: no record carries a TTL', async () => {
    const namespace = newNamespace();
    const storage = await openStore({ url: server.url, namespace });
    await storage.commit([{ writes: [put(key('old'), null, 'old', 1)] }]);
    const keys = await boss.keys(`ambit:{${namespace}}:*`);
    expect(keys.length).toBeGreaterThan(2);
    for (const one of keys) expect(await boss.pttl(one)).toBe(-1);
    // Long past its expiry, and there: what is deleted is decided by `sweep`.
    expect(await valuesOf(storage, ['old'])).toEqual(['old']);
  });
});
