import type { Body, Engine, EngineRange } from './engine.js';
import { estimatedClock, localClock } from './store-clock.js';
import { failureOf, unavailable } from './unavailable.js';
import { type RoundContext, timed } from './rounds.js';
import { cacheBytesDefault } from './engine-limits.js';
import { createImmediatePath } from './immediate-path.js';
import { createLanes } from './lanes.js';
import { createRecordCache } from './record-cache.js';
import type { Key } from '../core/keys.js';
import type { Refused } from '../core/refusals.js';
import type { Storage } from '../storage/storage.js';

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
  const context = contextOf(storage, options);
  const lanes = createLanes(context);
  const { immediate, sharing } = storage.capabilities;
  const atOnce =
    options.immediate !== false && immediate && sharing === 'exclusive'
      ? createImmediatePath(context)
      : undefined;
  let closing = false;

  return {
    transact<T>(keys: readonly Key[], body: Body<T>, constants: readonly Key[] = []): Promise<T | Refused> {
      if (closing) return Promise.resolve(unavailable('it was closed', 'none', 0));
      if (atOnce) return runAtOnce(atOnce, body);
      return new Promise<T | Refused>((resolve, reject) => {
        lanes.accept({
          keys,
          constants,
          body,
          resolve: resolve as (answer: unknown) => void,
          reject,
          acceptedAtMs: context.monotonicMs(),
          runs: 0,
        });
      });
    },
    ...questionsOf(context),
    async close() {
      closing = true;
      await lanes.drained();
      await storage.close();
    },
  };
}

function contextOf(storage: Storage, options: EngineOptions): RoundContext {
  const monotonicMs = options.monotonicMs ?? (() => performance.now());
  let minted = 0;
  return {
    storage,
    cache: createRecordCache(options.cacheBytesMax ?? cacheBytesDefault),
    clock: storage.clock ? localClock(storage.clock) : estimatedClock(monotonicMs),
    monotonicMs,
    mint: () => `${options.instanceId}.${(minted++).toString(36)}`,
  };
}

/** What is asked of the store itself, past the cache. */
function questionsOf(context: RoundContext): Pick<Engine, 'read' | 'range' | 'sweep'> {
  const { storage, clock, cache } = context;
  return {
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
  };
}

async function runAtOnce<T>(run: (body: Body<T>) => T | Refused, body: Body<T>): Promise<T | Refused> {
  return run(body);
}

/** A question that changes nothing failed: whatever the backend says of writes, nothing was charged. */
function refusedBy(error: unknown): Refused {
  const failure = failureOf(error);
  return unavailable(failure.reason, 'none', failure.retryAfterMs);
}
