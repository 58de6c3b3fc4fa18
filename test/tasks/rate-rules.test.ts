import { describe, expect, it } from 'vitest';
import { type RateState, takeRate } from '../../src/tasks/rate-rules.js';
import fc from 'fast-check';
import type { RateLimit } from '../../src/tasks/task-types.js';

type Algorithm = Required<RateLimit>['algorithm'];

interface Grant {
  readonly atMs: number;
  readonly calls: number;
}

/** Asks at each step, and says what was granted, by the true time. */
function grantsOf(
  limit: Required<RateLimit>,
  steps: readonly {
    readonly waitMs: number;
    readonly calls: number;
    readonly early: number;
    readonly late: number;
  }[],
): Grant[] {
  let state: RateState = null;
  let nowMs = 1_000_000;
  const grants: Grant[] = [];
  for (const { waitMs, calls, early, late } of steps) {
    nowMs += waitMs;
    const decision = takeRate(limit, state, calls, { earliestMs: nowMs - early, latestMs: nowMs + late });
    if (!decision.ok) continue;
    ({ state } = decision);
    grants.push({ atMs: nowMs, calls });
  }
  return grants;
}

/** The most that was granted in any stretch of so many milliseconds, its end not included. */
function mostWithin(grants: readonly Grant[], ms: number): number {
  return Math.max(
    0,
    ...grants.map(({ atMs }) =>
      grants
        .filter((one) => one.atMs >= atMs && one.atMs < atMs + ms)
        .reduce((sum, one) => sum + one.calls, 0),
    ),
  );
}

const limits = (algorithm: Algorithm) =>
  fc.record({
    calls: fc
      .integer({ min: 1, max: algorithm === 'sliding' ? 1_000 : 1_000_000 })
      .map((n) => (n % 3 ? (n % 20) + 1 : n)),
    perMs: fc.integer({ min: 1_000, max: 3_600_000 }),
    algorithm: fc.constant(algorithm),
  });

/** Steps about as long as the limit's own times; the clock is uncertain by up to 300 ms on either side. */
const stepsFor = (uncertaintyMs: number) =>
  fc.array(
    fc.record({
      waitMs: fc.oneof(
        fc.integer({ min: 0, max: 50 }),
        fc.integer({ min: 0, max: 1_200 }),
        fc.integer({ min: 0, max: 4_000_000 }),
      ),
      calls: fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, fc.integer({ min: 1, max: 30 })),
      early: fc.integer({ min: 0, max: uncertaintyMs }),
      late: fc.integer({ min: 0, max: uncertaintyMs }),
    }),
    { minLength: 1, maxLength: 80 },
  );

describe('bounds, whatever the uncertainty of the clock', () => {
  it('gcra: in any time t at most calls + t * calls / perMs', () => {
    fc.assert(
      fc.property(limits('gcra'), stepsFor(300), (limit, steps) => {
        const grants = grantsOf(limit, steps);
        for (const from of grants) {
          let sum = 0;
          for (const to of grants) {
            if (to.atMs < from.atMs) continue;
            sum += to.calls;
            const most = limit.calls + Math.floor(((to.atMs - from.atMs) * limit.calls) / limit.perMs);
            expect(sum).toBeLessThanOrEqual(most);
          }
        }
      }),
    );
  });

  it('sliding: at most calls in any window', () => {
    fc.assert(
      fc.property(limits('sliding'), stepsFor(300), (limit, steps) => {
        expect(mostWithin(grantsOf(limit, steps), limit.perMs)).toBeLessThanOrEqual(limit.calls);
      }),
    );
  });

  it('fixed: at most twice calls in any window', () => {
    fc.assert(
      fc.property(limits('fixed'), stepsFor(300), (limit, steps) => {
        expect(mostWithin(grantsOf(limit, steps), limit.perMs)).toBeLessThanOrEqual(2 * limit.calls);
      }),
    );
  });
});

