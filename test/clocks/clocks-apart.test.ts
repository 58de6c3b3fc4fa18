import { describe, expect, test } from 'vitest';
import {
  firstTold,
  granted,
  monotonicMs,
  sessionsIn,
  startWatching,
  tally,
  type WatchedCall,
} from './watched-calls.js';
import { report, sized } from '../proof/figures.js';
import { proofStores } from '../proof/proof-stores.js';

/** Stores whose clock is a server's. The server runs here, so its clock can be read without asking it. */
const stores = proofStores.filter(({ name }) => name === 'postgres' || name === 'redis');

const rate = { calls: 10, perMs: 1_000 };
const budget = 100;
const [ending, counted, gcra, sliding] = [0, 1, 2, 3] as const;
const minutesApart = 30;

/** What two readings of one clock may differ by here: milliseconds are cut off, and the two were not read at once. */
const readingMs = 3;

describe.each(stores)('processes with clocks of their own: $name', ({ name, createUrl }) => {
  test('only the clock of the store counts', { timeout: 180_000 }, async () => {
    const storage = await createUrl();
    const lifeMs = sized(2_500, 12_000);
    const minute = { timeLimitMs: 60_000 };
    const wanders = { AMBIT_CLOCK_WANDERS: String(minutesApart * 60_000) };
    const options = { storage, forMs: lifeMs + 500, inFlight: 6 };
    const children = Array.from({ length: 3 }, () => startWatching(options, wanders));
    expect(await Promise.all(children.map((child) => child.next()))).toEqual(Array(3).fill('ready'));
    // Only now, since a busy machine takes seconds to start them.
    const { ids, expiresAtMs } = await sessionsIn(storage, [
      { timeLimitMs: lifeMs },
      { ...minute, callBudget: budget },
      { ...minute, rateLimit: { ...rate, algorithm: 'gcra' } },
      { ...minute, rateLimit: { ...rate, algorithm: 'sliding' } },
    ]);
    const realMs = Date.now() - monotonicMs();
    for (const child of children) child.go({ sessionIds: ids });
    const calls = (await Promise.all(children.map((child) => child.rest()))).flat() as WatchedCall[];

    const endMs = (expiresAtMs[ending] ?? 0) - realMs;
    const tooLong = granted(calls, ending).filter(({ startedAt }) => startedAt > endMs + readingMs);
    expect(tooLong, 'granted after its end by the clock of the store').toEqual([]);
    // Nor is it cut short: what is uncertain is a few milliseconds, not the minutes that the clocks are apart.
    const last = Math.max(...granted(calls, ending).map(({ endedAt }) => endedAt));
    const refusedMs = firstTold(calls, ending, 'SESSION_EXPIRED');
    expect(endMs - last, 'over long before its end').toBeLessThan(lifeMs / 2);
    expect(
      granted(calls, ending).filter(({ startedAt }) => startedAt > refusedMs),
      'seen expired, and open again',
    ).toEqual([]);
    expect(granted(calls, counted)).toHaveLength(budget);
    for (const session of [gcra, sliding]) {
      const passed = granted(calls, session);
      const spanMs =
        Math.max(...passed.map(({ endedAt }) => endedAt)) -
        Math.min(...passed.map(({ startedAt }) => startedAt));
      const most = rate.calls * (1 + (spanMs + readingMs) / rate.perMs);
      expect(passed.length, 'more than the rate').toBeLessThanOrEqual(Math.ceil(most));
      // It is no closed door either: a second window was opened at least.
      expect(passed.length).toBeGreaterThan(rate.calls);
    }
    expect(mostWithin(granted(calls, sliding), rate.perMs), 'in any window').toBeLessThanOrEqual(rate.calls);
    const met = tally(calls);
    for (const what of [
      `${ending} SESSION_EXPIRED`,
      `${counted} BUDGET_EXCEEDED`,
      `${gcra} RATE_LIMITED`,
      `${sliding} RATE_LIMITED`,
    ])
      expect(met[what], what).toBeGreaterThan(0);
    report(`${name}, 3 processes whose clocks jump within ${2 * minutesApart} minutes`, {
      calls: calls.length,
      granted: calls.filter(({ code }) => code === undefined).length,
    });
  });
});

/** The most that must have been granted within so many milliseconds: calls that began and ended in them. */
function mostWithin(calls: readonly WatchedCall[], ms: number): number {
  return Math.max(
    0,
    ...calls.map(
      ({ startedAt }) =>
        calls.filter((one) => one.startedAt >= startedAt && one.endedAt < startedAt + ms - readingMs).length,
    ),
  );
}
