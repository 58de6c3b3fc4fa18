import { afterEach, describe, expect, test } from 'vitest';
import { backends } from '../storage/backends.js';
import { copyStore } from 'ambit';
import {
  encodeKey,
  type Key,
  type Storage,
  StorageUnavailableError,
  type StoredRecord,
  Value,
  type Write,
} from 'ambit/storage';
import { isLongForm, report } from '../proof/figures.js';
import { fakeClock, type TestStore } from 'ambit/testing';
import { memoryStorage } from 'ambit/memory';

const count = isLongForm ? 100_000 : 700;
const remove: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of remove.splice(0)) await one();
});

type BackendOf = (typeof backends)[number];

async function storeOf(backend: BackendOf): Promise<{ store: TestStore; storage: Storage }> {
  const store = await backend.createStore();
  const storage = await store.open();
  remove.push(async () => {
    await storage.close();
    await store.remove?.();
  });
  return { store, storage };
}

/** Records of many kinds: keys and values of any characters, long ones, with an expiry and without. */
function recordOf(index: number, nowMs: number): StoredRecord {
  const key = encodeKey([
    'n',
    index % 7 === 0 ? `漢 ${String.fromCodePoint(0x1f469 + (index % 50))} ${index}` : index,
  ]);
  const text = index % 97 === 0 ? 'x'.repeat(20_000) : `value ${index} \n\u0000 é`;
  const value = Value.of({ index, text, list: [], big: 2 ** 53 - 1 });
  const version = `source.${index}`;
  return index % 3 === 0
    ? { key, version, value }
    : { key, version, value, expiresAtMs: nowMs + 3_600_000 + index };
}

async function fill(storage: Storage, upTo = count): Promise<void> {
  const { nowMs } = await storage.read([]);
  for (let from = 0; from < upTo; from += 200) {
    const writes = Array.from({ length: Math.min(200, upTo - from) }, (_, index): Write => ({
      kind: 'put',
      expected: null,
      ...recordOf(from + index, nowMs),
    }));
    const { outcomes } = await storage.commit(writes.length > 0 ? [{ writes }] : []);
    expect(outcomes.every(({ status }) => status === 'ok')).toBe(true);
  }
}

async function allOf(storage: Storage): Promise<unknown[]> {
  const all: unknown[] = [];
  let start = '' as Key;
  for (;;) {
    const { records } = await storage.range({ start, end: '%' as Key, limit: 1_000 });
    for (const { key, version, value, expiresAtMs } of records)
      all.push([key, version, value.text, expiresAtMs]);
    const last = records.at(-1);
    if (last === undefined) return all;
    start = `${last.key} ` as Key;
  }
}

/** A store that stops answering after so many commits. */
function stoppingAfter(storage: Storage, commits: number): Storage {
  let left = commits;
  return {
    ...storage,
    capabilities: storage.capabilities,
    commit(transactions) {
      if (left-- <= 0) throw new Error('stopped');
      return storage.commit(transactions);
    },
  };
}

const pairs = backends.flatMap((from) =>
  backends.map((to) => ({ from, to, name: `${from.name} to ${to.name}` })),
);

describe('every pair of backends', () => {
  test.each(pairs)(
    '$name: equal, and stopped in the middle it goes on',
    { timeout: 600_000 },
    async ({ from, to }) => {
      const source = await storeOf(from);
      const target = await storeOf(to);
      await fill(source.storage);
      const wanted = await allOf(source.storage);
      const stopped = stoppingAfter(target.storage, isLongForm ? 100 : 2);
      await expect(copyStore({ from: source.storage, to: stopped })).rejects.toThrow('stopped');
      const partly = (await allOf(target.storage)).length - 1;
      expect(partly).toBeGreaterThan(0);
      expect(partly).toBeLessThan(count);
      const steps = new Set<string>();
      const done = await copyStore({
        from: source.storage,
        to: target.storage,
        onProgress: ({ step, done: records, total }) => {
          steps.add(step);
          expect(records).toBeLessThanOrEqual(total ?? records);
        },
      });
      expect(done).toEqual({ records: count, copied: count - partly, mended: 0, resumed: true });
      expect([...steps]).toEqual(['counting', 'copying', 'verifying']);
      expect(await allOf(target.storage)).toEqual(wanted);
      await expect(copyStore({ from: source.storage, to: target.storage })).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringContaining('empty'),
      });
      report(`copy, ${from.name} to ${to.name}`, { records: count, differences: 0 });
    },
  );
});

