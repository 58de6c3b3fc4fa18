import type { Interval } from '../core/time.js';
import type { RateLimit } from './task-types.js';

/** What a session remembers of its past calls, as its algorithm needs it; `null` before the first. */
export type RateState =
  | { readonly atMs: number; readonly debt: number }
  | { readonly grants: readonly (readonly [atMs: number, calls: number])[] }
  | { readonly startMs: number; readonly calls: number }
  | null;

/** Whether so many calls may pass now: the state after them, or how long to wait (never, if no wait is long enough). */
export type RateDecision =
  | { readonly ok: true; readonly state: RateState }
  | { readonly ok: false; readonly retryAfterMs: number | undefined };

/**
 * Decides about `calls` calls that come together. A stamp is written with the latest time the store's clock may read, and
 * "long enough ago" is judged by the earliest: an uncertain clock makes a limit stricter, never looser.
 */
export function takeRate(
  limit: Required<RateLimit>,
  state: RateState,
  calls: number,
  now: Interval,
): RateDecision {
  if (calls > limit.calls) return { ok: false, retryAfterMs: undefined };
  switch (limit.algorithm) {
    case 'gcra':
      return takeGcra(limit, state as { atMs: number; debt: number } | null, calls, now);
    case 'sliding':
      return takeSliding(
        limit,
        state as { grants: readonly (readonly [number, number])[] } | null,
        calls,
        now,
      );
    default:
      return takeFixed(limit, state as { startMs: number; calls: number } | null, calls, now);
  }
}

/**
 * The generic cell rate algorithm (ITU-T I.371, annex A) as a bucket of debt: a call adds `perMs`, a millisecond pays
 * `calls` back, and debt stays at most `perMs * calls`. All in whole numbers below 2^53. In any time t at most
 * calls + t * calls / perMs pass.
 */
function takeGcra(
  { calls: burst, perMs }: Required<RateLimit>,
  state: { readonly atMs: number; readonly debt: number } | null,
  calls: number,
  now: Interval,
): RateDecision {
  const atMs = state?.atMs ?? now.latestMs;
  const owed = state?.debt ?? 0;
  // All debt is paid after perMs, so more elapsed time than that says nothing more.
  const elapsedMs = Math.min(perMs, Math.max(0, now.earliestMs - atMs));
  const debt = Math.max(0, owed - elapsedMs * burst);
  const wanted = calls * perMs;
  const room = burst * perMs;
  if (debt + wanted <= room) {
    return { ok: true, state: { atMs: Math.max(atMs, now.latestMs), debt: debt + wanted } };
  }
  const paidAtMs = atMs + Math.ceil((owed + wanted - room) / burst);
  return { ok: false, retryAfterMs: Math.max(1, paidAtMs - now.earliestMs) };
}

/** At most `calls` in any window `(t - perMs, t]`, exactly: every grant of the last window is remembered. */
function takeSliding(
  { calls: limit, perMs }: Required<RateLimit>,
  state: { readonly grants: readonly (readonly [number, number])[] } | null,
  calls: number,
  now: Interval,
): RateDecision {
  const grants = (state?.grants ?? []).filter(([atMs]) => now.earliestMs - atMs < perMs);
  let over = grants.reduce((total, [, granted]) => total + granted, 0) + calls - limit;
  if (over <= 0) {
    const last = grants.at(-1);
    const atMs = Math.max(now.latestMs, last?.[0] ?? 0);
    const merged = last && last[0] === atMs;
    const before = merged ? grants.slice(0, -1) : grants;
    return { ok: true, state: { grants: [...before, [atMs, calls + (merged ? last[1] : 0)]] } };
  }
  for (const [atMs, granted] of grants) {
    over -= granted;
    if (over <= 0) return { ok: false, retryAfterMs: Math.max(1, atMs + perMs - now.earliestMs) };
  }
  return { ok: false, retryAfterMs: undefined };
}

/** At most `calls` in a window that starts with its first call; up to twice that around its end. */
function takeFixed(
  { calls: limit, perMs }: Required<RateLimit>,
  state: { readonly startMs: number; readonly calls: number } | null,
  calls: number,
  now: Interval,
): RateDecision {
  const over = state === null || now.earliestMs - state.startMs >= perMs;
  const startMs = over ? now.latestMs : state.startMs;
  const used = over ? 0 : state.calls;
  if (used + calls <= limit) return { ok: true, state: { startMs, calls: used + calls } };
  return { ok: false, retryAfterMs: Math.max(1, startMs + perMs - now.earliestMs) };
}
