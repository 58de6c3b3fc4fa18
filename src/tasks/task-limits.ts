import { dayMs, hourMs, secondMs } from '../core/time.js';

/** UTF-16 units in an agent id, a task name and the name of a tool that is called. Two of them must fit into one key. */
export const nameCharsMax = 255;

/** Bytes of UTF-8 in a declared intent. It is copied into logs and tables: a sentence, not a document. */
export const intentBytesMax = 512;

/** Tools, or credentials, one session may name. Its terms are one record, and every call is matched against them. */
export const authorizationsMax = 256;

/** UTF-16 units in an authorized tool or credential. The proof that glob containment is exact needs a bound like this. */
export const authorizationCharsMax = 128;

/** UTF-16 units in a `callId`. It is part of a key. */
export const callIdCharsMax = 128;

/** Calls in one batch. Larger ones would hold the event loop while they are checked, and everybody behind them waits. */
export const batchCallsMax = 1_000;

export const callBudgetDefault = 1_000;

/** A leash longer than this is none; it also keeps every sum of calls far below 2^53. */
export const callBudgetMax = 1_000_000;

export const timeLimitMsDefault: number = hourMs;
/** Shorter than this, a session is over before its first call has crossed a network. */
export const timeLimitMsMin: number = secondMs;
/** From creation, extensions included. Records that no extension touches live this long, and their retention. */
export const timeLimitMsMax: number = dayMs;

export const rateCallsMax = 1_000_000;
/** `sliding` remembers every grant of its window in the record that each call rewrites. */
export const rateSlidingCallsMax = 1_000;
/** Below a second the store's own latency decides what passes, not the limit. */
export const ratePerMsMin: number = secondMs;
/** With `rateCallsMax` it keeps `perMs * calls` below 2^53: rate arithmetic is exact in integers. */
export const ratePerMsMax: number = hourMs;

export const sessionsPerAgentDefault = 10;
/** Closing all of them is one transaction of three keys each: more would pass what a transaction may touch. */
export const sessionsPerAgentMax = 1_000;

export const retentionMsDefault: number = 7 * dayMs;
/** Longer, and records nobody reads outgrow the store. */
export const retentionMsMax: number = 365 * dayMs;

/** Sessions above a child, root included. Every call of it looks at each of them. */
export const delegationDepthMax = 10;

/** How long an agent's record outlives its last live session: one-shot agents must not pile up, a clock may be set. */
export const agentIdleMs: number = dayMs;

export const listLimitDefault = 100;
export const listLimitMax = 1_000;
/** Index records walked for one page: a filter that matches nothing must not walk a million of them in one call. */
export const listWalkMax = 1_000;

/** Records one batch of a sweep deletes: others wait for the store meanwhile. */
export const sweepBatchMax = 1_000;
/** Batches of one `sweep`: a call that never returns cannot be stopped. */
export const sweepBatchesMax = 100;
