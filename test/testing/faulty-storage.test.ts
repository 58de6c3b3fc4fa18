import { memoryStorage } from 'ambit/memory';
import {
  encodeKey,
  type Key,
  type Storage,
  StorageUnavailableError,
  type Transaction,
  Value,
} from 'ambit/storage';
import { type Fault, faultyStorage, type StorageCall } from 'ambit/testing';
import { describe, expect, test, vi } from 'vitest';

const key: Key = encodeKey(['a']);
const putA: Transaction = {
  writes: [{ kind: 'put', key, expected: null, version: 'v1', value: Value.of(1) }],
};

/** Spoils the first call of one method. */
function spoiling(memory: Storage, method: StorageCall['method'], fault: Fault): Storage {
  return faultyStorage(memory, (call) => (call.method === method && call.index === 0 ? fault : undefined));
}

async function outcomeOf(call: () => unknown): Promise<string> {
  try {
    await call();
    return 'answered';
  } catch (error) {
    return error instanceof StorageUnavailableError ? error.outcome : `threw ${String(error)}`;
  }
}

async function versionOf(storage: Storage): Promise<string | undefined> {
  return (await storage.read([key])).records[0]?.version;
}

describe('a faulty storage', () => {
  test.each([
    ['refused', 'none', undefined],
    ['request-lost', 'unknown', undefined],
    ['reply-lost', 'unknown', 'v1'],
  ] as const)('%s: outcome %s, and %s is written', async (fate, outcome, version) => {
    for (const call of ['commit', 'locked'] as const) {
      const memory = memoryStorage();
      const storage = spoiling(memory, call, { fate });
      const run = vi.fn<() => Transaction[]>(() => [putA]);
      expect(
        await outcomeOf(() => (call === 'commit' ? storage.commit([putA]) : storage.locked([key], run))),
      ).toBe(outcome);
      expect(await versionOf(memory)).toBe(version);
      if (call === 'locked') expect(run).toHaveBeenCalledTimes(fate === 'refused' ? 0 : 1);
      // The next call is spared.
      expect(
        await outcomeOf(() => (call === 'commit' ? storage.commit([]) : storage.locked([], () => []))),
      ).toBe('answered');
    }
  });

  test.each(['read', 'range', 'sweep', 'close'] as const)('fails %s as well', async (method) => {
    const storage = spoiling(memoryStorage(), method, { fate: 'refused' });
    const calls = {
      read: () => storage.read([]),
      range: () => storage.range({ start: key, end: key, limit: 1 }),
      sweep: () => storage.sweep(1),
      close: () => storage.close(),
    };
    expect(await outcomeOf(calls[method])).toBe('none');
    expect(await outcomeOf(calls[method])).toBe('answered');
  });

  test.each(['commit', 'locked'] as const)(
    'delivers a %s late, after its caller was told that nobody knows',
    async (method) => {
      const memory = memoryStorage();
      let deliver: () => void = () => undefined;
      const before = () => new Promise<void>((resolve) => (deliver = resolve));
      const storage = spoiling(memory, method, { fate: 'delivered-late', before });
      const run = vi.fn<() => Transaction[]>(() => [putA]);
      expect(
        await outcomeOf(() => (method === 'commit' ? storage.commit([putA]) : storage.locked([key], run))),
      ).toBe('unknown');
      expect(await versionOf(memory)).toBeUndefined();
      // The same again overtakes it.
      const again = { writes: putA.writes.map((write) => ({ ...write, version: 'v2' })) };
      expect((await storage.commit([again])).outcomes).toEqual([{ status: 'ok' }]);
      deliver();
      await vi.waitFor(async () => expect(await versionOf(memory)).toBe('v2'));
      await storage.close();
    },
  );

  test('close waits for what is to be delivered late', async () => {
    const memory = memoryStorage();
    const commit = vi.spyOn(memory, 'commit');
    const storage = spoiling(memory, 'commit', {
      fate: 'delivered-late',
      before: () => new Promise((resolve) => void setImmediate(resolve)),
    });
    expect(await outcomeOf(() => storage.commit([putA]))).toBe('unknown');
    expect(commit).not.toHaveBeenCalled();
    await storage.close();
    expect(commit).toHaveReturnedWith(expect.objectContaining({ outcomes: [{ status: 'ok' }] }));
  });

  test('says busy without calling run', async () => {
    const storage = spoiling(memoryStorage(), 'locked', { fate: 'busy' });
    const run = vi.fn<() => Transaction[]>(() => []);
    expect(await storage.locked([key], run)).toMatchObject({ busy: true });
    expect(run).not.toHaveBeenCalled();
    expect(await storage.locked([key], run)).not.toHaveProperty('busy');
    expect(run).toHaveBeenCalledTimes(1);
  });

  test('lets somebody else write before and after', async () => {
    const memory = memoryStorage();
    const storage = spoiling(memory, 'commit', { before: () => void memory.commit([putA]) });
    expect((await storage.commit([putA])).outcomes[0]?.status).toBe('conflict');
    const other = memoryStorage();
    const seen: unknown[] = [];
    const after = async () => void seen.push(await versionOf(other));
    expect((await spoiling(other, 'commit', { after }).commit([putA])).outcomes[0]?.status).toBe('ok');
    expect(seen).toEqual(['v1']);
  });

  test('refuses a fate that a call cannot have', async () => {
    expect(await outcomeOf(() => spoiling(memoryStorage(), 'read', { fate: 'busy' }).read([]))).toContain(
      'TypeError',
    );
  });

  test('tells its plan what is asked', () => {
    const calls: StorageCall[] = [];
    const storage = faultyStorage(memoryStorage(), (call) => void calls.push(call));
    void storage.read([key]);
    void storage.commit([putA]);
    void storage.commit([]);
    void storage.locked([key], () => []);
    expect(calls).toEqual([
      { method: 'read', index: 0, keys: [key] },
      { method: 'commit', index: 0, transactions: [putA] },
      { method: 'commit', index: 1, transactions: [] },
      { method: 'locked', index: 0, keys: [key] },
    ]);
  });

  test('answers at once or by promise, as its capabilities say', () => {
    expect(faultyStorage(memoryStorage(), () => undefined).commit([putA])).not.toBeInstanceOf(Promise);
    const capabilities = { immediate: false, sharing: 'host' } as const;
    const storage = faultyStorage(memoryStorage(), () => undefined, { capabilities });
    expect(storage.capabilities).toMatchObject({ name: 'memory', ...capabilities });
    expect(storage.commit([putA])).toBeInstanceOf(Promise);
  });
});
