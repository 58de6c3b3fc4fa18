/**
 * What a process knows of the store's clock: it reads something between the two. Milliseconds since 1970.
 *
 * An expiry is set from `earliestMs` and judged by `latestMs`; a rate stamp is written with `latestMs`, and "long enough
 * ago" is judged by `earliestMs`. Then, whatever lies between this process's clock and the store's, nothing is granted
 * too early or for too long. (Spanner's TrueTime, with a local clock that is not trusted at all.)
 */
export interface Interval {
  readonly earliestMs: number;
  readonly latestMs: number;
}

/** Milliseconds in the units people write. */
export const secondMs = 1_000;
export const minuteMs: number = 60 * secondMs;
export const hourMs: number = 60 * minuteMs;
export const dayMs: number = 24 * hourMs;
