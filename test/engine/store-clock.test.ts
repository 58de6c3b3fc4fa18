import { describe, expect, it } from 'vitest';
import { estimatedClock } from '../../src/engine/store-clock.js';
import fc from 'fast-check';

describe("the interval contains the store's time", () => {
  it("for any offset, delays, drift up to 100 ppm and steps of the store's clock, after the next answer", () => {
    const step = fc.record({
      idleMs: fc.integer({ min: 0, max: 100_000 }),
      thereMs: fc.integer({ min: 0, max: 500 }),
      backMs: fc.integer({ min: 0, max: 500 }),
      jumpMs: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.integer({ min: -600_000, max: 600_000 })),
    });
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2_000_000_000_000 }),
        fc.integer({ min: -100, max: 100 }),
        fc.array(step, { minLength: 1, maxLength: 30 }),
        (offsetMs, driftPpm, steps) => {
          let monotonic = 0;
          let jumped = 0;
          const store = (): number => offsetMs + jumped + monotonic * (1 + driftPpm / 1e6);
          const clock = estimatedClock(() => monotonic);
          expect(clock.known).toBe(false);
          for (const { idleMs, thereMs, backMs, jumpMs } of steps) {
            monotonic += idleMs;
            jumped += jumpMs;
            const sent = monotonic;
            monotonic += thereMs;
            const read = Math.floor(store());
            monotonic += backMs;
            clock.observe(sent, monotonic, read);
            // A jump smaller than the bounds cannot be told from delay; the next contradiction corrects it.
            if (jumpMs !== 0) continue;
            monotonic += idleMs / 2;
            const { earliestMs, latestMs } = clock.now();
            const hidden = steps.some((one) => one.jumpMs !== 0) ? 1_002 : 0;
            expect(earliestMs).toBeLessThanOrEqual(store() + hidden);
            expect(latestMs).toBeGreaterThanOrEqual(Math.floor(store()) - hidden);
          }
        },
      ),
    );
  });

  it('believes an answer that contradicts what it knew', () => {
    let monotonic = 0;
    const clock = estimatedClock(() => monotonic);
    clock.observe(0, 10, 1_000_000);
    monotonic = 20;
    clock.observe(20, 20, 500_000);
    expect(clock.now()).toEqual({ earliestMs: 500_000, latestMs: 500_001 });
  });
});
