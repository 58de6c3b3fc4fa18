import {
  admin,
  create,
  eventually,
  key,
  newNamespace,
  openStore,
  ownServer,
  put,
  valuesOf,
} from './redis-servers.js';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { readdirSync, readFileSync } from 'node:fs';
import { createEngine } from '../../src/engine/create-engine.js';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { redisStorage } from 'ambit/redis';
import { sharedServerUrl } from '../servers/shared-server.js';
import type { Storage } from 'ambit/storage';

let url: string;

beforeAll(async () => {
  url = await sharedServerUrl('redis');
});

interface World {
  readonly namespace: string;
  readonly storage: Storage;
  readonly boss: Redis;
  /** Locks a key as a process would that does not come back. */
  hold(name: string, forMs: number): Promise<void>;
}

async function openWorld(): Promise<World> {
  const namespace = newNamespace();
  const [storage, boss] = [await openStore({ url, namespace }), await admin(url)];
  return {
    namespace,
    storage,
    boss,
    async hold(name, forMs) {
      const [seconds, micros] = await boss.time();
      const untilMs = Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000) + forMs;
      await boss.hset(`ambit:{${namespace}}:locks`, key(name), `${String(untilMs).padStart(13, '0')} dead`);
    },
  };
}

/** Adds a word to what lies under a key, inside its lock. */
async function append(storage: Storage, name: string, word: string): Promise<'busy' | 'written'> {
  const answer = await storage.locked([key(name)], ([record]) => [
    {
      writes: [
        put(key(name), record?.version ?? null, `${record ? (record.value.json as string) : ''}${word}`),
      ],
    },
  ]);
  if (answer.busy) return 'busy';
  expect(answer.outcomes).toEqual([{ status: 'ok' }]);
  return 'written';
}

describe('a key that somebody has locked', () => {
  test('who died with it: whoever comes next waits until its time is over, and not longer', async () => {
    const { storage, hold } = await openWorld();
    await hold('a', 400);
    await hold('b', 400);
    const startMs = performance.now();
    // A commit is told neither that it lost nor that something is wrong: its versions hold.
    const [committed, locked] = await Promise.all([create(storage, 'a'), append(storage, 'b', 'x')]);
    expect([committed, locked]).toEqual(['ok', 'written']);
    expect(performance.now() - startMs).toBeGreaterThan(300);
  });

  test('and keeps it: a commit conflicts with it, what it decided otherwise stands', async () => {
    const { namespace, storage, boss, hold } = await openWorld();
    await hold('held', 60_000);
    const group = [
      { writes: [put(key('held'), null, 'held')] },
      { writes: [put(key('free'), null, 'free')] },
      { writes: [{ kind: 'check', key: key('held'), expected: null }] },
    ] as const;
    const { outcomes } = await storage.commit(group);
    expect(outcomes).toEqual([
      { status: 'conflict', current: [undefined] },
      { status: 'ok' },
      { status: 'ok' },
    ]);
    expect(await valuesOf(storage, ['held', 'free'])).toEqual([undefined, 'free']);
    expect(await append(storage, 'held', 'x')).toBe('busy');
    // Nobody waits in the queue any more: with the lock gone, all is as before.
    await boss.hdel(`ambit:{${namespace}}:locks`, key('held'));
    expect(await boss.exists(`ambit:{${namespace}}:queue`)).toBe(0);
    expect((await storage.commit(group.slice(0, 1))).outcomes).toEqual([{ status: 'ok' }]);
  });

  test('and keeps it: calls on 49 others that share a group with it are answered all the same', async () => {
    const { namespace, storage, boss, hold } = await openWorld();
    await hold('held', 60_000);
    const engine = createEngine(storage, { instanceId: 'beside' });
    onTestFinished(() => engine.close());
    const increment = (name: string) =>
      engine.transact([key(name)], (view) => {
        view.put(key(name), Number(view.get(key(name)) ?? 0) + 1);
        return { ok: true as const };
      });
    const startMs = performance.now();
    const held = increment('held');
    const others = Array.from({ length: 49 }, (_, index) => increment(`free${index}`));
    expect(await Promise.all(others)).toEqual(others.map(() => ({ ok: true })));
    expect(performance.now() - startMs).toBeLessThan(5_000);
    await boss.hdel(`ambit:{${namespace}}:locks`, key('held'));
    expect(await held).toEqual({ ok: true });
  });

  test('is not waited for by those that only look at it', async () => {
    const { storage, hold } = await openWorld();
    expect(await create(storage, 'a')).toBe('ok');
    await hold('a', 60_000);
    const [record] = (await storage.read([key('a')])).records;
    const check = { kind: 'check', key: key('a'), expected: record?.version ?? null } as const;
    expect((await storage.commit([{ writes: [check] }])).outcomes).toEqual([{ status: 'ok' }]);
    // Who expects another version is told at once.
    expect((await storage.commit([{ writes: [put(key('a'), 'other', 'x')] }])).outcomes[0]?.status).toBe(
      'conflict',
    );
    const { keys } = await storage.sweep(10);
    expect(keys).toEqual([]);
  });

  test('is handed on in the order in which they came', async () => {
    const { namespace, storage, boss, hold } = await openWorld();
    await hold('a', 1_500);
    const waiting: Promise<string>[] = [];
    for (const [index, word] of ['1', '2', '3', '4', '5'].entries()) {
      const one = index % 2 === 0 ? storage : await openStore({ url, namespace });
      waiting.push(append(one, 'a', word));
      await eventually(async () => expect(await boss.zcard(`ambit:{${namespace}}:queue`)).toBe(index + 1));
    }
    expect(await Promise.all(waiting)).toEqual(Array(5).fill('written'));
    expect(await valuesOf(storage, ['a'])).toEqual(['12345']);
    expect(await boss.exists(`ambit:{${namespace}}:queue`, `ambit:{${namespace}}:locks`)).toBe(0);
  });

  test('goes with a sweep when nobody has asked for it any more', async () => {
    const { namespace, storage, boss, hold } = await openWorld();
    await hold('a', -1);
    await boss.hset(`ambit:{${namespace}}:locks`, '\ngone', `${'1'.padStart(13, '0')}\n${key('a')}`);
    await boss.zadd(`ambit:{${namespace}}:queue`, 1, 'gone');
    await storage.sweep(1);
    expect(await boss.exists(`ambit:{${namespace}}:queue`, `ambit:{${namespace}}:locks`)).toBe(0);
  });

  test('is neither flushed nor replicated: no lock outlives its server', async () => {
    const own = await ownServer();
    const namespace = newNamespace();
    const [storage, boss] = [await openStore({ url: own.url, namespace }), await admin(own.url)];
    await Promise.all(Array.from({ length: 20 }, () => append(storage, 'a', 'x')));
    const [, directory = ''] = await boss.config('GET', 'dir');
    const log = join(directory, 'appendonlydir');
    const written = readdirSync(log).map((file) => readFileSync(join(log, file), 'latin1'));
    expect(written.join()).toContain(`ambit:{${namespace}}:records`);
    expect(written.join()).not.toContain(`ambit:{${namespace}}:locks`);
    expect(written.join()).not.toContain(`ambit:{${namespace}}:queue`);
  });
});

