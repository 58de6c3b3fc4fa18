import { counter, type Counter, countIn, engineOn, gate, increment, refusal } from './engine-world.js';
import { describe, expect, it } from 'vitest';
import { isRefused } from '../../src/core/refusals.js';
import type { Key } from '../../src/core/keys.js';
import { memoryStorage } from '../../src/storage/memory/memory-storage.js';
import { networkStorage } from './network-storage.js';
import type { View } from '../../src/engine/engine.js';

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
