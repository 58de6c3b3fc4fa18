import { counter, countIn, engineOn, increment, refusal } from './engine-world.js';
import { describe, expect, it } from 'vitest';
import { encodeKey } from '../../src/core/keys.js';
import { fakeClock } from '../../src/testing/fake-clock.js';
import { isRefused } from '../../src/core/refusals.js';
import { networkStorage } from './network-storage.js';
import { StorageUnavailableError } from '../../src/storage/storage.js';

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

  it('that is on its way while a later copy is late is unknown: the clock may be set back before it arrives', async () => {
    const clock = fakeClock();
    const storage = networkStorage({ clock });
    const engine = engineOn(storage);
    await increment(engine, counter('a'));
    let arrive: (() => unknown) | undefined;
    let runs = 0;
    storage.intercept.push((_sent, apply) => {
      arrive = apply;
      clock.advance(5_000);
      return lose();
    });
    const answer = await engine.transact([counter('a')], (view, now) => {
      runs++;
      view.validUntil(now.latestMs + 1_000);
      view.put(counter('a'), { count: (view.get(counter('a'))?.count ?? 0) + 1 });
      return { ok: true as const };
    });
    expect(storage.commits.length).toBeGreaterThanOrEqual(3);
    expect(isRefused(answer) && answer.refusal).toMatchObject({ outcome: 'unknown' });
    expect(runs).toBe(1);
    clock.advance(-5_000);
    arrive?.();
    expect(await countIn(storage, counter('a'))).toBe(2);
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
