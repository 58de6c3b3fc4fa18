import type { Refused } from '../core/refusals.js';

/** How sensitive data may be, from less to more. */
export type Sensitivity = 'public' | 'internal' | 'confidential' | 'restricted';

/** Whether a session can be used, a fact of the clock and not of a sweeper. */
export type TaskStatus = 'active' | 'closed' | 'expired';

/**
 * How fast calls may come. `gcra` lets a burst of `calls` through and then `calls` per `perMs` evenly: in any time t at
 * most calls + t · calls / perMs. `sliding`: at most `calls` in any window of `perMs`. `fixed`: at most `calls` in a
 * window that starts with its first call; up to twice that around its end.
 */
export interface RateLimit {
  /** 1 to 1,000,000; with `sliding` at most 1,000. */
  readonly calls: number;
  /** The window, 1 s to 1 h, in milliseconds. */
  readonly perMs: number;
  /** `gcra` unless said. */
  readonly algorithm?: 'gcra' | 'sliding' | 'fixed';
}

/** The terms of a new session. */
export interface TaskTermsInput {
  /** Who may use it: 1 to 255 characters. */
  readonly agentId: string;
  /** What for: not blank, at most 512 bytes. */
  readonly declaredIntent: string;
  /** A name to come back to, unique per agent: 1 to 255 characters. */
  readonly taskName?: string;
  /** Exact names or globs, at most 256 of 128 characters. Nothing is allowed unless it is written here. */
  readonly authorizedTools?: readonly string[];
  /** Names of the secrets it may use, at most 256 of 128 characters. None unless written here. */
  readonly authorizedCredentials?: readonly string[];
  /** Lifetime from creation: 1 s to 24 h; 1 h unless said. */
  readonly timeLimitMs?: number;
  /** Calls allowed: 0 to 1,000,000; 1,000 unless said. 0 refuses the first call. */
  readonly callBudget?: number;
  readonly rateLimit?: RateLimit;
  /** `internal` unless said. */
  readonly dataSensitivityCeiling?: Sensitivity;
  /** The session whose authority this one narrows. */
  readonly parentSessionId?: string;
}

/** A task session as it stands. JSON, camelCase, all times in milliseconds since 1970. */
export interface TaskSession {
  readonly sessionId: string;
  readonly agentId: string;
  readonly taskName?: string;
  readonly declaredIntent: string;
  readonly authorizedTools: readonly string[];
  readonly authorizedCredentials: readonly string[];
  readonly timeLimitMs: number;
  readonly callBudget: number;
  readonly callsMade: number;
  readonly rateLimit?: Required<RateLimit>;
  readonly dataSensitivityCeiling: Sensitivity;
  readonly parentSessionId?: string;
  /** Session ids from the root to the parent. Written by the engine, never by a caller. */
  readonly delegationChain: readonly string[];
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly closedAtMs?: number;
  readonly status: TaskStatus;
}

/** The terms a session was created with, which an extension does not change. */
export type TaskTerms = Omit<TaskSession, 'callsMade' | 'status' | 'closedAtMs'>;

/** What a call says of itself beside the tool it uses. */
export interface UseOptions {
  /** Who calls. Compared with the owner where given. */
  readonly agentId?: string;
  /** Makes the call repeatable: the same id answers the same grant and charges nothing. 1 to 128 characters. */
  readonly callId?: string;
  /** How sensitive the data of this call is; not compared where not given. */
  readonly sensitivity?: Sensitivity;
  /** The secrets this call needs. */
  readonly credentials?: readonly string[];
}

/** Said with a grant when 20 % or less of the calls or of the time is left. */
export interface TaskWarning {
  readonly code: 'BUDGET_LOW' | 'TIME_LOW';
  readonly message: string;
}

/** A granted call: counted, and as durable as the store. */
export interface Granted {
  readonly ok: true;
  readonly remaining: { readonly calls: number; readonly ms: number };
  /** One for each of budget and time of which 20 % or less are left. */
  readonly warnings: readonly TaskWarning[];
  /** The grant had been given before under this `callId`; nothing was charged now. */
  readonly replayed?: true;
}