const [memory] = backends;

async function two(): Promise<[Storage, Storage]> {
  if (!memory) return expect.fail('there is no backend');
  return [(await storeOf(memory)).storage, (await storeOf(memory)).storage];
}

describe('a copy', () => {
  test('leaves behind what is deleted or expired', async () => {
    const [from, to] = await two();
    await fill(from, 20);
    const { nowMs } = await from.read([]);
    const put = (name: string, more: object): Write => ({
      kind: 'put',
      key: encodeKey([name]),
      expected: null,
      version: name,
      value: Value.of(1),
      ...more,
    });
    await from.commit([
      { writes: [put('expired', { expiresAtMs: nowMs }), put('deleted', { value: Value.of(null) })] },
    ]);
    // A mark of a deleted record lies where a record is to go.
    const { key } = recordOf(5, nowMs);
    await to.commit([
      { writes: [{ kind: 'put', key, expected: null, version: 'mark', value: Value.of(null) }] },
    ]);
    expect(await copyStore({ from, to })).toMatchObject({ records: 20, copied: 20, resumed: false });
    expect(await allOf(to)).toHaveLength(20);
  });

  test('is of an empty store, too', async () => {
    const [from, to] = await two();
    expect(await copyStore({ from, to })).toEqual({ records: 0, copied: 0, mended: 0, resumed: false });
  });

  test('refuses a target that is in use, and the unfinished copy of another store', async () => {
    const [from, to] = await two();
    await fill(from);
    await fill(to, 1);
    await expect(copyStore({ from, to })).rejects.toThrow(/the target holds records of its own/);
    await expect(copyStore({ from, to: from })).rejects.toThrow(/the source is the target/);
    const [, fresh] = await two();
    await expect(copyStore({ from, to: stoppingAfter(fresh, 1) })).rejects.toThrow('stopped');
    const sqlite = backends.find(({ name }) => name !== 'memory') ?? expect.fail('there is one backend');
    const other = await storeOf(sqlite);
    await expect(copyStore({ from: other.storage, to: fresh })).rejects.toThrow(
      /unfinished copy of a store \(memory\)/,
    );
  });

  test('notices somebody else who writes to the target, and copies again what changed in the source', async () => {
    const [from, to] = await two();
    await fill(from, 300);
    const { nowMs } = await from.read([]);
    const last = recordOf(299, nowMs);
    let wrote = false;
    const disturbed: Storage = {
      ...to,
      capabilities: to.capabilities,
      async commit(transactions) {
        if (!wrote) {
          wrote = true;
          await to.commit([{ writes: [{ kind: 'put', expected: null, ...last, version: 'somebody' }] }]);
        }
        return to.commit(transactions);
      },
    };
    await expect(copyStore({ from, to: disturbed })).rejects.toThrow(/somebody else writes to the target/);

    const [, calm] = await two();
    let changed = false;
    const first = recordOf(1, nowMs);
    const onProgress = async ({ step }: { step: string }): Promise<void> => {
      if (step !== 'copying' || changed) return;
      changed = true;
      await from.commit([
        {
          writes: [
            { kind: 'put', ...first, expected: first.version, version: 'changed' },
            { kind: 'delete', key: recordOf(2, nowMs).key, expected: 'source.2' },
          ],
        },
      ]);
    };
    const done = await copyStore({ from, to: calm, onProgress: (progress) => void onProgress(progress) });
    expect(done).toMatchObject({ records: 299, mended: 2 });
    expect(await allOf(calm)).toEqual(await allOf(from));
  });

  test('whose answers are lost is sent again, and writes nothing twice', async () => {
    const [from, to] = await two();
    await fill(from, 300);
    let commits = 0;
    const losing: Storage = {
      ...to,
      capabilities: to.capabilities,
      commit(transactions) {
        const answer = to.commit(transactions);
        if (commits++ % 2 === 0) throw new StorageUnavailableError('lost', { outcome: 'unknown' });
        return answer;
      },
    };
    expect(await copyStore({ from, to: losing })).toMatchObject({ records: 300, copied: 300, mended: 0 });
    expect(await allOf(to)).toEqual(await allOf(from));
  });
});

