import { counter, countIn, engineOn, gate, increment, versionOf } from './engine-world.js';
import { describe, expect, it } from 'vitest';
import { encodeKey } from '../../src/core/keys.js';
import type { Engine } from '../../src/engine/engine.js';
import { isRefused } from '../../src/core/refusals.js';
import { memoryStorage } from '../../src/storage/memory/memory-storage.js';
import { networkStorage } from './network-storage.js';

describe('commits', () => {
  it('answers nothing before the commit has answered', async () => {
    const storage = networkStorage({});
    const engine = engineOn(storage);
    const applied = gate();
    const held = gate();
    storage.intercept.push(async (_sent, apply) => {
      const answer = apply();
      applied.open();
      await held.opened;
      return answer;
    });
    let answered = false;
    const call = increment(engine, counter('a')).then(() => (answered = true));
    await applied.opened;
    await new Promise((resolve) => setTimeout(resolve, 20));
    try {
      expect(answered).toBe(false);
    } finally {
      // Held, it would keep the engine from closing, and a test that is red from ending.
      held.open();
    }
    await call;
    expect(answered).toBe(true);
  });

  it('sends calls that share a record as one transaction, and others beside it', async () => {
    const storage = networkStorage({});
    const engine = engineOn(storage);
    const both = engine.transact([counter('b'), counter('c')], (view) => {
      view.get(counter('b'));
      view.put(counter('c'), { count: 1 });
      return { ok: true as const };
    });
    await Promise.all([
      increment(engine, counter('a')),
      increment(engine, counter('b')),
      increment(engine, counter('b')),
      both,
    ]);
    expect(storage.commits).toHaveLength(1);
    const shapes = storage.commits[0]?.map((transaction) =>
      transaction.writes.map((write) => write.key).sort(),
    );
    expect(shapes).toHaveLength(2);
    expect(shapes).toContainEqual([counter('a')]);
    expect(shapes).toContainEqual([counter('b'), counter('c')]);
  });

  it('mints a new version for every write and every run', async () => {
    const shared = memoryStorage();
    const storage = networkStorage({ shared });
    const engine = engineOn(storage);
    const other = engineOn(networkStorage({ shared }));
    for (let round = 0; round < 20; round++) {
      await Promise.all([
        increment(engine, counter('a')),
        increment(other, counter('a')),
        increment(engine, counter('b')),
      ]);
      await engine.transact([counter('b')], (view) => {
        view.delete(counter('b'));
        return { ok: true as const };
      });
    }
    const versions = storage.commits.flat().flatMap((transaction) => transaction.writes.flatMap(versionOf));
    expect(new Set(versions).size).toBe(versions.length);
    expect(await countIn(shared, counter('a'))).toBe(40);
  });

  it('loses no update to another writer', async () => {
    const shared = memoryStorage();
    const workers = Array.from({ length: 4 }, () => engineOn(networkStorage({ shared })));
    const calls = Array.from({ length: 400 }, (_, index) =>
      increment(workers[index % 4] as Engine, counter(`x${index % 3}`), 100),
    );
    const answers = await Promise.all(calls);
    expect(answers.filter((answer) => answer.ok)).toHaveLength(300);
    for (const name of ['x0', 'x1', 'x2']) expect(await countIn(shared, counter(name))).toBe(100);
  });

  it('re-runs a component whole and in order, and leaves other components alone', async () => {
    const shared = memoryStorage();
    const storage = networkStorage({ shared });
    const engine = engineOn(storage);
    const other = engineOn(networkStorage({ shared }));
    await increment(engine, counter('hot'));
    await increment(engine, counter('calm'));
    await increment(other, counter('hot'));
    const order: number[] = [];
    let calmRuns = 0;
    const hot = [1, 2, 3].map((number) =>
      engine.transact([counter('hot')], (view) => {
        const count = view.get(counter('hot'))?.count ?? 0;
        view.put(counter('hot'), { count: count + 1 });
        return { ok: true as const, number, count: count + 1 };
      }),
    );
    const calm = engine.transact([counter('calm')], (view) => {
      calmRuns++;
      view.put(counter('calm'), { count: 7 });
      return { ok: true as const };
    });
    const answers = await Promise.all(hot);
    await calm;
    for (const answer of answers) if (answer.ok) order.push(answer.count);
    expect(order).toEqual([3, 4, 5]);
    expect(calmRuns).toBe(1);
  });

  it('goes through the lock after a conflict, and so do later calls on that key', async () => {
    const shared = memoryStorage();
    const storage = networkStorage({ shared });
    const engine = engineOn(storage);
    const other = engineOn(networkStorage({ shared }));
    await increment(engine, counter('a'));
    await increment(other, counter('a'));
    expect(storage.locks).toEqual([]);
    await increment(engine, counter('a'));
    expect(storage.locks).toEqual([[counter('a')]]);
    await increment(engine, counter('a'));
    expect(storage.locks).toHaveLength(2);
    await increment(engine, counter('b'));
    expect(storage.locks).toHaveLength(2);
  });

  it('goes through the lock after a conflict over a key whose version is as expected: it could not be had in time', async () => {
    const storage = networkStorage({});
    const engine = engineOn(storage);
    await increment(engine, counter('a'));
    const { records } = await storage.read([counter('a')]);
    for (let turn = 0; turn < 200; turn++) {
      storage.intercept.push((sent) => ({
        nowMs: Date.now(),
        outcomes: sent.map(() => ({ status: 'conflict', current: records })),
      }));
    }
    expect(await increment(engine, counter('a'))).toEqual({ ok: true, count: 2 });
    expect(storage.locks).toEqual([[counter('a')]]);
    expect(storage.commits).toHaveLength(2);
  });

  it('never answers a refusal from a stale cache', async () => {
    const shared = memoryStorage();
    const engine = engineOn(networkStorage({ shared }));
    const other = engineOn(networkStorage({ shared }));
    await increment(engine, counter('a'), 1);
    expect(isRefused(await increment(engine, counter('a'), 1))).toBe(true);
    await other.transact([counter('a')], (view) => {
      view.put(counter('a'), { count: 0 });
      return { ok: true as const };
    });
    expect(await increment(engine, counter('a'), 1)).toEqual({ ok: true, count: 1 });
  });

  it('splits a group that is too large into several', async () => {
    const storage = networkStorage({ capabilities: { groupTransactionsMax: 8 } });
    const engine = engineOn(storage);
    await Promise.all(Array.from({ length: 50 }, (_, index) => increment(engine, counter(`n${index}`))));
    expect(Math.max(...storage.commits.map((transactions) => transactions.length))).toBeLessThanOrEqual(8);
    expect(storage.commits.flat()).toHaveLength(50);
  });

  it('fails one call whose value is too large, and no other', async () => {
    const engine = engineOn(networkStorage({}));
    const key = encodeKey<string>(['large']);
    const large = engine.transact([key], (view) => {
      view.put(key, 'x'.repeat(1_048_577));
      return { ok: true as const };
    });
    const small = increment(engine, counter('a'));
    await expect(large).rejects.toThrow(/1048579 bytes; at most 1048576/);
    expect(await small).toEqual({ ok: true, count: 1 });
  });

  it('does not compare constants, nor tie calls together by them', async () => {
    const storage = networkStorage({});
    const engine = engineOn(storage);
    const terms = counter('terms');
    await increment(engine, terms);
    const uses = ['a', 'b'].map((name) =>
      engine.transact(
        [counter(name)],
        (view) => {
          view.put(counter(name), { count: view.getConstant(terms)?.count ?? 0 });
          return { ok: true as const };
        },
        [terms],
      ),
    );
    await Promise.all(uses);
    expect(
      storage.commits.at(-1)?.map((transaction) => transaction.writes.map((write) => write.key)),
    ).toEqual([[counter('a')], [counter('b')]]);
  });
});

