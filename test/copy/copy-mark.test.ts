import { afterEach, describe, expect, test } from 'vitest';
import { encodeKey, type Key, type Storage, Value, type Write } from 'ambit/storage';
import { copyStore, openAmbit } from 'ambit';
import fc from 'fast-check';
import { backends } from '../storage/backends.js';
import { memoryStorage } from 'ambit/memory';
import type { TestStore } from 'ambit/testing';

const remove: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of remove.splice(0).toReversed()) await one();
});

async function filled(records = 400): Promise<Storage> {
  const storage = memoryStorage();
  const writes = Array.from({ length: records }, (_, index) => put(keyOf(index), `source.${index}`));
  if (records > 0) await storage.commit([{ writes }]);
  return storage;
}

const keyOf = (index: number): Key => encodeKey(['n', index]);

function put(key: Key, version: string, expected: string | null = null): Write {
  return { kind: 'put', key, expected, version, value: Value.of({ version, text: 'x'.repeat(2_000) }) };
}

async function stoppedCopy(from: Storage, to: Storage): Promise<void> {
  let left = 2;
  const stopped: Storage = {
    ...to,
    capabilities: to.capabilities,
    commit(transactions) {
      if (left-- <= 0) throw new Error('stopped');
      return to.commit(transactions);
    },
  };
  await expect(copyStore({ from, to: stopped })).rejects.toThrow('stopped');
}

async function versionsOf(storage: Storage): Promise<Map<Key, string>> {
  const { records } = await storage.range({ start: '' as Key, end: '%' as Key, limit: 1_000 });
  return new Map(
    records.filter(({ value }) => value.text !== 'null').map(({ key, version }) => [key, version]),
  );
}

const opening = { durability: 'none', mirror: false, sweepEveryMs: false } as const;

describe.each(backends)('the target of a copy that is not finished: $name', (backend) => {
  async function target(): Promise<TestStore> {
    const store = await backend.createStore();
    remove.push(() => store.remove?.());
    return store;
  }

  test('is opened by nobody, and is a store like any other once it is finished', async () => {
    const store = await target();
    const from = await filled();
    const to = await store.open();
    remove.push(() => to.close());
    await stoppedCopy(from, to);
    const before = await versionsOf(to);
    // What openAmbit refuses it closes; this one stays open.
    const kept: Storage = { ...to, capabilities: to.capabilities, close: () => {} };
    const refused = {
      code: 'COPY_UNFINISHED',
      message: expect.stringMatching(
        /^this store is the target of .* that is not finished[^\n]*ambit copy FROM TO[^\n]*delete/,
      ),
    };
    await expect(openAmbit({ storage: kept, ...opening })).rejects.toMatchObject(refused);
    await expect(copyStore({ from: kept, to: memoryStorage() })).rejects.toMatchObject({
      code: 'COPY_UNFINISHED',
    });
    expect(await versionsOf(to)).toEqual(before);
    expect(await copyStore({ from, to })).toMatchObject({ records: 400, resumed: true, mended: 0 });
    const ambit = await openAmbit({ storage: { ...kept }, ...opening });
    expect(await ambit.tasks.create({ agentId: 'a', declaredIntent: 'x' })).toMatchObject({ ok: true });
    await ambit.close();
  });

  test('loses nothing of who had opened it before: the copy ends and says so', async () => {
    const store = await target();
    const to = await store.open();
    remove.push(() => to.close());
    const shared: Storage = { ...to, capabilities: to.capabilities, close: () => {} };
    const ambit = await openAmbit({ storage: shared, ...opening });
    remove.push(() => ambit.close());
    let sessionId = '';
    let commits = 0;
    const disturbed: Storage = {
      ...to,
      capabilities: to.capabilities,
      async commit(transactions) {
        const answer = await to.commit(transactions);
        if (commits++ !== 0) return answer;
        const created = await ambit.tasks.create({
          agentId: 'a',
          declaredIntent: 'x',
          authorizedTools: ['*'],
        });
        sessionId = created.ok ? created.session.sessionId : expect.fail('it was not created');
        expect(await ambit.tasks.use(sessionId, 'tool')).toMatchObject({ ok: true });
        return answer;
      },
    };
    const from = await filled();
    const somebody = {
      code: 'INVALID_INPUT',
      message: expect.stringContaining('somebody else writes to the target'),
    };
    await expect(copyStore({ from, to: disturbed })).rejects.toMatchObject(somebody);
    await expect(copyStore({ from, to })).rejects.toMatchObject(somebody);
    expect(await ambit.tasks.get(sessionId)).toMatchObject({ ok: true, session: { callsMade: 1 } });
  });
});

