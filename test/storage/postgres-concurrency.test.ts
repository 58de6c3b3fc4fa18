import { asking } from '../servers/postgres-standby.js';
import { changed, openPostgres, ownDatabase, postgresChild } from './postgres-databases.js';
import {
  commitOk,
  key,
  keysOf,
  put,
  readOne,
  transaction,
} from '../../src/testing/contract/contract-words.js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createEngine } from '../../src/engine/create-engine.js';
import { encodeKey, type Key, type Storage, type StoredRecord } from 'ambit/storage';
import { startChild } from '../proof/proof-processes.js';
import { startCuttingProxy } from '../servers/cutting-proxy.js';

const rounds = 10_000;

/** How often PostgreSQL had to break a deadlock in this database. Its counts are told a moment later. */
async function deadlocksIn(url: string): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const [row] = await asking(url, (ask) =>
    ask('SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()'),
  );
  return Number(row?.['deadlocks']);
}

async function recordsUnder(storage: Storage, keys: readonly Key[]): Promise<(StoredRecord | undefined)[]> {
  const found: (StoredRecord | undefined)[] = [];
  for (let index = 0; index < keys.length; index += 1_000) {
    found.push(...(await storage.read(keys.slice(index, index + 1_000))).records);
  }
  return found;
}

const roundKeys = (name: string, count: number): Key[] =>
  Array.from({ length: count }, (_, round) => encodeKey(['race', name, round]));

test(
  `two processes create and replace the same two records in opposite order, ${rounds} times: never half of it, never a deadlock`,
  { timeout: 500_000 },
  async () => {
    const url = await ownDatabase();
    const storage = await openPostgres({ url });
    const shape = { url, rounds, window: 30, keys: 5, inFlight: 6 };
    const children = ['one', 'two'].map((who, index) =>
      startChild('race', { ...shape, who, backwards: index === 1 }, postgresChild),
    );
    for (let round = 0; round < rounds; round += shape.window) {
      for (const child of children) expect(await child.next()).toBe('ready');
      for (const child of children) child.go();
    }
    // Whoever is refused a lock, or told of a deadlock, ends with an error and says nothing.
    const said = (await Promise.all(children.map((child) => child.rest()))).flat() as Record<
      string,
      number
    >[];
    expect(said).toHaveLength(2);
    const sum = (name: string): number => said.reduce((total, one) => total + (one[name] ?? 0), 0);
    expect(sum('created')).toBe(rounds);
    expect(sum('created') + sum('replaced') + sum('lost')).toBe(4 * rounds);
    // They were at it together, or nothing was tested.
    for (const one of said) expect(one['created']).toBeGreaterThan(rounds / 50);
    expect(sum('lost') - rounds).toBeGreaterThan(rounds / 50);

    for (const [left, right] of [
      ['a', 'b'],
      ['c', 'd'],
    ] as const) {
      const count = left === 'a' ? rounds : shape.keys;
      const [lefts, rights] = [
        await recordsUnder(storage, roundKeys(left, count)),
        await recordsUnder(storage, roundKeys(right, count)),
      ];
      const whose = (record: StoredRecord | undefined): unknown => record?.value.json;
      expect(lefts.filter((record) => record === undefined)).toEqual([]);
      expect(lefts.map(whose)).toEqual(rights.map(whose));
    }
    expect(await deadlocksIn(url)).toBe(0);
  },
);