describe('groups', () => {
  it('of what fits: nothing runs over and over because of what waits behind it', async () => {
    const storage = networkStorage({ capabilities: { groupTransactionsMax: 16 } });
    const engine = engineOn(storage);
    const large = { count: 1, text: 'x'.repeat(65_000) };
    for (const value of [{ count: 1 }, large]) {
      let runs = 0;
      const calls = Array.from({ length: 1_000 }, (_, index) =>
        engine.transact([counter(`${index}`)], (view) => {
          runs++;
          view.get(counter(`${index}`));
          view.put(counter(`${index}`), value);
          return { ok: true as const };
        }),
      );
      expect(await Promise.all(calls)).toEqual(Array.from({ length: 1_000 }, () => ({ ok: true })));
      expect(runs).toBeLessThanOrEqual(1_100);
    }
    expect(Math.max(...storage.commits.map((group) => group.length))).toBe(16);
  });

  it('whose bytes do not fit are cut, and those after them begin with as many as fitted', async () => {
    const storage = networkStorage({});
    const engine = engineOn(storage);
    const large = { count: 1, text: 'x'.repeat(65_000) };
    let runs = 0;
    const calls = Array.from({ length: 1_000 }, (_, index) =>
      engine.transact([counter(`${index}`)], (view) => {
        runs++;
        view.put(counter(`${index}`), large);
        return { ok: true as const };
      }),
    );
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 1_000 }, () => ({ ok: true })));
    expect(storage.commits.length).toBeLessThanOrEqual(34);
    expect(runs).toBeLessThanOrEqual(5_000);
  });
});
