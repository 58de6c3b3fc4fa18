import type { CommitAnswer, Storage, StoredRecord, Transaction } from '../storage/storage.js';
import { type Delivery, deliver } from './delivery.js';
import { type Group, type GroupContext, type GroupFit, runGroup, type Unit } from './group.js';
import type { Call } from './call.js';
import type { Key } from '../core/keys.js';
import type { Lookup } from './group-view.js';
import type { RecordCache } from './record-cache.js';
import type { StoreClock } from './store-clock.js';
import { failureOf } from './unavailable.js';

export interface RoundContext {
  readonly storage: Storage;
  readonly cache: RecordCache;
  readonly clock: StoreClock;
  readonly monotonicMs: () => number;
  readonly mint: () => string;
  readonly fit: GroupFit;
}

/** What a round leaves to do: units to settle by their fate, calls to run again, calls that the store failed. */
export interface Round {
  readonly units: readonly Unit[];
  readonly delivery: Delivery;
  /** In front of what waits, in this order. */
  readonly again: readonly Call[];
  /** Calls that were not run at all, because the store did not answer; nothing of them was written. */
  readonly failed: readonly Call[];
}

const nothingSent: Delivery = { fates: [], uncertain: false };

/** Runs calls against the cache, and commits what they decided: the ordinary way. */
export async function runAgainstCache(calls: readonly Call[], context: RoundContext): Promise<Round> {
  const { storage, cache } = context;
  // Held apart from the cache, which may be too small for one round's records.
  const loaded = new Map<Key, { record: StoredRecord | undefined }>();
  const missing = missingKeys(calls, cache);
  if (missing.length > 0 || !context.clock.known) {
    try {
      const answer = await timed(context, () => storage.read(missing));
      answer.records.forEach((record, index) => {
        const key = missing[index] as Key;
        loaded.set(key, { record });
        cache.set(key, record, record?.value.text.length);
      });
    } catch (error) {
      return { units: [], delivery: { ...nothingSent, failure: failureOf(error) }, again: [], failed: calls };
    }
  }
  const lookup: Lookup = (key) => loaded.get(key) ?? cache.get(key);
  const group = runGroup(calls, groupContext(context, lookup, lookup));
  const transactions = transactionsOf(group.units);
  const send = (): Promise<CommitAnswer> => timed(context, () => storage.commit(transactions));
  const delivery =
    transactions.length === 0
      ? nothingSent
      : await deliver(send, () => transactions, send, context.monotonicMs);
  return roundOf(group, delivery);
}

/** Runs calls inside the store's lock on their keys: they can neither be overtaken nor lose. */
export async function runInsideLock(calls: readonly Call[], context: RoundContext): Promise<Round> {
  const { storage, cache, clock } = context;
  const keys = keysToLock(calls, cache);
  let group: Group | undefined;
  let transactions: readonly Transaction[] = [];
  let busy = false;

  const run = (records: readonly (StoredRecord | undefined)[], sentAtMs: number, nowMs: number): void => {
    clock.observe(sentAtMs, context.monotonicMs(), nowMs);
    const locked = new Map<Key, { record: StoredRecord | undefined }>();
    records.forEach((record, index) => {
      const key = keys[index] as Key;
      const known = cache.get(key)?.record;
      // The same version is the same value, and the cached one is parsed already.
      const current = known && known.version === record?.version ? known : record;
      locked.set(key, { record: current });
      if (current !== known || !known) cache.set(key, current, current?.value.text.length);
    });
    // What is not locked is not looked up in the cache: it would be raced for.
    const lookup: Lookup = (key) => locked.get(key);
    group = runGroup(
      calls,
      groupContext(context, lookup, (key) => locked.get(key) ?? cache.get(key)),
    );
    transactions = transactionsOf(group.units);
  };
  const first = async (): Promise<CommitAnswer> => {
    const sentAtMs = context.monotonicMs();
    const answer = await storage.locked(keys, (records, nowMs) => {
      run(records, sentAtMs, nowMs);
      return transactions;
    });
    if (!answer.busy) return answer;
    busy = true;
    return { outcomes: [], nowMs: answer.nowMs };
  };
  const delivery = await deliver(
    first,
    () => transactions,
    (sent) => timed(context, () => storage.commit(sent)),
    context.monotonicMs,
  );
  if (busy) return { units: [], delivery: nothingSent, again: calls, failed: [] };
  if (!group) return { units: [], delivery, again: [], failed: calls };
  return roundOf(group, delivery);
}

function roundOf(group: Group, delivery: Delivery): Round {
  return { units: group.units, delivery, again: [...group.deferred, ...group.leftover], failed: [] };
}

function groupContext(context: RoundContext, lookup: Lookup, constants: Lookup): GroupContext {
  const { capabilities } = context.storage;
  return {
    lookup,
    constants,
    now: context.clock.now(),
    mint: context.mint,
    shared: capabilities.sharing !== 'exclusive',
    remote: capabilities.sharing === 'network',
    transactionsMax: capabilities.groupTransactionsMax,
    fit: context.fit,
  };
}

function transactionsOf(units: readonly Unit[]): Transaction[] {
  return units.flatMap((unit) => (unit.transaction ? [unit.transaction] : []));
}

function missingKeys(calls: readonly Call[], cache: RecordCache): Key[] {
  const missing = new Set<Key>();
  for (const call of calls) {
    for (const key of call.keys) if (!cache.get(key)) missing.add(key);
    for (const key of call.constants) if (!cache.get(key)) missing.add(key);
  }
  return [...missing];
}

function keysToLock(calls: readonly Call[], cache: RecordCache): Key[] {
  const keys = new Set<Key>();
  for (const call of calls) {
    for (const key of call.keys) keys.add(key);
    for (const key of call.constants) if (!cache.get(key)?.record) keys.add(key);
  }
  return [...keys];
}

/** Asks the store and lets the clock learn from its answer. */
export async function timed<A extends { readonly nowMs: number }>(
  context: RoundContext,
  ask: () => A | Promise<A>,
): Promise<A> {
  const sentAtMs = context.monotonicMs();
  const answer = await ask();
  context.clock.observe(sentAtMs, context.monotonicMs(), answer.nowMs);
  return answer;
}
