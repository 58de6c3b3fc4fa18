import { expect, onTestFinished, test } from 'vitest';
import type { Put, Storage, Transaction } from 'ambit/storage';
import { backends } from '../storage/backends.js';
import { exactnessCheck } from '../../src/doctor/examine-store.js';
import { keysBelow, Value } from 'ambit/storage';
import { memoryStorage } from 'ambit/memory';
import { sharedMemoryStore } from '../storage/shared-memory-store.js';
import { testExactness } from '../../src/doctor/exactness-test.js';

const everything = { start: keysBelow(['a']).start, end: keysBelow(['z']).end, limit: 1_000 };

test.each(backends.map((backend) => [backend.name, backend] as const))(
  '%s is found exact, and nothing of the test is left in it',
  async (_name, backend) => {
    const store = await backend.createStore();
    const opened = [await store.open()];
    onTestFinished(async () => {
      for (const storage of opened) await storage.close();
      await store.remove?.();
    });
    const { sharing } = opened[0]?.capabilities ?? expect.fail('no store');
    if (sharing !== 'exclusive') opened.push(await store.open(), await store.open());
    const found = await testExactness(opened, 300);
    expect(found).toMatchObject({
      openings: opened.length,
      failed: 0,
      cleanedUp: true,
      grantedOfBudget: 100,
      countedOfBudget: 100,
    });
    expect(exactnessCheck(found).status).toBe('ok');
    expect(found.granted).toBeGreaterThan(0);
    expect(found.counted).toBe(found.granted);
    const left = (await opened[0]?.range(everything))?.records ?? expect.fail('no store');
    // Of what is deleted on a network store a mark stays for a minute.
    expect(left.filter(({ value }) => value.text !== 'null')).toEqual([]);
  },
);

/** Commits whatever the versions say, as a store does that lets two writers overwrite each other. */
function careless(right: Storage): Storage {
  const commit = async (transactions: readonly Transaction[]) => {
    const { records } = await right.read(transactions.flatMap(({ writes }) => writes.map(({ key }) => key)));
    const versions = new Map(records.map((record) => [record?.key, record?.version ?? null]));
    const forced = transactions.map((transaction) => ({
      writes: transaction.writes.map(
        (write) => ({ ...write, expected: versions.get(write.key) ?? null }) as Put,
      ),
    }));
    return right.commit(forced);
  };
  return { ...right, commit, locked: async (_keys, run) => commit(run([], Date.now())) };
}

test('a store that loses updates is found out', async () => {
  const store = sharedMemoryStore({ sharing: 'network', immediate: false, locking: 'after-conflict' });
  const found = await testExactness([careless(await store.open()), careless(await store.open())], 200);
  expect(found.granted).toBeGreaterThan(found.counted);
  expect(exactnessCheck(found).status).toBe('failed');
});

test('a store that counts one call more of the small budget than it granted is found out', async () => {
  const store = sharedMemoryStore({ sharing: 'network', immediate: false, locking: 'after-conflict' });
  const right = await store.open();
  const doubling: Storage = {
    ...right,
    commit: (transactions) =>
      right.commit(
        transactions.map((transaction) => ({
          ...transaction,
          writes: transaction.writes.map((write) => {
            if (write.kind !== 'put' || !/"callBudget":100\b/.test(write.value.text)) return write;
            const text = write.value.text.replace(
              /("callsMade":)(\d+)/,
              (_, name, count) => `${name}${Number(count) + 1}`,
            );
            return { ...write, value: Value.fromText(text) };
          }),
        })),
      ),
  };
  const found = await testExactness([doubling], 100);
  expect(found.counted).toBe(found.granted);
  expect(found.countedOfBudget).not.toBe(found.grantedOfBudget);
  expect(exactnessCheck(found)).toMatchObject({
    status: 'failed',
    message: expect.stringMatching(/^NOT EXACT: /) as string,
  });
});

test('what cleaning up fails with does not hide what it follows', async () => {
  const store = sharedMemoryStore({ sharing: 'network', immediate: false, locking: 'after-conflict' });
  const right = await store.open();
  let broken = false;
  const failing: Storage = {
    ...right,
    async read(keys) {
      const { records, nowMs } = await right.read(keys);
      if (!broken) return { records, nowMs };
      return { records: keys.map((key) => ({ key, version: 'v', value: Value.fromText('{') })), nowMs };
    },
  };
  const clock = (): number => {
    broken = true;
    throw new Error('the first error');
  };
  await expect(testExactness([failing], 100, clock)).rejects.toThrow('the first error');
});

test('a store that does not answer is not called exact', async () => {
  const right = memoryStorage();
  let commits = 0;
  const failing: Storage = {
    ...right,
    commit(transactions) {
      if (++commits > 50) throw new Error('out of order');
      return right.commit(transactions);
    },
  };
  const found = await testExactness([failing], 200).catch((error: unknown) => String(error));
  expect(typeof found === 'string' ? found : found.failure).toContain('out of order');
});
