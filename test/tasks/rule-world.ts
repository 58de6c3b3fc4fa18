import type { Interval } from '../../src/core/time.js';
import type { Key } from '../../src/core/keys.js';
import {
  makeTaskKeys,
  type TaskKeys,
  type TermsRecord,
  type UseRecord,
  useRecord,
} from '../../src/tasks/task-records.js';
import type { View } from '../../src/engine/engine.js';

/** What a rule wrote under a key: a value and when it may be forgotten, or nothing where it deleted. */
export type Written = { readonly value: unknown; readonly expiresAtMs?: number } | undefined;

/** A view as the engine gives one to a rule, over records that a test lays out; it remembers what the rule did. */
export interface RuleView extends View {
  readonly written: Map<Key, Written>;
  readonly needed: Key[];
  /** Until when what was decided holds. */
  readonly untilMs: number;
}

export function ruleView(records: readonly (readonly [Key, unknown])[] = []): RuleView {
  const there = new Map<Key, unknown>(records);
  const written = new Map<Key, Written>();
  const needed: Key[] = [];
  let untilMs = Number.POSITIVE_INFINITY;
  const get = <T>(key: Key<T>): T | undefined => there.get(key) as T | undefined;
  const put = (key: Key, value: unknown, options: { readonly expiresAtMs?: number } = {}): void => {
    there.set(key, value);
    written.set(key, { value, ...options });
  };
  return {
    written,
    needed,
    get untilMs() {
      return untilMs;
    },
    get,
    getConstant: get,
    put,
    insert: put,
    delete(key) {
      there.delete(key);
      written.set(key, undefined);
    },
    need: (keys) => void needed.push(...keys),
    validUntil(ms) {
      untilMs = Math.min(untilMs, ms);
    },
  };
}

/** The store's clock is known to ten milliseconds. */
export const now: Interval = { earliestMs: 100_000, latestMs: 100_010 };
export const retentionMs = 7_000;

export function termsRecord(changes: Partial<TermsRecord> = {}): TermsRecord {
  return {
    sessionId: 'session',
    agentId: 'agent',
    declaredIntent: 'tidy up',
    authorizedTools: ['read_*'],
    authorizedCredentials: ['github'],
    timeLimitMs: 60_000,
    callBudget: 10,
    dataSensitivityCeiling: 'internal',
    delegationChain: [],
    createdAtMs: 90_000,
    expiresAtMs: 150_000,
    tokenSha256: 'hash',
    ...changes,
  };
}

export function hot(changes: Partial<UseRecord> = {}): UseRecord {
  const { callBudget, callsMade, expiresAtMs, rate, status, closedAtMs, seenAtMs } = {
    callBudget: 10,
    callsMade: 3,
    expiresAtMs: 150_000,
    rate: null,
    status: 'active' as const,
    closedAtMs: null,
    seenAtMs: 99_000,
    ...changes,
  };
  return useRecord(callBudget, callsMade, expiresAtMs, rate, status, closedAtMs, seenAtMs);
}

/** The two records of a session, and its keys. */
export function laidOut(
  terms: TermsRecord = termsRecord(),
  use: UseRecord = hot(),
): { readonly keys: TaskKeys; readonly records: readonly (readonly [Key, unknown])[] } {
  const keys = makeTaskKeys(terms.sessionId);
  return {
    keys,
    records: [
      [keys.terms, terms],
      [keys.use, use],
    ],
  };
}
