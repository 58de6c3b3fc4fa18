import type { TaskSession, TaskStatus, TaskTerms, TaskWarning } from './task-types.js';
import { encodeKey, type Key, keysBelow } from '../core/keys.js';
import type { GlobMatcher } from './glob-rules.js';
import type { RateState } from './rate-rules.js';

/** The terms as created: written once, never changed, so it is cached for good and never compared. */
export interface TermsRecord extends TaskTerms {
  /** SHA-256 of the token, hexadecimal. The token itself is nowhere. */
  readonly tokenSha256: string;
}

/** The part that calls change. Whether it exists decides whether the session does. */
export interface UseRecord {
  readonly callBudget: number;
  readonly callsMade: number;
  readonly expiresAtMs: number;
  readonly rate: RateState;
  readonly status: TaskStatus;
  readonly closedAtMs: number | null;
  /** The latest time this session was changed at: time never runs backwards for it, whatever the store's clock does. */
  readonly seenAtMs: number;
}

/** An agent's live sessions, so that the cap and closing all of them are exact. */
export interface AgentRecord {
  readonly live: readonly LiveSession[];
  readonly deactivatedAtMs: number | null;
}

export interface LiveSession {
  readonly id: string;
  readonly expiresAtMs: number;
}

/** Who has a name. It does not expire: the name of a closed session stays taken until it is renewed on purpose. */
export interface NameRecord {
  readonly sessionId: string;
  readonly closed: boolean;
}

/** A grant that was given under a `callId`. */
export interface CallRecord {
  readonly tools: readonly string[];
  readonly remaining: { readonly calls: number; readonly ms: number };
  readonly warnings: readonly TaskWarning[];
}

/** The keys of one session. */
export interface TaskKeys {
  readonly sessionId: string;
  readonly terms: Key<TermsRecord>;
  readonly use: Key<UseRecord>;
  /** What children look at: written when the session is closed, and kept for as long as a child may live. */
  readonly closed: Key<true>;
  /**
   * Its terms and the compiled patterns of its tools, from its first call on: terms never change. Nobody can call before
   * creation has answered, so what is kept here was committed. Only looked at where the `use` record is there.
   */
  known: KnownTerms | undefined;
  /** As `transact` takes them. */
  readonly touched: readonly Key[];
  readonly constants: readonly Key[];
}

/** What calls need of the terms, looked up and compiled once, and laid flat: each step to another object is felt. */
export interface KnownTerms {
  readonly terms: TermsRecord;
  readonly matcher: GlobMatcher;
  readonly rateLimit: TermsRecord['rateLimit'];
  readonly isChild: boolean;
  readonly createdAtMs: number;
}

/** One literal for every change, so that all records have one shape. */
export function useRecord(
  callBudget: number,
  callsMade: number,
  expiresAtMs: number,
  rate: RateState,
  status: TaskStatus,
  closedAtMs: number | null,
  seenAtMs: number,
): UseRecord {
  return { callBudget, callsMade, expiresAtMs, rate, status, closedAtMs, seenAtMs };
}

export function makeTaskKeys(sessionId: string): TaskKeys {
  const terms = encodeKey<TermsRecord>(['task', sessionId]);
  const use = encodeKey<UseRecord>(['task-use', sessionId]);
  const closed = encodeKey<true>(['task-closed', sessionId]);
  return { sessionId, terms, use, closed, known: undefined, touched: [use], constants: [terms] };
}

export const closedKey = (sessionId: string): Key<true> => encodeKey(['task-closed', sessionId]);
export const agentKey = (agentId: string): Key<AgentRecord> => encodeKey(['agent', agentId]);
export const nameKey = (agentId: string, name: string): Key<NameRecord> =>
  encodeKey(['task-name', agentId, name]);
export const callKey = (sessionId: string, callId: string): Key<CallRecord> =>
  encodeKey(['task-call', sessionId, callId]);
export const indexKey = (createdAtMs: number, id: string): Key<string> =>
  encodeKey(['task-index', createdAtMs, id]);
export const agentIndexKey = (agentId: string, createdAtMs: number, id: string): Key<string> =>
  encodeKey(['task-by-agent', agentId, createdAtMs, id]);

/** The index of one agent's sessions, or of all, oldest first. The value of an index record is the session's id. */
export function indexRange(agentId: string | undefined): { start: Key<string>; end: Key<string> } {
  const range = agentId === undefined ? keysBelow(['task-index']) : keysBelow(['task-by-agent', agentId]);
  return range as { start: Key<string>; end: Key<string> };
}

/** Names the session whose hot record a swept key was, or nothing for any other key. */
export function isUseKey(key: Key): boolean {
  return key.startsWith(useKeyPrefix);
}

const useKeyPrefix: string = encodeKey(['task-use']);

/** The status at a time: a fact of the clock, whoever has noticed it. */
export function statusAt(use: UseRecord, latestMs: number): TaskStatus {
  if (use.status !== 'active') return use.status;
  return Math.max(latestMs, use.seenAtMs) >= use.expiresAtMs ? 'expired' : 'active';
}

/** A session as callers see it. */
export function sessionOf(terms: TermsRecord, use: UseRecord, latestMs: number): TaskSession {
  const { tokenSha256: _hidden, ...shown } = terms;
  const session: TaskSession = {
    ...shown,
    callBudget: use.callBudget,
    callsMade: use.callsMade,
    expiresAtMs: use.expiresAtMs,
    status: statusAt(use, latestMs),
  };
  return use.closedAtMs === null ? session : { ...session, closedAtMs: use.closedAtMs };
}
