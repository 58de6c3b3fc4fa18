import { afterEach, describe, expect, it } from 'vitest';
import { type Storage, StorageUnavailableError, type Write } from '../../src/storage/storage.js';
import { createEngine, type EngineOptions } from '../../src/engine/create-engine.js';
import type { Engine, View } from '../../src/engine/engine.js';
import { encodeKey, type Key } from '../../src/core/keys.js';
import { isRefused, refuse } from '../../src/core/refusals.js';
import { fakeClock } from '../../src/testing/fake-clock.js';
import { memoryStorage } from '../../src/storage/memory/memory-storage.js';
import { networkStorage } from './network-storage.js';

interface Counter {
  readonly count: number;
}

const engines: Engine[] = [];
let instances = 0;

function engineOn(storage: Storage, options: Partial<EngineOptions> = {}): Engine {
  const engine = createEngine(storage, { instanceId: `engine${instances++}`, ...options });
  engines.push(engine);
  return engine;
}

afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

const counter = (name: string): Key<Counter> => encodeKey<Counter>(['counter', name]);
const refusal = refuse({ code: 'BUDGET_EXCEEDED', message: 'full', retryable: false });

function increment(engine: Engine, key: Key<Counter>, limit = Number.MAX_SAFE_INTEGER) {
  return engine.transact([key], (view) => {
    const count = view.get(key)?.count ?? 0;
    if (count >= limit) return refusal;
    view.put(key, { count: count + 1 });
    return { ok: true as const, count: count + 1 };
  });
}

async function countIn(storage: Storage, key: Key<Counter>): Promise<number | undefined> {
  const { records } = await storage.read([key]);
  return (records[0]?.value.json as Counter | undefined)?.count;
}

/** A promise and the way to settle it. */
function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