describe.each([
  ['as it comes', ''],
  [
    'where transactions are serializable unless said otherwise',
    '?options=-c%20default_transaction_isolation=serializable',
  ],
])('groups of several handles, %s', (_name, query) => {
  test(
    'in any order of keys, of puts alone and of all kinds, lose no update and never end in a deadlock',
    { timeout: 200_000 },
    async () => {
      const url = `${await ownDatabase()}${query}`;
      const handles = await Promise.all(Array.from({ length: 4 }, () => openPostgres({ url })));
      const keys = keysOf('k', 40);
      const [first] = handles as [Storage];
      await commitOk(first, ...keys.map((at) => put(at, null, 0)));
      let applied = 0;
      let seed = 1;
      const random = (below: number): number => {
        seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
        return Math.floor((seed / 2 ** 32) * below);
      };
      await Promise.all(
        handles.map(async (storage, handle) => {
          for (let turn = 0; turn < 60; turn++) {
            const { records } = await storage.read(keys);
            const shuffled = keys.map((at, index) => ({ at, record: records[index], rank: random(1_000) }));
            shuffled.sort((a, b) => a.rank - b.rank);
            const puts = shuffled.map(({ at, record }) =>
              put(at, record?.version ?? null, Number(record?.value.json ?? 0) + 1),
            );
            // Every other handle writes pairs, so that both statements meet.
            const size = handle % 2 === 0 ? 1 : 2;
            const group = Array.from({ length: puts.length / size }, (_, index) =>
              transaction(...puts.slice(index * size, (index + 1) * size)),
            );
            const { outcomes } = await storage.commit(group);
            applied += outcomes.filter(({ status }) => status === 'ok').length * size;
          }
        }),
      );
      const { records } = await first.read(keys);
      expect(records.reduce((total, record) => total + Number(record?.value.json), 0)).toBe(applied);
      expect(applied).toBeGreaterThan(keys.length * 60);
      expect(await deadlocksIn(url)).toBe(0);
    },
  );
});

describe('locks', () => {
  test(
    'whose transactions name keys beyond them, crosswise: one gives way and loses, and no error comes of it',
    { timeout: 120_000 },
    async () => {
      const url = await ownDatabase();
      const [one, two] = [await openPostgres({ url }), await openPostgres({ url })];
      const [a, b] = [put(key('a'), null, 1), put(key('b'), null, 1)];
      await commitOk(one, a, b);
      let arrived = 0;
      /** Locks `mine`, waits until the other has its lock too, and writes both. */
      const cross = async (storage: Storage, mine: Key): Promise<string | undefined> => {
        const answer = await storage.locked([mine], () => {
          arrived++;
          return [transaction(put(key('a'), a.version, 2), put(key('b'), b.version, 2))];
        });
        return answer.busy ? 'busy' : answer.outcomes[0]?.status;
      };
      // Not every attempt meets the other between its two round trips.
      const answers = await Promise.all([cross(one, key('a')), cross(two, key('b'))]);
      expect(arrived).toBe(2);
      expect(new Set(answers)).toEqual(new Set(['conflict', 'ok']));
    },
  );

  test.each(['SIGSTOP', 'SIGKILL'] as const)(
    'of a process that gets a %s are let go within the bound',
    { timeout: 120_000 },
    async (signal) => {
      const url = await ownDatabase();
      const storage = await openPostgres({ url });
      const child = startChild('hold', { url, who: 'holder' }, postgresChild);
      expect(await child.next()).toBe('ready');
      child.go();
      expect(await child.next()).toBe('holding');
      child.kill(signal);
      const held = encodeKey(['race', 'held', 0]);
      for (let turn = 0; ; turn++) {
        const answer = await storage.locked([held], ([record]) => [
          transaction(put(held, record?.version ?? null, 1)),
        ]);
        if (!answer.busy) {
          expect(answer.outcomes).toEqual([{ status: 'ok' }]);
          break;
        }
        expect(turn).toBeLessThan(5);
      }
      // The lock that was let go took nothing along.
      expect((await readOne(storage, held))?.value.json).toBe(1);
      child.kill('SIGKILL');
    },
  );
});

test('connections that break while nobody uses them are made anew: reads and locks go on', async () => {
  const url = await ownDatabase();
  const proxy = await startCuttingProxy(Number(new URL(url).port));
  onTestFinished(() => proxy.close());
  const storage = await openPostgres({ url: changed(url, { port: String(proxy.port) }) });
  for (let round = 0; round < 5; round++) {
    const answer = await storage.locked([key('a')], ([record]) => [
      transaction(put(key('a'), record?.version ?? null, round)),
    ]);
    expect(answer).toMatchObject({ outcomes: [{ status: 'ok' }] });
    proxy.cutAll();
    expect((await readOne(storage, key('a')))?.value.json).toBe(round);
    proxy.cutAll();
  }
});