/** What became of a session, answered when it is closed. */
export interface TaskSummary {
  readonly sessionId: string;
  readonly callsMade: number;
  readonly callBudget: number;
  /** callsMade / callBudget, 0 to 1; 1 for a budget of 0. */
  readonly budgetShare: number;
  readonly elapsedMs: number;
  /** The part of its lifetime it was open, 0 to 1. */
  readonly timeShare: number;
}

/** Which sessions to list, newest first, and which page of them. */
export interface ListOptions {
  readonly agentId?: string;
  /** A filter while walking: a page may be short, or empty, and still have a cursor. */
  readonly status?: TaskStatus;
  /** Sessions on a page: 1 to 1,000; 100 unless said. */
  readonly limit?: number;
  /** Where the last page ended. */
  readonly cursor?: string;
}

/** The terms of a session that is joined by its name, or created where there is none. */
export type OpenByNameInput = TaskTermsInput & {
  readonly taskName: string;
  /**
   * When a name that is taken starts anew: `never` (unless said), only if its session has `expired`, or also when it
   * was closed on purpose (`expired-or-closed`). An active session is always joined.
   */
  readonly renew?: 'never' | 'expired' | 'expired-or-closed';
};

type Answer<T> = Promise<({ readonly ok: true } & T) | Refused>;

/**
 * Task sessions: one is an agent's work order, checked and counted on every call.
 *
 * Every operation answers `{ ok: true, … }` or `{ ok: false, refusal }` and never rejects for an expected "no",
 * a store that cannot answer included. A `TypeError` is thrown for a wrong JavaScript type.
 */
export interface TaskSessions {
  /** Creates a session and the only copy of its token. Refuses with `TOO_MANY_SESSIONS`, `TASK_NAME_TAKEN`, `AGENT_DEACTIVATED`, `SESSION_NOT_FOUND` (the parent), `PARENT_NOT_USABLE`, `EXCEEDS_PARENT`, `INVALID_INPUT`. */
  create(terms: TaskTermsInput): Answer<{ session: TaskSession; token: string }>;
  /** Joins the session of that name, or creates it, in one transaction. Refuses a name whose session is over (`SESSION_CLOSED`, `SESSION_EXPIRED`) unless `renew` says otherwise. `terms` are those it was created with; `token` comes only with a session that was created now. */
  openByName(
    input: OpenByNameInput,
  ): Answer<{ session: TaskSession; terms: TaskTerms; created: boolean; token?: string }>;
  /** Checks one call of a tool and counts it. */
  use(sessionId: string, tool: string, options?: UseOptions): Promise<Granted | Refused>;
  /** Checks and counts several calls, all or none. */
  useBatch(sessionId: string, tools: readonly string[], options?: UseOptions): Promise<Granted | Refused>;
  /** Ends a session; its children stop at their next call. */
  close(sessionId: string): Answer<{ summary: TaskSummary }>;
  /** Adds calls or time, never past the bounds of a new session nor of its parent. */
  extend(
    sessionId: string,
    by: { readonly calls?: number; readonly ms?: number },
  ): Answer<{ session: TaskSession }>;
  get(sessionId: string): Answer<{ session: TaskSession }>;
  /** Newest first. */
  list(options?: ListOptions): Answer<{ sessions: readonly TaskSession[]; cursor?: string }>;
  /** Live sessions of an agent, exactly. */
  countActive(agentId: string): Answer<{ count: number }>;
  /** Closes all live sessions of an agent in one transaction and says how many. */
  closeAllForAgent(agentId: string): Answer<{ closed: number }>;
  /**
   * Creates no session for this agent any more, and closes those that are live. However fast it creates, it is caught up
   * with. A refusal may leave half of it done (`outcome: 'unknown'`); asking again does the rest.
   */
  deactivateAgent(agentId: string): Answer<{ closed: number }>;
  /** Finds the session a token belongs to. A token that is malformed, unknown or wrong is `SESSION_NOT_FOUND`. */
  authenticate(token: string): Answer<{ session: TaskSession }>;
  /** Forgets sessions past their retention and says how many; at most about 100,000 records a call. */
  sweep(): Answer<{ sessions: number }>;
}

/** The settings of `openAmbit({ tasks })`. */
export interface TaskSettings {
  /** Live sessions one agent may have: 1 to 1,000; 10 unless said. */
  readonly sessionsPerAgentMax?: number;
  /** How long a session that is over keeps saying so before it is not found: 0 to 365 days; 7 days unless said. */
  readonly retentionMs?: number;
}
