import type { Body, Engine, EngineRange } from './engine.js';
import {
  cacheBytesDefault,
  callRunsMax,
  callWaitMsMax,
  queuedCallsMax,
  queueFullRetryAfterMs,
} from './engine-limits.js';
import type { Storage, StoredRecord, Transaction } from '../storage/storage.js';
import { failureOf, unavailable } from './unavailable.js';
import { type Round, type RoundContext, runAgainstCache, runInsideLock, timed } from './rounds.js';
import { estimatedClock, localClock } from './store-clock.js';
import type { Call } from './call.js';
import { createContendedKeys } from './contended-keys.js';
import { createLane } from './lane.js';
import { createRecordCache } from './record-cache.js';
import type { Fate } from './delivery.js';
import type { Key } from '../core/keys.js';
import type { Refused } from '../core/refusals.js';
import { createImmediatePath } from './immediate-path.js';
import type { Unit } from './group.js';
import { Value } from '../core/json.js';

export interface EngineOptions {
  /** Memory for cached records, in bytes; 64 MiB unless said. 0 caches nothing. */
  readonly cacheBytesMax?: number;
  /** Part of every version this engine mints. Random, and never used by another engine on the same store. */
  readonly instanceId: string;
  /** Milliseconds that only go forward. */
  readonly monotonicMs?: () => number;
  /** Whether a store that answers at once is answered at once. Off in tests that watch the lanes. */
  readonly immediate?: boolean;
}

/**
 * Makes an engine over a store, which it then owns: no other engine may use the same `Storage` object.
 * See `docs/internals/engine.md` for what it promises.
 */
