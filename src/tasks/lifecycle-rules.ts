import {
  agentKey,
  makeTaskKeys,
  nameKey,
  sessionOf,
  statusAt,
  type TaskKeys,
  type TermsRecord,
  type UseRecord,
  useRecord,
} from './task-records.js';
import { callBudgetMax, timeLimitMsMax } from './task-limits.js';
import { exceedsParent, notFound, sessionClosed, sessionExpired } from './task-refusals.js';
import type { TaskSession, TaskSummary } from './task-types.js';
import type { Interval } from '../core/time.js';
import { parentClosed } from './use-rules.js';
import { putAgent } from './create-rules.js';
import { invalidInput, type Refused } from '../core/refusals.js';
import type { View } from '../engine/engine.js';

export function decideClose(
  view: View,
  now: Interval,
  keys: TaskKeys,
  retentionMs: number,
): { readonly ok: true; readonly summary: TaskSummary } | Refused {
  const use = view.get(keys.use);
  const terms = use && view.getConstant(keys.terms);
  if (!use || !terms) return notFound(keys.sessionId);
  if (use.status === 'closed') return sessionClosed();
  const agent = view.get(agentKey(terms.agentId));
  const closedAtMs = closeOne(view, now, keys, terms, use, retentionMs);
  if (agent?.live.some((one) => one.id === keys.sessionId)) {
    const live = agent.live.filter((one) => one.id !== keys.sessionId && one.expiresAtMs > now.earliestMs);
    putAgent(view, terms.agentId, { ...agent, live });
  }
  const elapsedMs = Math.max(0, Math.min(closedAtMs, use.expiresAtMs) - terms.createdAtMs);
  const summary: TaskSummary = {
    sessionId: keys.sessionId,
    callsMade: use.callsMade,
    callBudget: use.callBudget,
    budgetShare: use.callBudget === 0 ? 1 : use.callsMade / use.callBudget,
    elapsedMs,
    timeShare: elapsedMs / (use.expiresAtMs - terms.createdAtMs),
  };
  return { ok: true, summary };
}

/** From now on the agent gets no session. Answers how many it has. */
export function decideDeactivate(
  view: View,
  now: Interval,
  agentId: string,
): { readonly ok: true; readonly live: number } {
  const agent = view.get(agentKey(agentId));
  const live = agent?.live ?? [];
  if (!agent || agent.deactivatedAtMs === null)
    putAgent(view, agentId, { live, deactivatedAtMs: now.latestMs });
  return { ok: true, live: live.length };
}

/** Closes all live sessions of an agent. */
export function decideCloseAll(
  view: View,
  now: Interval,
  agentId: string,
  retentionMs: number,
): { readonly ok: true; readonly closed: number } {
  const agent = view.get(agentKey(agentId));
  const keys = (agent?.live ?? []).map((one) => makeTaskKeys(one.id));
  view.need(keys.flatMap((one) => [one.use, one.terms, one.closed]));
  const found = keys.map((one) => ({
    keys: one,
    use: view.get(one.use),
    terms: view.getConstant(one.terms),
  }));
  view.need(
    found.flatMap(({ terms }) => (terms?.taskName === undefined ? [] : [nameKey(agentId, terms.taskName)])),
  );
  let closed = 0;
  for (const { keys: one, use, terms } of found) {
    if (!use || !terms || statusAt(use, now.latestMs) !== 'active') continue;
    closeOne(view, now, one, terms, use, retentionMs);
    closed++;
  }
  if (agent) putAgent(view, agentId, { ...agent, live: [] });
  return { ok: true, closed };
}

