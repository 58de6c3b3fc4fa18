import type { Body, Engine, EngineRange } from './engine.js';
import { estimatedClock, localClock } from './store-clock.js';
import { failureOf, unavailable } from './unavailable.js';
import { type RoundContext, timed } from './rounds.js';
import { cacheBytesDefault, groupCallsMax } from './engine-limits.js';
import { createImmediatePath } from './immediate-path.js';
import { createLanes } from './lanes.js';
import { createRecordCache } from './record-cache.js';
import { type Key, keyAfter } from '../core/keys.js';
import type { Refused } from '../core/refusals.js';
import type { Storage, StoredRecord } from '../storage/storage.js';

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
  let closing = false;
  const closed = (): Refused => unavailable('it was closed', 'none', 0);
  const runAtOnce =
    options.immediate !== false && immediate && sharing === 'exclusive'
      ? createImmediatePath(context)
      : undefined;
  const transactAtOnce =
    runAtOnce && (<T>(body: Body<T>): T | Refused => (closing ? closed() : runAtOnce(body)));

  return {
    transactAtOnce,
    transact<T>(keys: readonly Key[], body: Body<T>, constants: readonly Key[] = []): Promise<T | Refused> {
      if (transactAtOnce) return promised(transactAtOnce, body);
      if (closing) return Promise.resolve(closed());
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

/** Versions of one engine, never the same twice: its instance, and a counter whose last digits are not formatted anew. */
function mintOf(instanceId: string): () => string {
  const digits = Array.from({ length: 1_296 }, (_, index) => index.toString(36).padStart(2, '0'));
  let high = 0;
  let low = 0;
  let prefix = `${instanceId}.0`;
  return () => {
    if (low === digits.length) {
      low = 0;
      prefix = `${instanceId}.${(++high).toString(36)}`;
    }
    return prefix + (digits[low++] as string);
  };
}

async function promised<T>(run: (body: Body<T>) => T | Refused, body: Body<T>): Promise<T | Refused> {
  return run(body);
}

function contextOf(storage: Storage, options: EngineOptions): RoundContext {
  const monotonicMs = options.monotonicMs ?? (() => performance.now());
  return {
    storage,
    cache: createRecordCache(options.cacheBytesMax ?? cacheBytesDefault),
    clock: storage.clock ? localClock(storage.clock) : estimatedClock(monotonicMs),
    monotonicMs,
    mint: mintOf(options.instanceId),
    fit: { calls: groupCallsMax },
  };
}

/** What is asked of the store itself, past the cache. */
function questionsOf(context: RoundContext): Pick<Engine, 'read' | 'range' | 'sweep'> {
  const { storage, clock, cache } = context;
  return {
    async read<T>(keys: readonly Key<T>[]) {
      try {
        const { records } = await timed(context, () => storage.read(keys));
        const values = records.map((record) => (record?.value.json ?? undefined) as T | undefined);
        return { ok: true, values, now: clock.now() };
      } catch (error) {
        return refusedBy(error);
      }
    },

    async range<T>(query: EngineRange) {
      try {
        const { records, unreadable } = await timedWalk(context, query);
        const entries = records.map((record) => ({
          key: record.key as Key<T>,
          value: record.value.json as T,
        }));
        return { ok: true, entries, unreadable, now: clock.now() };
      } catch (error) {
        return refusedBy(error);
      }
    },

    async sweep(limit) {
      try {
        const { keys } = await timed(context, () => storage.sweep(limit));
        for (const key of keys) cache.drop(key);
        // A store that answers at once would let batch follow batch in one turn of the event loop, and nobody in between.
        await new Promise((resolve) => setImmediate(resolve));
        return { ok: true, keys };
      } catch (error) {
        return refusedBy(error);
      }
    },
  };
}

/** A page of records without the marks of deleted ones, which are no reason for a page to be short. */
async function timedWalk(
  context: RoundContext,
  query: EngineRange,
): Promise<{ readonly records: StoredRecord[]; readonly unreadable: Key[] }> {
  const found: StoredRecord[] = [];
  const unreadable: Key[] = [];
  let { start, end } = query;
  for (;;) {
    const limit = query.limit - found.length - unreadable.length;
    const { records } = await timed(context, () => context.storage.range({ ...query, start, end, limit }));
    for (const record of records) {
      if (query.nameUnreadable === true && !isReadable(record)) unreadable.push(record.key);
      else if (record.value.json !== null) found.push(record);
    }
    const last = records.at(-1);
    const count = found.length + unreadable.length;
    if (!last || records.length < limit || count === query.limit) return { records: found, unreadable };
    if (query.reverse === true) end = last.key;
    else start = keyAfter(last.key);
  }
}

function isReadable({ value }: StoredRecord): boolean {
  try {
    return value.json !== undefined;
  } catch {
    return false;
  }
}

/** A question that changes nothing failed: whatever the backend says of writes, nothing was charged. */
function refusedBy(error: unknown): Refused {
  const failure = failureOf(error);
  return unavailable(failure.reason, 'none', failure.retryAfterMs);
}
