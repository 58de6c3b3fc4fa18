import type { Call } from './call.js';
import { callRunsMax, callWaitMsMax, queueFullRetryAfterMs } from './engine-limits.js';
import type { ContendedKeys } from './contended-keys.js';
import type { Fate } from './delivery.js';
import type { RecordCache } from './record-cache.js';
import type { StoredRecord, Transaction } from '../storage/storage.js';
import { unavailable } from './unavailable.js';
import type { Unit } from './group.js';
import { Value } from '../core/json.js';

export interface SettlementContext {
  readonly cache: RecordCache;
  readonly contendedKeys: ContendedKeys;
  /** Whether a reply of this group was lost on the way: then nothing of it is cached. */
  readonly uncertain: boolean;
}

/** Answers a unit by the fate of its transaction, and returns the calls that must run again, in order. */
export function settle(
  unit: Unit,
  transaction: Transaction,
  fate: Fate | undefined,
  context: SettlementContext,
): readonly Call[] {
  const { cache, uncertain } = context;
  if (uncertain || fate?.kind === 'lost') for (const write of transaction.writes) cache.drop(write.key);
  switch (fate?.kind) {
    case 'applied':
      if (!uncertain) remember(cache, transaction, fate.current);
      answer(unit);
      return [];
    case 'late':
      return unit.ran.map((ran) => ran.call);
    case 'conflict':
      return contend(unit, transaction, fate.current, context);
    default: {
      const { reason, outcome, retryAfterMs } = fate ?? unanswered;
      for (const { call } of unit.ran) call.resolve(unavailable(reason, outcome, retryAfterMs));
      return [];
    }
  }
}

const unanswered = { reason: 'no outcome', outcome: 'unknown', retryAfterMs: 1_000 } as const;

/** Answers the calls of a unit with what their bodies answered. */
export function answer(unit: Unit): void {
  for (const ran of unit.ran) ran.call.resolve(ran.answer);
}

/** Answers a call that waited too long or lost too often, and says whether it did. */
export function gaveUp(call: Call, nowMs: number): boolean {
  if (nowMs - call.acceptedAtMs > callWaitMsMax) {
    call.resolve(unavailable('the call waited too long', 'none', queueFullRetryAfterMs));
    return true;
  }
  if (call.runs < callRunsMax) return false;
  call.resolve(unavailable(`the call lost ${call.runs} times`, 'none', queueFullRetryAfterMs));
  return true;
}

/** Learns what was found in place of what was expected; the keys that lost are queued for from now on. */
function contend(
  unit: Unit,
  transaction: Transaction,
  current: readonly (StoredRecord | undefined)[],
  { cache, contendedKeys, uncertain }: SettlementContext,
): readonly Call[] {
  const lost = transaction.writes.filter(
    (write, index) => (current[index]?.version ?? null) !== write.expected,
  );
  // With all as expected, some could not be had in time, and nobody says which: in the open it would only lose again.
  for (const { key } of lost.length > 0 ? lost : transaction.writes) contendedKeys.add(key);
  transaction.writes.forEach((write, index) => {
    const found = current[index];
    if (!uncertain) cache.set(write.key, found, found?.value.text.length);
  });
  const calls = unit.ran.map((ran) => ran.call);
  // Undeclared keys that lost must be locked as well; in company they are found again one run later.
  if (calls.length === 1 && calls[0]) calls[0].keys = transaction.writes.map((write) => write.key);
  return calls;
}

/** Caches what a transaction left behind, or what was found in its place. */
function remember(
  cache: RecordCache,
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