/** Marks one session closed, for its own calls, for its children and for those who come back by its name. */
function closeOne(
  view: View,
  now: Interval,
  keys: TaskKeys,
  terms: TermsRecord,
  use: UseRecord,
  retentionMs: number,
): number {
  const closedAtMs = Math.max(now.latestMs, use.seenAtMs);
  const { callBudget, callsMade, expiresAtMs, rate } = use;
  view.put(keys.use, useRecord(callBudget, callsMade, expiresAtMs, rate, 'closed', closedAtMs, closedAtMs), {
    expiresAtMs: closedAtMs + retentionMs,
  });
  view.put(keys.closed, true, { expiresAtMs: terms.createdAtMs + timeLimitMsMax + retentionMs });
  if (terms.taskName !== undefined) {
    const key = nameKey(terms.agentId, terms.taskName);
    // The name may have been given to a newer session since.
    if (view.get(key)?.sessionId === keys.sessionId)
      view.put(key, { sessionId: keys.sessionId, closed: true });
  }
  return closedAtMs;
}

export function decideExtend(
  view: View,
  now: Interval,
  keys: TaskKeys,
  by: { readonly calls: number; readonly ms: number },
  retentionMs: number,
): { readonly ok: true; readonly session: TaskSession } | Refused {
  const use = view.get(keys.use);
  const terms = use && view.getConstant(keys.terms);
  if (!use || !terms) return notFound(keys.sessionId);
  const status = statusAt(use, now.latestMs);
  if (status !== 'active') return status === 'closed' ? sessionClosed() : sessionExpired();
  const orphaned = parentClosed(view, terms);
  if (orphaned) return orphaned;
  const callBudget = use.callBudget + by.calls;
  if (callBudget > callBudgetMax) {
    return invalidInput(
      'calls',
      `would make the budget ${callBudget}; at most ${callBudgetMax} are possible`,
    );
  }
  const expiresAtMs = use.expiresAtMs + by.ms;
  if (expiresAtMs > terms.createdAtMs + timeLimitMsMax) {
    const mostMs = terms.createdAtMs + timeLimitMsMax - use.expiresAtMs;
    return invalidInput('ms', `would let it live for more than 24 h; at most ${mostMs} can be added`);
  }
  const parent =
    terms.parentSessionId === undefined ? undefined : view.get(makeTaskKeys(terms.parentSessionId).use);
  if (parent && by.ms > 0 && expiresAtMs > parent.expiresAtMs) {
    return exceedsParent('ms', `the parent ends ${expiresAtMs - parent.expiresAtMs} ms earlier`);
  }
  const seenAtMs = Math.max(now.latestMs, use.seenAtMs);
  const extended = useRecord(callBudget, use.callsMade, expiresAtMs, use.rate, 'active', null, seenAtMs);
  view.validUntil(use.expiresAtMs - 1);
  view.put(keys.use, extended, { expiresAtMs: expiresAtMs + retentionMs });
  const agent = by.ms > 0 ? view.get(agentKey(terms.agentId)) : undefined;
  if (agent) {
    const live = agent.live.map((one) => (one.id === keys.sessionId ? { id: one.id, expiresAtMs } : one));
    putAgent(view, terms.agentId, { ...agent, live });
  }
  return { ok: true, session: sessionOf(terms, extended, now.latestMs) };
}

/**
 * Records that a session was seen expired, so that a store's clock that steps back does not reopen it. A transaction of
 * its own, since a refusal writes nothing.
 *
 * @param sawMs the time by which it was seen so: the clock may have stepped back since, or the session been extended
 */
export function decideSeal(
  view: View,
  now: Interval,
  keys: TaskKeys,
  sawMs: number,
  retentionMs: number,
): { readonly ok: true } {
  const use = view.get(keys.use);
  if (!use) return { ok: true };
  const seenAtMs = Math.max(now.latestMs, sawMs, use.seenAtMs);
  if (use.status === 'active' && statusAt(use, seenAtMs) === 'expired') {
    const { callBudget, callsMade, expiresAtMs, rate } = use;
    view.put(keys.use, useRecord(callBudget, callsMade, expiresAtMs, rate, 'expired', null, seenAtMs), {
      expiresAtMs: expiresAtMs + retentionMs,
    });
  }
  return { ok: true };
}
