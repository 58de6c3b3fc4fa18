import { answer, gaveUp, settle } from './settlement.js';
import { queuedCallsMax, queueFullRetryAfterMs } from './engine-limits.js';
import { type Round, type RoundContext, runAgainstCache, runInsideLock } from './rounds.js';
import type { Call } from './call.js';
import { type ContendedKeys, createContendedKeys } from './contended-keys.js';
import { createLane, type Lane } from './lane.js';
import { unavailable } from './unavailable.js';

/** The two ways of a call: against the cache, or inside the store's lock. */
export interface Lanes {
  accept(call: Call): void;
  /** Resolves when every call that was accepted is answered. */
  drained(): Promise<void>;
}

interface Parts {
  readonly context: RoundContext;
  readonly contendedKeys: ContendedKeys;
  readonly alwaysLocks: boolean;
  readonly ordinary: Lane;
  readonly contended: Lane;
}

export function createLanes(context: RoundContext): Lanes {
  const contendedKeys = createContendedKeys(context.monotonicMs);
  const alwaysLocks = context.storage.capabilities.locking === 'always';
  /** Whoever waits for the end: `close` may be called more than once. */
  const waiting: (() => void)[] = [];
  const onIdle = (): void => {
    if (!parts.ordinary.idle || !parts.contended.idle) return;
    for (const wake of waiting.splice(0)) wake();
  };
  const parts: Parts = {
    context,
    contendedKeys,
    alwaysLocks,
    ordinary: createLane((calls) => round(parts, parts.ordinary, calls, runAgainstCache), onIdle),
    contended: createLane((calls) => round(parts, parts.contended, calls, runInsideLock), onIdle),
  };
  return {
    accept(call) {
      const lane = laneOf(parts, call);
      if (lane.waiting < queuedCallsMax) lane.push(call);
      else call.resolve(unavailable('its queue is full', 'none', queueFullRetryAfterMs));
    },
    async drained() {
      if (parts.ordinary.idle && parts.contended.idle) return;
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
      });
    },
  };
}

function laneOf({ alwaysLocks, contendedKeys, contended, ordinary }: Parts, call: Call): Lane {
  return alwaysLocks || contendedKeys.hasAny(call.keys) ? contended : ordinary;
}

/** Runs calls to their answers, or puts them back in front. Never rejects. */
async function round(
  parts: Parts,
  lane: Lane,
  accepted: readonly Call[],
  run: (calls: readonly Call[], context: RoundContext) => Promise<Round>,
): Promise<void> {
  const { context, contendedKeys } = parts;
  const nowMs = context.monotonicMs();
  const calls = accepted.filter((call) => !gaveUp(call, nowMs));
  if (calls.length === 0) return;
  try {
    const { units, delivery, again, failed } = await run(calls, context);
    lane.unshift(again);
    const settlement = { cache: context.cache, contendedKeys, uncertain: delivery.uncertain };
    let sent = 0;
    const retried: Call[] = [];
    for (const unit of units) {
      if (!unit.transaction) answer(unit);
      else retried.push(...settle(unit, unit.transaction, delivery.fates[sent++], settlement));
    }
    // A call that lost goes before everything that waits, and through the lock; one that was late keeps its lane.
    const contended = new Set(retried.filter((call) => laneOf(parts, call) === parts.contended));
    parts.contended.unshift([...contended]);
    lane.unshift(retried.filter((call) => !contended.has(call)));
    const failure = delivery.failure ?? { reason: 'no answer', retryAfterMs: 1_000 };
    for (const call of failed) call.resolve(unavailable(failure.reason, 'none', failure.retryAfterMs));
  } catch (error) {
    // Nothing here throws but a bug; what was already answered stays answered.
    for (const call of calls) call.reject(error);
  }
}