test('a decision that waited for a row until it was too late is late', { timeout: 60_000 }, async () => {
  const url = await ownDatabase();
  // So that it waits for longer than the row is kept.
  const storage = await openPostgres({ url, answerMsMax: 60_000 });
  const first = put(key('a'), null, 1);
  await commitOk(storage, first);
  await asking(changed(url, {}), async (ask) => {
    await ask('BEGIN');
    await ask('SELECT 1 FROM ambit.record FOR UPDATE');
    const { nowMs } = await storage.read([]);
    for (const beside of [[], [put(key('b'), null, 1)]]) {
      const decided = storage.commit([
        { writes: [put(key('a'), first.version, 2), ...beside], notAfterMs: nowMs + 300 },
      ]);
      await new Promise((resolve) => setTimeout(resolve, 600));
      await ask('ROLLBACK');
      expect((await decided).outcomes).toEqual([{ status: 'late' }]);
      await ask('BEGIN');
      await ask('SELECT 1 FROM ambit.record FOR UPDATE');
    }
    await ask('ROLLBACK');
  });
  expect((await readOne(storage, key('a')))?.version).toBe(first.version);
});

describe('a row that somebody else keeps locked', () => {
  /** Runs `work` while a row is locked, or one to be inserted is. */
  async function holding(url: string, at: Key, work: (letGo: () => Promise<void>) => Promise<void>) {
    await asking(url, async (ask) => {
      await ask('BEGIN');
      await ask(
        `INSERT INTO ambit.record (key, version, value) VALUES ('${at}', '', '')
         ON CONFLICT (key) DO UPDATE SET value = ambit.record.value`,
      );
      await work(async () => {
        await ask('ROLLBACK');
      });
    });
  }

  test.each(['there', 'to be created'])(
    'one that is %s: calls on 49 others that share a group with it are answered all the same',
    { timeout: 60_000 },
    async (state) => {
      const url = await ownDatabase();
      const storage = await openPostgres({ url });
      const engine = createEngine(storage, { instanceId: 'beside' });
      onTestFinished(() => engine.close());
      const increment = (at: Key) =>
        engine.transact([at], (view) => {
          view.put(at, Number(view.get(at) ?? 0) + 1);
          return { ok: true as const };
        });
      const [held, ...free] = keysOf('k', 50) as [Key, ...Key[]];
      if (state === 'there') await Promise.all([held, ...free].map(increment));
      await holding(url, held, async (letGo) => {
        const startMs = performance.now();
        const locked = increment(held);
        const others = free.map(increment);
        expect(await Promise.all(others)).toEqual(others.map(() => ({ ok: true })));
        expect(performance.now() - startMs).toBeLessThan(5_000);
        await letGo();
        expect(await locked).toEqual({ ok: true });
      });
    },
  );

  test(
    'conflicts as it is; the others of its group are as they were asked to be',
    { timeout: 60_000 },
    async () => {
      const url = await ownDatabase();
      const storage = await openPostgres({ url });
      const [a, b, c, d] = keysOf('k', 4) as [Key, Key, Key, Key];
      const first = put(a, null, 1);
      await commitOk(storage, first);
      await holding(url, a, async () => {
        const { outcomes } = await storage.commit([
          transaction(put(b, null, 2)),
          transaction(put(a, first.version, 2), put(c, null, 2)),
          transaction(put(d, 'another', 2)),
          transaction({ kind: 'check', key: encodeKey(['nothing']), expected: null }),
        ]);
        expect(outcomes).toMatchObject([
          { status: 'ok' },
          { status: 'conflict', current: [{ version: first.version }, undefined] },
          { status: 'conflict', current: [undefined] },
          { status: 'ok' },
        ]);
      });
      const found = await recordsUnder(storage, [a, b, c, d]);
      expect(found.map((record) => record?.value.json)).toEqual([1, 2, undefined, undefined]);
    },
  );
});