test('leaves turns to others, also where both stores answer at once', async () => {
  const [from, to] = [memoryStorage(), memoryStorage()];
  await fill(from, 20_000);
  const turns: string[] = [];
  let step = '';
  const timer = setInterval(() => turns.push(step), 0);
  await copyStore({ from, to, onProgress: (progress) => (step = progress.step) });
  clearInterval(timer);
  expect([...new Set(turns)]).toEqual(expect.arrayContaining(['copying', 'verifying']));
});

describe('a copy that goes on much later', () => {
  test('renews what had expired in the target, and leaves what expired in both', async () => {
    const clock = fakeClock();
    const [from, to] = [memoryStorage({ clock }), memoryStorage({ clock })];
    const at = (index: number, version: string, expected: string | null, forMs: number): Write => ({
      kind: 'put',
      key: encodeKey(['n', index]),
      expected,
      version,
      value: Value.of('x'.repeat(20_000)),
      expiresAtMs: clock() + forMs,
    });
    const writes = Array.from({ length: 100 }, (_, index) => at(index, `old.${index}`, null, 60_000));
    await from.commit([{ writes }]);
    await expect(copyStore({ from, to: stoppingAfter(to, 2) })).rejects.toThrow('stopped');
    clock.advance(50_000);
    await from.commit([{ writes: [at(0, 'new.0', 'old.0', 60_000), at(1, 'new.1', 'old.1', 60_000)] }]);
    clock.advance(20_000);
    expect(await copyStore({ from, to })).toMatchObject({ records: 2, copied: 0, mended: 2, resumed: true });
    const versions = (await allOf(to)).map((record) => (record as [Key, string])[1]);
    expect(versions.filter((version) => version.startsWith('new'))).toEqual(['new.0', 'new.1']);
  });

  test('mends every kind of difference', async () => {
    const [from, to] = [memoryStorage(), memoryStorage()];
    await fill(from);
    await expect(copyStore({ from, to: stoppingAfter(to, 3) })).rejects.toThrow('stopped');
    const { records } = await from.range({ start: '' as Key, end: '%' as Key, limit: 1_000 });
    for (const [index, { key, version }] of records.entries()) {
      const put = { kind: 'put', value: Value.of('changed'), version: `changed.${index}` } as const;
      if (index % 3 === 0) await from.commit([{ writes: [{ kind: 'delete', key, expected: version }] }]);
      if (index % 3 === 1) await from.commit([{ writes: [{ ...put, key, expected: version }] }]);
      const fresh = encodeKey(['m', index]);
      if (index % 3 === 2) await from.commit([{ writes: [{ ...put, key: fresh, expected: null }] }]);
    }
    const done = await copyStore({ from, to });
    expect(done.mended).toBeGreaterThan(200);
    expect(await allOf(to)).toEqual(await allOf(from));
  });
});

describe.each(backends)('what is not given back as it was written is noticed: $name', (backend) => {
  test.each(['value', 'expiry'])('%s', async (what) => {
    const from = (await storeOf(backend)).storage;
    const to = (await storeOf(backend)).storage;
    await fill(from, 300);
    const { nowMs } = await from.read([]);
    const { key } = recordOf(200, nowMs);
    const forgetful: Storage = {
      ...to,
      capabilities: to.capabilities,
      commit: (transactions) =>
        to.commit(
          transactions.map((transaction) => ({
            ...transaction,
            writes: transaction.writes.map((write) => {
              if (write.key !== key || write.kind !== 'put') return write;
              if (what === 'value') return { ...write, value: Value.fromText(`${write.value.text} `) };
              return { ...write, expiresAtMs: (write.expiresAtMs ?? nowMs) + 7_200_000 };
            }),
          })),
        ),
    };
    await expect(copyStore({ from, to: forgetful })).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      message: expect.stringContaining('does not give back what was written'),
    });
  });
});