describe.each([
  { path: 'the immediate path', make: () => memoryStorage(), options: {} },
  { path: 'lanes over an exclusive store', make: () => memoryStorage(), options: { immediate: false } },
  { path: 'lanes over a shared store', make: () => networkStorage({}), options: {} },
  {
    path: 'always inside the lock',
    make: () => networkStorage({ capabilities: { locking: 'always' } }),
    options: {},
  },
  { path: 'a cache of nothing', make: () => networkStorage({}), options: { cacheBytesMax: 0 } },
])('on $path', ({ make, options }) => {
  it('grants exactly as many as the limit, however many ask at once', async () => {
    const storage = make();
    const engine = engineOn(storage, options);
    const answers = await Promise.all(Array.from({ length: 200 }, () => increment(engine, counter('a'), 50)));
    expect(answers.filter((answer) => answer.ok)).toHaveLength(50);
    expect(await countIn(storage, counter('a'))).toBe(50);
  });

  it('drops what a throwing call staged, and fails only that call', async () => {
    const storage = make();
    const engine = engineOn(storage, options);
    const throwing = engine.transact([counter('a'), counter('b')], (view) => {
      view.put(counter('a'), { count: 99 });
      view.delete(counter('b'));
      throw new Error('a bug of its face');
    });
    const others = Array.from({ length: 3 }, () => increment(engine, counter('a')));
    await expect(throwing).rejects.toThrow('a bug of its face');
    expect(await Promise.all(others)).toEqual([1, 2, 3].map((count) => ({ ok: true, count })));
    expect(await countIn(storage, counter('a'))).toBe(3);
  });

  it('asserts that a refusal writes nothing', async () => {
    const storage = make();
    const engine = engineOn(storage, options);
    const call = engine.transact([counter('a')], (view) => {
      view.put(counter('a'), { count: 99 });
      return refusal;
    });
    await expect(call).rejects.toThrow('refused and wrote');
    expect(await countIn(storage, counter('a'))).toBeUndefined();
  });

  it('loads undeclared keys and runs again, showing nothing of the first run', async () => {
    const engine = engineOn(make(), options);
    await increment(engine, counter('b'));
    const answer = await engine.transact([counter('a')], (view) => {
      const before = view.get(counter('a'))?.count ?? 0;
      view.put(counter('a'), { count: before + 1 });
      const other = view.get(counter('b'))?.count ?? 0;
      view.need([counter('c'), counter('d')]);
      return { ok: true as const, sum: before + 1 + other, seen: view.get(counter('a'))?.count };
    });
    expect(answer).toEqual({ ok: true, sum: 2, seen: 1 });
  });

  it('shows a call its own writes, the last one for each key', async () => {
    const storage = make();
    const engine = engineOn(storage, options);
    const seen = await engine.transact([counter('a'), counter('b')], (view) => {
      view.put(counter('a'), { count: 1 });
      view.put(counter('a'), { count: 2 });
      view.put(counter('b'), { count: 3 });
      view.delete(counter('b'));
      return { ok: true as const, a: view.get(counter('a')), b: view.get(counter('b')) };
    });
    expect(seen).toEqual({ ok: true, a: { count: 2 }, b: undefined });
    expect(await countIn(storage, counter('a'))).toBe(2);
    expect(await countIn(storage, counter('b'))).toBeUndefined();
  });

  it('moves between records without creating or losing anything', async () => {
    const engine = engineOn(make(), options);
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (const name of names) for (let unit = 0; unit < 10; unit++) await increment(engine, counter(name));
    const move = (view: View, from: Key<Counter>, to: Key<Counter>) => {
      const left = view.get(from)?.count ?? 0;
      if (left === 0 || from === to) return refusal;
      view.put(from, { count: left - 1 });
      view.put(to, { count: (view.get(to)?.count ?? 0) + 1 });
      return { ok: true as const };
    };
    const moves = Array.from({ length: 500 }, (_, index) => {
      const from = counter(names[index % 5] ?? 'a');
      const to = counter(names[(index * 7 + 3) % 5] ?? 'a');
      return engine.transact([from, to], (view) => move(view, from, to));
    });
    await Promise.all(moves);
    const answer = await engine.read(names.map(counter));
    expect(answer.ok && answer.values.reduce((sum, value) => sum + (value?.count ?? 0), 0)).toBe(50);
  });

  it('writes a thousand records in one transaction', async () => {
    const storage = make();
    const engine = engineOn(storage, options);
    const keys = Array.from({ length: 1_000 }, (_, index) => counter(`many ${index}`));
    await engine.transact(keys, (view) => {
      keys.forEach((key, index) => view.put(key, { count: index }));
      return { ok: true as const };
    });
    expect(await countIn(storage, counter('many 999'))).toBe(999);
  });

  it('inserts under a key that was deleted a moment ago, and not under one that is taken', async () => {
    const storage = make();
    const engine = engineOn(storage, options);
    const insert = (count: number) =>
      engine.transact([], (view) => {
        view.insert(counter('a'), { count });
        return { ok: true as const };
      });
    const remove = () =>
      engine.transact([counter('a')], (view) => {
        view.delete(counter('a'));
        return { ok: true as const };
      });
    for (let count = 1; count <= 3; count++) {
      expect(await insert(count)).toEqual({ ok: true });
      expect(await countIn(storage, counter('a'))).toBe(count);
      await remove();
    }
    await insert(4);
    expect((await insert(5)).ok).toBe(false);
    expect(await countIn(storage, counter('a'))).toBe(4);
  });

  it('refuses whatever comes after close', async () => {
    const engine = engineOn(make(), options);
    const accepted = increment(engine, counter('a'));
    const closed = engine.close();
    const late = await increment(engine, counter('a'));
    expect(isRefused(late) && late.refusal).toMatchObject({ code: 'STORAGE_UNAVAILABLE', outcome: 'none' });
    await closed;
    expect(await accepted).toEqual({ ok: true, count: 1 });
  });
});

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

