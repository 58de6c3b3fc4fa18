/** A clock that a test moves by hand. Called, it says the time; hand it over as the `clock` of a store. */
export interface FakeClock {
  (): number;
  set(nowMs: number): void;
  /** Negative: the clock steps back. */
  advance(ms: number): void;
}

/**
 * Makes a clock that stands still until it is moved.
 *
 * @param startMs milliseconds since 1970; a day in 2026 unless said
 * @example
 * ```ts
 * import { fakeClock } from 'ambit/testing';
 * const clock = fakeClock(1_000);
 * clock.advance(500);
 * clock(); // 1500
 * ```
 */
export function fakeClock(startMs: number = Date.UTC(2026, 0, 1)): FakeClock {
  let nowMs = startMs;
  const read = (): number => nowMs;
  return Object.assign(read, {
    set(ms: number) {
      nowMs = ms;
    },
    advance(ms: number) {
      nowMs += ms;
    },
  });
}
