import { backends, sqliteFastBackend } from '../storage/backends.js';
import { good } from '../core/answers.js';
import { begun, openWebWorld } from './web-world.js';
import { expect, test } from 'vitest';
import { hourMs, minuteMs } from '../../src/core/time.js';
import { isLongForm, report, sized } from '../proof/figures.js';
import type { Storage } from '../../src/storage/storage.js';

/** 1,000,000 sessions of which 10,000 expire; fewer in the suite. */
const many = sized(20_000, 1_000_000);
const expiring = sized(3_000, 10_000);

const onDisk = isLongForm
  ? backends.filter(({ name }) => ['sqlite fast', 'postgres', 'redis'].includes(name))
  : [sqliteFastBackend];

test.each(onDisk)(
  'a sweep of $name touches what has expired, in bounded batches, and requests are answered in between',
  async (backend) => {
    /** Records that each batch deleted, and how many requests had been answered by then. */
    const batches: { readonly limit: number; readonly records: number; readonly answered: number }[] = [];
    let answered = 0;
    let longestWaitMs = 0;
    const world = await openWebWorld(backend, { idleMs: hourMs }, (storage) => ({
      ...bound(storage),
      async sweep(limit) {
        const answer = await storage.sweep(limit);
        batches.push({ limit, records: answer.keys.length, answered });
        return answer;
      },
    }));
    const shortLived = world.web.named('short', { idleMs: minuteMs });
    const data = { name: 'Ada', cart: ['apples', 'pears'] };
    const create = async (web: typeof shortLived, count: number): Promise<void> => {
      for (let made = 0; made < count; made += 1_000) {
        const some = Array.from({ length: Math.min(1_000, count - made) }, () => web.create({ data }));
        for (const answer of await Promise.all(some)) good(answer);
      }
    };
    await create(world.web, many - expiring);
    await create(shortLived, expiring);
    const ids = await Promise.all(Array.from({ length: 8 }, async () => (await begun(world, { data })).id));
    world.clock.advance(minuteMs);

    let swept = false;
    const requests = ids.map(async (id) => {
      while (!swept) {
        const startMs = performance.now();
        good(await world.web.load(id));
        longestWaitMs = Math.max(longestWaitMs, performance.now() - startMs);
        answered++;
      }
    });
    const startMs = performance.now();
    const answer = good(await world.web.sweep());
    const sweepMs = performance.now() - startMs;
    swept = true;
    await Promise.all(requests);

    expect(answer.sessions).toBe(expiring);
    expect(batches.reduce((sum, { records }) => sum + records, 0)).toBe(expiring);
    expect(Math.max(...batches.map(({ limit }) => limit))).toBeLessThanOrEqual(1_000);
    expect(batches.length).toBeLessThanOrEqual(Math.ceil(expiring / 1_000) + 1);
    // Between any two batches somebody was served.
    for (const [index, { answered: before }] of batches.slice(0, -1).entries()) {
      expect(batches[index + 1]?.answered).toBeGreaterThan(before);
    }
    report(`a sweep on ${backend.name}`, {
      sessions: many,
      'records touched': expiring,
      batches: batches.length,
      'ms of sweeping': Math.round(sweepMs),
      'requests answered meanwhile': answered,
      'ms the longest of them waited': Math.round(longestWaitMs),
    });
  },
  sized(120_000, 900_000),
);

/** A store whose methods may be taken off it. */
function bound(storage: Storage): Storage {
  return {
    capabilities: storage.capabilities,
    ...(storage.clock && { clock: storage.clock }),
    ...(storage.peek && { peek: (key) => storage.peek?.(key) }),
    read: (keys) => storage.read(keys),
    commit: (transactions) => storage.commit(transactions),
    locked: (keys, run) => storage.locked(keys, run),
    range: (query) => storage.range(query),
    sweep: (limit) => storage.sweep(limit),
    close: () => storage.close(),
  };
}