describe('who writes to the target meanwhile', () => {
  /** A store through which somebody does this after so many questions and commits. */
  function interrupted(
    storage: Storage,
    after: ReadonlySet<number>,
    act: (turn: number) => Promise<void>,
  ): Storage {
    let turns = 0;
    async function turn<T>(answer: T | Promise<T>): Promise<T> {
      const answered = await answer;
      if (after.has(turns)) await act(turns);
      turns++;
      return answered;
    }
    return {
      ...storage,
      capabilities: storage.capabilities,
      read: (keys) => turn(storage.read(keys)),
      range: (query) => turn(storage.range(query)),
      commit: (transactions) => turn(storage.commit(transactions)),
    };
  }

  test('loses nothing, whatever it is and whenever: the copy ends, or it was done in the finished store', async () => {
    let [ended, finished] = [0, 0];
    const act = fc.record({
      turn: fc.integer({ min: 1, max: 30 }),
      kind: fc.constantFrom('put', 'delete' as const),
      // Some of the source's, some of their own.
      index: fc.integer({ min: 0, max: 450 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 4 }), fc.boolean(), async (acts, resumed) => {
        const [from, to] = [await filled(), memoryStorage()];
        if (resumed) await stoppedCopy(from, to);
        const wrote = new Map<Key, string | undefined>();
        const disturbed = interrupted(to, new Set(acts.map(({ turn }) => turn)), async (now) => {
          for (const { turn, kind, index } of acts) {
            if (turn !== now) continue;
            const key = keyOf(index);
            const [lies] = (await to.read([key])).records;
            if (kind === 'delete' && lies === undefined) continue;
            const write: Write =
              kind === 'delete'
                ? { kind, key, expected: lies?.version ?? null }
                : put(key, `somebody.${now}.${index}`, lies?.version ?? null);
            expect((await to.commit([{ writes: [write] }])).outcomes[0]?.status).toBe('ok');
            wrote.set(key, kind === 'put' ? `somebody.${now}.${index}` : undefined);
          }
        });
        const wanted = await versionsOf(from);
        try {
          await copyStore({ from, to: disturbed });
          finished++;
          for (const [key, version] of wrote) {
            if (version === undefined) wanted.delete(key);
            else wanted.set(key, version);
          }
          expect(await versionsOf(to)).toEqual(wanted);
        } catch (error) {
          if ((error as { code?: string }).code !== 'INVALID_INPUT') throw error;
          ended++;
          const found = await versionsOf(to);
          for (const [key, version] of wrote) expect(found.get(key)).toBe(version);
        }
      }),
      { numRuns: 300 },
    );
    expect(ended).toBeGreaterThan(20);
    expect(finished).toBeGreaterThan(20);
  });

  test('another copy into the same store ends the one that was there before', async () => {
    const [from, to] = [await filled(), memoryStorage()];
    let second: Promise<unknown> = Promise.resolve();
    const first = interrupted(to, new Set([5]), async () => {
      second = copyStore({ from, to });
      await second;
    });
    await expect(copyStore({ from, to: first })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('another copy into the same target'),
    });
    expect(await second).toMatchObject({ records: 400 });
    expect(await versionsOf(to)).toEqual(await versionsOf(from));
  });

  test('is not suspected where a transaction of a run that was killed arrives late', async () => {
    const [from, to] = [await filled(), memoryStorage()];
    let held: (() => void) | undefined;
    let commits = 0;
    const dying: Storage = {
      ...to,
      capabilities: to.capabilities,
      commit(transactions) {
        if (commits++ === 2) {
          held = () => void to.commit(transactions);
          throw new Error('killed');
        }
        return to.commit(transactions);
      },
    };
    await expect(copyStore({ from, to: dying })).rejects.toThrow('killed');
    // Between the next run's look at the mark and its first transaction.
    const next = interrupted(to, new Set([0]), async () => held?.());
    expect(await copyStore({ from, to: next })).toMatchObject({ records: 400, resumed: true, mended: 0 });
    expect(await versionsOf(to)).toEqual(await versionsOf(from));
  });
});