test('two handles create and replace the same two records in opposite order, ten thousand times: never half of it', async () => {
  const namespace = newNamespace();
  const handles = [await openStore({ url, namespace }), await openStore({ url, namespace })];
  const won = [0, 0];
  const rounds = 10_000;
  const window = 200;
  const lanes = 20;
  for (let first = 0; first < rounds; first += window) {
    const names = Array.from(
      { length: window },
      (_, index) => [`a${first + index}`, `b${first + index}`] as const,
    );
    const race = async (who: number, lane: number): Promise<void> => {
      // In opposite order, so that each is first at times.
      const mine = names.filter((_, index) => index % lanes === lane);
      for (const [left, right] of who === 0 ? mine : mine.toReversed()) {
        const writes = [left, right].map((name) => put(key(name), null, String(who)));
        const { outcomes } = await (handles[who] as Storage).commit([
          { writes: who === 0 ? writes : writes.toReversed() },
        ]);
        if (outcomes[0]?.status === 'ok') won[who] = (won[who] ?? 0) + 1;
      }
    };
    await Promise.all(
      Array.from({ length: 2 * lanes }, (_, index) => race(index % 2, Math.floor(index / 2))),
    );
    const [lefts, rights] = await Promise.all(
      [0, 1].map((side) =>
        valuesOf(
          handles[0] as Storage,
          names.map((pair) => pair[side] ?? ''),
        ),
      ),
    );
    expect(lefts).toEqual(rights);
    expect(lefts).not.toContain(undefined);
  }
  expect((won[0] ?? 0) + (won[1] ?? 0)).toBe(rounds);
  // They were at it together, or nothing was tested.
  expect(Math.min(...won)).toBeGreaterThan(rounds / 50);
});

test('fifty openings of a new namespace at once make it once', async () => {
  const namespace = newNamespace();
  const all = await Promise.all(Array.from({ length: 50 }, () => redisStorage({ url, namespace })));
  const outcomes = await Promise.all(all.map((storage) => create(storage, 'a')));
  expect(outcomes.filter((status) => status === 'ok')).toHaveLength(1);
  for (const storage of all) await storage.close();
  expect(await (await admin(url)).get(`ambit:{${namespace}}:schema`)).toBe('1');
});