describe('lost reply', () => {
  const lose = (): never => {
    throw new StorageUnavailableError('the connection was cut', { outcome: 'unknown' });
  };

  it('that had been applied is charged once and answered as applied', async () => {
    const storage = networkStorage({});
    const engine = engineOn(storage);
    storage.intercept.push((_sent, apply) => (apply(), lose()));
    expect(await increment(engine, counter('a'))).toEqual({ ok: true, count: 1 });
    expect(storage.commits[1]).toBe(storage.commits[0]);
    expect(await countIn(storage, counter('a'))).toBe(1);
    expect(await increment(engine, counter('a'))).toEqual({ ok: true, count: 2 });
  });

  it('that had not been applied is applied by the second sending', async () => {
    const storage = networkStorage({});
    const engine = engineOn(storage);
    storage.intercept.push(lose);
    expect(await increment(engine, counter('a'))).toEqual({ ok: true, count: 1 });
    expect(await countIn(storage, counter('a'))).toBe(1);
  });

  it('that was applied and then overwritten is unknown, and never runs again', async () => {
    const storage = networkStorage({});
    const engine = engineOn(storage);
    let runs = 0;
    storage.intercept.push(async (_sent, apply) => {
      apply();
      // Another process writes on top before the group is sent again.
      await increment(engineOn(networkStorage({ shared: storage.inner })), counter('a'));
      return lose();
    });
    const answer = await engine.transact([counter('a')], (view) => {
      runs++;
      view.put(counter('a'), { count: (view.get(counter('a'))?.count ?? 0) + 1 });
      return { ok: true as const };
    });
    expect(isRefused(answer) && answer.refusal).toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      outcome: 'unknown',
    });
    expect(runs).toBe(1);
    expect(await countIn(storage, counter('a'))).toBe(2);
  });

  it('of a deletion that had been applied is known by the mark it left', async () => {
    const storage = networkStorage({});
    const engine = engineOn(storage);
    await increment(engine, counter('a'));
    storage.intercept.push((_sent, apply) => (apply(), lose()));
    const answer = await engine.transact([counter('a')], (view) => {
      view.delete(counter('a'));
      return { ok: true as const };
    });
    expect(answer).toEqual({ ok: true });
    expect(await increment(engine, counter('a'))).toEqual({ ok: true, count: 1 });
  });

  it('a creation that arrives late does not bring back what was deleted', async () => {
    const clock = fakeClock();
    const storage = networkStorage({ clock });
    const engine = engineOn(storage);
    let arrive: (() => unknown) | undefined;
    storage.intercept.push((_sent, apply) => {
      arrive = apply;
      return lose();
    });
    expect(await increment(engine, counter('a'))).toEqual({ ok: true, count: 1 });
    const remove = await engine.transact([counter('a')], (view) => {
      view.delete(counter('a'));
      return { ok: true as const };
    });
    expect(remove).toEqual({ ok: true });
    arrive?.();
    // Nobody sees the mark, in no way of looking.
    const seen = await engine.transact([counter('a')], (view) => view.get(counter('a')) ?? 'absent');
    expect(seen).toBe('absent');
    expect(await engine.read([counter('a')])).toMatchObject({ ok: true, values: [undefined] });
    const walk = { start: encodeKey(['counter']), end: encodeKey(['d']), limit: 1 };
    expect(await engine.range(walk)).toMatchObject({ ok: true, entries: [] });
    // Nor does it when the mark has been swept: by then it is too late for that copy.
    clock.advance(61_000);
    await engine.sweep(10);
    arrive?.();
    expect(await storage.inner.read([counter('a')])).toMatchObject({ records: [undefined] });
  });

  it('marks of deleted records make no page of a walk short', async () => {
    const storage = networkStorage({});
    const engine = engineOn(storage);
    for (const name of ['a', 'b', 'c', 'd']) await increment(engine, counter(name));
    await engine.transact([counter('a'), counter('b')], (view) => {
      view.delete(counter('a'));
      view.delete(counter('b'));
      return { ok: true as const };
    });
    for (const reverse of [false, true]) {
      const walk = await engine.range({
        start: encodeKey(['counter']),
        end: encodeKey(['d']),
        limit: 2,
        reverse,
      });
      const names = reverse ? ['d', 'c'] : ['c', 'd'];
      expect(walk.ok && walk.entries.map(({ key }) => key)).toEqual(names.map(counter));
    }
  });

  it('of a refusal loses nothing: it runs again', async () => {
    const storage = networkStorage({});
    const engine = engineOn(storage);
    await increment(engine, counter('a'));
    storage.intercept.push(lose);
    expect(await increment(engine, counter('a'), 1)).toBe(refusal);
  });

  it('that never comes is unknown after a bounded number of sendings', { timeout: 20_000 }, async () => {
    const storage = networkStorage({});
    const engine = engineOn(storage);
    for (let sending = 0; sending < 20; sending++) storage.intercept.push(lose);
    const answer = await increment(engine, counter('a'));
    expect(isRefused(answer) && answer.refusal).toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      outcome: 'unknown',
    });
    expect(storage.commits.length).toBeLessThan(10);
  });

  it('is not waited for longer than its time, however slowly the store fails', async () => {
    let nowMs = 0;
    const storage = networkStorage({});
    const engine = engineOn(storage, { monotonicMs: () => nowMs });
    await increment(engine, counter('a'));
    const failSlowly = (): never => {
      nowMs += 6_000;
      return lose();
    };
    storage.intercept.push(failSlowly, failSlowly, failSlowly, failSlowly);
    const answer = await increment(engine, counter('a'));
    expect(isRefused(answer) && answer.refusal.outcome).toBe('unknown');
    // Once at first, and once more before ten seconds were over.
    expect(storage.commits).toHaveLength(3);
  });

  it('settles each transaction of its group by itself', async () => {
    const storage = networkStorage({});
    const engine = engineOn(storage);
    storage.intercept.push(async (_sent, apply) => {
      apply();
      await increment(engineOn(networkStorage({ shared: storage.inner })), counter('a'));
      return lose();
    });
    const [a, b] = await Promise.all([increment(engine, counter('a')), increment(engine, counter('b'))]);
    expect(isRefused(a) && a.refusal.outcome).toBe('unknown');
    expect(b).toEqual({ ok: true, count: 1 });
  });

  it('a store that says it wrote nothing is not asked again', async () => {
    const storage = networkStorage({});
    const engine = engineOn(storage);
    storage.intercept.push(() => {
      throw new StorageUnavailableError('away', { outcome: 'none', retryAfterMs: 250 });
    });
    const answer = await increment(engine, counter('a'));
    expect(isRefused(answer) && answer.refusal).toMatchObject({
      outcome: 'none',
      retryAfterMs: 250,
      retryable: true,
    });
    expect(storage.commits).toHaveLength(1);
    expect(await increment(engine, counter('a'))).toEqual({ ok: true, count: 1 });
  });
});