describe.each(['gcra', 'sliding', 'fixed'] as const)('%s', (algorithm) => {
  it('lets the whole limit through at once, and no more', () => {
    const limit = { calls: 5, perMs: 60_000, algorithm };
    const now = { earliestMs: 1_000, latestMs: 1_000 };
    const full = takeRate(limit, null, 5, now);
    expect(full.ok).toBe(true);
    expect(takeRate(limit, full.ok ? full.state : null, 1, now).ok).toBe(false);
    expect(takeRate(limit, null, 6, now)).toEqual({ ok: false, retryAfterMs: undefined });
  });

  it('names a wait that is long enough, and not a millisecond longer', () => {
    fc.assert(
      fc.property(limits(algorithm), stepsFor(0), fc.integer({ min: 1, max: 30 }), (limit, steps, calls) => {
        let state: RateState = null;
        let nowMs = 1_000_000;
        for (const step of steps) {
          nowMs += step.waitMs % limit.perMs;
          const decision = takeRate(limit, state, step.calls, { earliestMs: nowMs, latestMs: nowMs });
          if (decision.ok) ({ state } = decision);
        }
        const refused = takeRate(limit, state, calls, { earliestMs: nowMs, latestMs: nowMs });
        if (refused.ok || refused.retryAfterMs === undefined) return;
        const after = (ms: number): boolean =>
          takeRate(limit, state, calls, { earliestMs: nowMs + ms, latestMs: nowMs + ms }).ok;
        expect(after(refused.retryAfterMs)).toBe(true);
        expect(after(refused.retryAfterMs - 1)).toBe(false);
      }),
    );
  });

  it('refills nothing when the clock steps back', () => {
    const limit = { calls: 2, perMs: 60_000, algorithm };
    const taken = takeRate(limit, null, 2, { earliestMs: 500_000, latestMs: 500_000 });
    const state = taken.ok ? taken.state : null;
    for (const ms of [0, 100_000, 440_001, 559_999 - 60_000]) {
      expect(takeRate(limit, state, 2, { earliestMs: ms, latestMs: Math.max(ms, 500_000) }).ok).toBe(false);
    }
  });
});

it('keeps its arithmetic exact at the largest limits', () => {
  const limit = { calls: 1_000_000, perMs: 3_600_000, algorithm: 'gcra' } as const;
  const nowMs = Date.UTC(2100, 0, 1);
  const full = takeRate(limit, null, 1_000_000, { earliestMs: nowMs, latestMs: nowMs });
  const refused = takeRate(limit, full.ok ? full.state : null, 1, { earliestMs: nowMs, latestMs: nowMs });
  // One call is paid back every 3.6 ms.
  expect(refused).toEqual({ ok: false, retryAfterMs: 4 });
});

describe('what is remembered', () => {
  const at = (ms: number) => ({ earliestMs: ms, latestMs: ms });
  const after = (
    limit: Required<RateLimit>,
    asked: readonly (readonly [ms: number, calls: number])[],
  ): RateState => {
    let state: RateState = null;
    for (const [ms, calls] of asked) {
      const decision = takeRate(limit, state, calls, at(ms));
      if (decision.ok) ({ state } = decision);
    }
    return state;
  };

  it('sliding: each moment of grants once, and none that has left the window', () => {
    const limit = { calls: 10, perMs: 1_000, algorithm: 'sliding' } as const;
    expect(after(limit, [[5, 1]])).toEqual({ grants: [[5, 1]] });
    const twice = [
      [5, 1],
      [5, 2],
    ] as const;
    expect(after(limit, twice)).toEqual({ grants: [[5, 3]] });
    expect(after(limit, [...twice, [9, 1]])).toEqual({
      grants: [
        [5, 3],
        [9, 1],
      ],
    });
    expect(after(limit, [...twice, [9, 1], [9, 1]])).toEqual({
      grants: [
        [5, 3],
        [9, 2],
      ],
    });
    // A clock that was set back adds to the latest moment.
    expect(after(limit, [...twice, [9, 1], [7, 1]])).toEqual({
      grants: [
        [5, 3],
        [9, 2],
      ],
    });
    expect(after(limit, [...twice, [9, 1], [1_006, 1]])).toEqual({
      grants: [
        [9, 1],
        [1_006, 1],
      ],
    });
  });

  it('fixed: when the window began, and the calls in it', () => {
    const limit = { calls: 10, perMs: 1_000, algorithm: 'fixed' } as const;
    expect(
      after(limit, [
        [5, 1],
        [9, 2],
      ]),
    ).toEqual({ startMs: 5, calls: 3 });
    expect(
      after(limit, [
        [5, 1],
        [1_005, 2],
      ]),
    ).toEqual({ startMs: 1_005, calls: 2 });
  });

  it('gcra: the latest moment, and what is owed', () => {
    const limit = { calls: 10, perMs: 1_000, algorithm: 'gcra' } as const;
    expect(after(limit, [[5, 1]])).toEqual({ atMs: 5, debt: 1_000 });
    expect(
      after(limit, [
        [5, 1],
        [55, 1],
      ]),
    ).toEqual({ atMs: 55, debt: 1_500 });
    expect(
      after(limit, [
        [5, 1],
        [3, 1],
      ]),
    ).toEqual({ atMs: 5, debt: 2_000 });
  });
});
