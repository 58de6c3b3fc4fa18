import { clockDriftPerMs } from './engine-limits.js';
import type { Interval } from '../core/time.js';

/** What this process knows of the store's clock. */
export interface StoreClock {
  /** Whether the store's time is known at all; without it no body can run. */
  readonly known: boolean;
  now(): Interval;
  /** Learns from an answer: the store read `storeMs` between these two moments of the monotonic clock. */
  observe(sentAtMs: number, receivedAtMs: number, storeMs: number): void;
}

/** The clock of a store that shares this machine's: read it, there is nothing to estimate. */
export function localClock(clock: () => number): StoreClock {
  // Thousands of calls share a millisecond; they share what says so, too.
  let last: Interval = { earliestMs: Number.NaN, latestMs: Number.NaN };
  return {
    known: true,
    now: () => {
      const nowMs = clock();
      if (nowMs !== last.latestMs) last = { earliestMs: nowMs, latestMs: nowMs };
      return last;
    },
    observe: () => undefined,
  };
}

/**
 * Estimates the clock of a store elsewhere as an offset from the monotonic clock. The store read its clock at some
 * moment between question and answer, which bounds the offset from both sides; each answer narrows the bounds (Marzullo
 * and Owicki, 1983), time widens them by the drift to expect. An answer that contradicts them is believed instead of
 * them: the store's clock was set, or this machine slept.
 */
export function estimatedClock(monotonicMs: () => number): StoreClock {
  let lowest = Number.NEGATIVE_INFINITY;
  let highest = Number.POSITIVE_INFINITY;
  let asOfMs = 0;

  function bounds(atMs: number): { low: number; high: number } {
    const drift = Math.max(0, atMs - asOfMs) * clockDriftPerMs;
    return { low: lowest - drift, high: highest + drift };
  }

  return {
    get known() {
      return highest !== Number.POSITIVE_INFINITY;
    },
    now() {
      const atMs = monotonicMs();
      const { low, high } = bounds(atMs);
      return { earliestMs: Math.floor(atMs + low), latestMs: Math.ceil(atMs + high) };
    },
    observe(sentAtMs, receivedAtMs, storeMs) {
      const { low, high } = bounds(receivedAtMs);
      // The store answers whole milliseconds: it read at least storeMs and less than storeMs + 1.
      const seenLow = storeMs - receivedAtMs;
      const seenHigh = storeMs + 1 - sentAtMs;
      const agrees = seenLow <= high && seenHigh >= low;
      lowest = agrees ? Math.max(low, seenLow) : seenLow;
      highest = agrees ? Math.min(high, seenHigh) : seenHigh;
      asOfMs = receivedAtMs;
    },
  };
}
