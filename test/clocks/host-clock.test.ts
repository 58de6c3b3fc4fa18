import { describe, expect, test } from 'vitest';
import {
  firstTold,
  granted,
  monotonicMs,
  sessionsIn,
  startWatching,
  tally,
  type WatchedCall,
  type WatchedClosing,
} from './watched-calls.js';
import { openSync, writeSync } from 'node:fs';
import { report, sized } from '../proof/figures.js';
import { join } from 'node:path';
import { minuteMs } from '../../src/core/time.js';
import { proofDirectory } from '../proof/proof-processes.js';
import { proofStores } from '../proof/proof-stores.js';

/** How far the clock of the machine was off, from when to when, by the monotonic clock. */
interface Step {
  readonly fromMs: number;
  untilMs: number;
  readonly offsetMs: number;
}

/** A clock that all processes of the machine share, and that a test sets. */
function hostClock(): {
  readonly env: Record<string, string>;
  readonly steps: readonly Step[];
  set(offsetMs: number): void;
} {
  const path = join(proofDirectory(), 'offset');
  const fd = openSync(path, 'w');
  const steps: Step[] = [];
  const write = (offsetMs: number): void => {
    const fromMs = monotonicMs();
    writeSync(fd, new Float64Array([offsetMs]), 0, 8, 0);
    const last = steps.at(-1);
    // Until it was written, whoever read may have read the one before.
    if (last) last.untilMs = monotonicMs();
    steps.push({ fromMs, untilMs: Number.POSITIVE_INFINITY, offsetMs });
  };
  write(0);
  return { env: { AMBIT_CLOCK_FILE: path }, steps, set: write };
}

const rate = { calls: 20, perMs: minuteMs };
const budget = 150;
const [ending, counted, gcra, sliding, closing] = [0, 1, 2, 3, 4] as const;

/** Stores whose clock is the machine's. Memory is left out: nobody else can look at it. */
const stores = proofStores.filter(({ name }) => /^(sqlite|file)/.test(name));

describe.each(stores)('the clock of the machine steps: $name', ({ name, shared, createUrl }) => {
  test('nothing is granted after its end, twice, or too often', { timeout: 180_000 }, async () => {
    const storage = await createUrl();
    const dayMs = 24 * 60 * minuteMs;
    const { ids, expiresAtMs } = await sessionsIn(storage, [
      { timeLimitMs: 4 * minuteMs },
      { timeLimitMs: dayMs, callBudget: budget },
      { timeLimitMs: dayMs, rateLimit: { ...rate, algorithm: 'gcra' } },
      { timeLimitMs: dayMs, rateLimit: { ...rate, algorithm: 'sliding' } },
      { timeLimitMs: dayMs },
    ]);
    const clock = hostClock();
    const forMs = sized(2_000, 20_000);
    const options = { storage, sessionIds: ids, forMs, inFlight: 6 };
    const children = Array.from({ length: shared ? 3 : 1 }, (_, index) =>
      startWatching(index === 0 ? { ...options, closing } : options, clock.env),
    );
    expect(await Promise.all(children.map((child) => child.next()))).toEqual(children.map(() => 'ready'));
    const realMs = Date.now() - monotonicMs();
    const startMs = monotonicMs();
    for (const child of children) child.go();
    const said = Promise.all(children.map((child) => child.rest()));
    // Small steps at first, so that the first session is not over at once; then by minutes, forth and back.
    for (let forth = 1; monotonicMs() < startMs + forMs; forth = -forth) {
      await new Promise((resolve) => setTimeout(resolve, 5 + 50 * Math.random()));
      const small = monotonicMs() < startMs + forMs / 4;
      clock.set(Math.round(forth * (small ? Math.random() : 5 + 5 * Math.random()) * minuteMs));
    }
    const lines = (await said).flat() as (WatchedCall | WatchedClosing)[];
    const calls = lines.filter((line) => 'session' in line);
    const [closed] = lines.filter((line) => 'closed' in line);

    // By the clock at any moment while it was asked: the least that it read.
    const leastMs = ({ startedAt, endedAt }: WatchedCall): number =>
      Math.min(
        ...clock.steps
          .filter(({ fromMs, untilMs }) => fromMs <= endedAt && untilMs >= startedAt)
          .map(({ fromMs, offsetMs }) => realMs + Math.max(startedAt, fromMs) + offsetMs),
      );
    const tooLate = granted(calls, ending).filter((call) => leastMs(call) > (expiresAtMs[ending] ?? 0) + 2);
    expect(tooLate, 'granted after its end').toEqual([]);
    const overMs = firstTold(calls, ending, 'SESSION_EXPIRED');
    const reopened = granted(calls, ending).filter(({ startedAt }) => startedAt > overMs);
    expect(reopened, 'seen expired, and open again').toEqual([]);
    expect(granted(calls, counted), 'no more than the budget').toHaveLength(budget);
    const highestMs = Math.max(
      ...clock.steps.map(({ offsetMs, untilMs }) => offsetMs + Math.min(untilMs, monotonicMs()) - startMs),
    );
    const most = rate.calls * (1 + (highestMs + 1_000) / rate.perMs);
    expect(granted(calls, gcra).length, 'the rate of the clock that read most').toBeLessThanOrEqual(most);
    expect(granted(calls, sliding).length, 'the windows of the clock that read most').toBeLessThanOrEqual(
      Math.ceil(most),
    );
    expect(closed?.closed).toBe(true);
    expect(
      granted(calls, closing).filter(({ startedAt }) => startedAt > (closed?.endedAt ?? 0)),
      'closed, and open again',
    ).toEqual([]);

    // All of it happened: it was open and over, the rates were met, and the closed one was asked.
    const met = tally(calls);
    for (const what of [
      `${ending} ok`,
      `${ending} SESSION_EXPIRED`,
      `${counted} BUDGET_EXCEEDED`,
      `${gcra} RATE_LIMITED`,
      `${sliding} RATE_LIMITED`,
      `${closing} SESSION_CLOSED`,
    ])
      expect(met[what], what).toBeGreaterThan(0);
    report(`${name}, the machine's clock steps by up to 10 minutes`, {
      calls: calls.length,
      faults: clock.steps.length,
      processes: children.length,
    });
  });
});