export function createEngine(storage: Storage, options: EngineOptions): Engine {
  const monotonicMs = options.monotonicMs ?? (() => performance.now());
  const cache = createRecordCache(options.cacheBytesMax ?? cacheBytesDefault);
  const clock = storage.clock ? localClock(storage.clock) : estimatedClock(monotonicMs);
  const contendedKeys = createContendedKeys(monotonicMs);
  let minted = 0;
  const mint = (): string => `${options.instanceId}.${(minted++).toString(36)}`;
  const context: RoundContext = { storage, cache, clock, monotonicMs, mint };
  const { capabilities } = storage;
  const alwaysLocks = capabilities.locking === 'always';
  const immediate =
    options.immediate !== false && capabilities.immediate && capabilities.sharing === 'exclusive'
      ? createImmediatePath(context)
      : undefined;
  let closing = false;
  let wakeClose: (() => void) | undefined;

  const onIdle = (): void => {
    if (ordinary.idle && contended.idle) wakeClose?.();
  };
  const ordinary = createLane((calls) => round(calls, runAgainstCache), onIdle);
  const contended = createLane((calls) => round(calls, runInsideLock), onIdle);

  function accept(call: Call): void {
    const lane = alwaysLocks || contendedKeys.hasAny(call.keys) ? contended : ordinary;
    if (lane.waiting < queuedCallsMax) lane.push(call);
    else call.resolve(unavailable('its queue is full', 'none', queueFullRetryAfterMs));
  }

  async function round(
    accepted: readonly Call[],
    run: (calls: readonly Call[], context: RoundContext) => Promise<Round>,
  ): Promise<void> {
    const lane = run === runInsideLock ? contended : ordinary;
    const nowMs = monotonicMs();
    const calls = accepted.filter((call) => !gaveUp(call, nowMs));
    if (calls.length === 0) return;
    try {
      const { units, delivery, again, failed } = await run(calls, context);
      lane.unshift(again);
      let sent = 0;
      const retried: Call[] = [];
      for (const unit of units) {
        if (!unit.transaction) answer(unit);
        else retried.push(...settle(unit, unit.transaction, delivery.fates[sent++], delivery.uncertain));
      }
      // A call that lost goes before everything that waits, and through the lock; one that was late keeps its lane.
      const lost = retried.filter((call) => alwaysLocks || contendedKeys.hasAny(call.keys));
      contended.unshift(lost);
      if (lost.length < retried.length) lane.unshift(retried.filter((call) => !lost.includes(call)));
      const failure = delivery.failure ?? { reason: 'no answer', retryAfterMs: 1_000 };
      for (const call of failed) call.resolve(unavailable(failure.reason, 'none', failure.retryAfterMs));
    } catch (error) {
      // Nothing here throws but a bug; what was already answered stays answered.
      for (const call of calls) call.reject(error);
    }
  }

  /** Answers a unit by the fate of its transaction, and returns the calls that must run again. */
  function settle(unit: Unit, transaction: Transaction, fate: Fate | undefined, uncertain: boolean): Call[] {
    const calls = unit.ran.map((ran) => ran.call);
    if (uncertain || fate?.kind === 'lost') for (const write of transaction.writes) cache.drop(write.key);
    if (fate?.kind === 'applied') {
      if (!uncertain) remember(transaction, fate.current);
      answer(unit);
      return [];
    }
    if (fate?.kind === 'late') return calls;
    if (fate?.kind === 'conflict') {
      transaction.writes.forEach((write, index) => {
        const current = fate.current[index];
        if ((current?.version ?? null) !== write.expected) contendedKeys.add(write.key);
        if (!uncertain) cache.set(write.key, current, current?.value.text.length);
      });
      // Undeclared keys that lost must be locked as well.
      const keys = transaction.writes.map((write) => write.key);
      if (calls.length === 1 && calls[0]) calls[0].keys = keys;
      return calls;
    }
    const lost = fate ?? { reason: 'no outcome', outcome: 'unknown' as const, retryAfterMs: 1_000 };
    for (const call of calls) call.resolve(unavailable(lost.reason, lost.outcome, lost.retryAfterMs));
    return [];
  }

  /** Caches what a transaction left behind, or what was found in its place. */
  function remember(
    transaction: Transaction,
    current: readonly (StoredRecord | undefined)[] | undefined,
  ): void {
    transaction.writes.forEach((write, index) => {
      if (current) cache.set(write.key, current[index], current[index]?.value.text.length);
      else if (write.kind === 'delete') cache.set(write.key, undefined);
      else if (write.kind === 'put') {
        const { key, version, expiresAtMs } = write;
        // A value of its own: the one that was sent holds its text, which the cache has no use for.
        const value = Value.of(write.value.json);
        const record =
          expiresAtMs === undefined ? { key, version, value } : { key, version, value, expiresAtMs };
        cache.set(key, record, write.value.text.length);
      }
    });
  }

  function gaveUp(call: Call, nowMs: number): boolean {
    if (nowMs - call.acceptedAtMs > callWaitMsMax) {
      call.resolve(unavailable('the call waited too long', 'none', queueFullRetryAfterMs));
      return true;
    }
    if (call.runs < callRunsMax) return false;
    call.resolve(unavailable(`the call lost ${call.runs} times`, 'none', queueFullRetryAfterMs));
    return true;
  }

  return {
    transact<T>(keys: readonly Key[], body: Body<T>, constants: readonly Key[] = []): Promise<T | Refused> {
      if (closing) return Promise.resolve(unavailable('it was closed', 'none', 0));
      if (immediate) return runAtOnce(immediate, body);
      return new Promise<T | Refused>((resolve, reject) => {
        accept({
          keys,
          constants,
          body,
          resolve: resolve as (answer: unknown) => void,
          reject,
          acceptedAtMs: monotonicMs(),
          runs: 0,
        });
      });
    },

    async read<T>(keys: readonly Key<T>[]) {
      try {
        const { records } = await timed(context, () => storage.read(keys));
        const values = records.map((record) => record?.value.json as T | undefined);
        return { ok: true, values, now: clock.now() };
      } catch (error) {
        return refusedBy(error);
      }
    },

    async range<T>(query: EngineRange) {
      try {
        const { records } = await timed(context, () => storage.range(query));
        const entries = records.map((record) => ({
          key: record.key as Key<T>,
          value: record.value.json as T,
        }));
        return { ok: true, entries, now: clock.now() };
      } catch (error) {
        return refusedBy(error);
      }
    },

    async sweep(limit) {
      try {
        const { keys } = await timed(context, () => storage.sweep(limit));
        for (const key of keys) cache.drop(key);
        return { ok: true, keys };
      } catch (error) {
        return refusedBy(error);
      }
    },

    async close() {
      closing = true;
      if (!ordinary.idle || !contended.idle) {
        await new Promise<void>((resolve) => {
          wakeClose = resolve;
        });
      }
      await storage.close();
    },
  };
}

async function runAtOnce<T>(run: (body: Body<T>) => T | Refused, body: Body<T>): Promise<T | Refused> {
  return run(body);
}

function answer(unit: Unit): void {
  for (const ran of unit.ran) ran.call.resolve(ran.answer);
}

/** A question that changes nothing failed: whatever the backend says of writes, nothing was charged. */
function refusedBy(error: unknown): Refused {
  const failure = failureOf(error);
  return unavailable(failure.reason, 'none', failure.retryAfterMs);
}