describe('time', () => {
  it('runs again when the store says late', async () => {
    let nowMs = 1_000_000;
    const storage = networkStorage({ clock: () => nowMs });
    const engine = engineOn(storage);
    // What only creates has a bound of the engine's own.
    await increment(engine, counter('a'));
    storage.intercept.push((_sent, apply) => {
      nowMs += 60_000;
      return apply();
    });
    const seen: number[] = [];
    const answer = await engine.transact([counter('a')], (view, now) => {
      seen.push(now.latestMs);
      if (now.latestMs >= 1_030_000) return refusal;
      view.validUntil(1_029_999);
      view.put(counter('a'), { count: 2 });
      return { ok: true as const };
    });
    expect(answer).toBe(refusal);
    expect(seen).toHaveLength(2);
    expect(await countIn(storage, counter('a'))).toBe(1);
  });

  it('takes the least bound of a component', async () => {
    const storage = networkStorage({});
    const engine = engineOn(storage);
    await increment(engine, counter('a'));
    const bounds = [9e15, 8e15, 8.5e15];
    await Promise.all(
      bounds.map((bound) =>
        engine.transact([counter('a')], (view) => {
          view.validUntil(bound);
          view.put(counter('a'), { count: bound });
          return { ok: true as const };
        }),
      ),
    );
    expect(storage.commits[1]?.[0]?.notAfterMs).toBe(8e15);
  });
});

describe('bounds', () => {
  it('gives up on a call that waited too long', async () => {
    let monotonic = 0;
    const storage = networkStorage({});
    const engine = engineOn(storage, { monotonicMs: () => monotonic });
    const held = gate();
    storage.intercept.push(async (_sent, apply) => {
      await held.opened;
      return apply();
    });
    const first = increment(engine, counter('a'));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const second = increment(engine, counter('a'));
    monotonic += 11_000;
    held.open();
    expect(await first).toEqual({ ok: true, count: 1 });
    const answer = await second;
    expect(isRefused(answer) && answer.refusal).toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      outcome: 'none',
    });
  });

  it('refuses what the queue cannot hold', async () => {
    const storage = networkStorage({});
    const engine = engineOn(storage);
    const answers = await Promise.all(Array.from({ length: 100_050 }, () => increment(engine, counter('a'))));
    const refused = answers.filter(isRefused);
    expect(refused).toHaveLength(50);
    expect(refused[0]?.refusal).toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      outcome: 'none',
      retryable: true,
    });
    expect(await countIn(storage, counter('a'))).toBe(100_000);
  });
});

function versionOf(write: Write): string[] {
  return write.kind === 'put' ? [write.version] : [];
}
