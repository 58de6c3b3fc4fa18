import type { Granted, Sensitivity, TaskWarning, UseOptions } from './task-types.js';
import {
  agentMismatch,
  budgetExceeded,
  credentialNotAuthorized,
  notFound,
  parentNotUsable,
  rateLimited,
  sensitivityExceeded,
  sessionClosed,
  sessionExpired,
  toolNotAuthorized,
} from './task-refusals.js';
import {
  callKey,
  closedKey,
  type KnownTerms,
  statusAt,
  type TaskKeys,
  type TermsRecord,
  type UseRecord,
  useRecord,
} from './task-records.js';
import { matcherOf } from './glob-rules.js';
import type { Interval } from '../core/time.js';
import { invalidInput, type Refused } from '../core/refusals.js';
import { sensitivities } from './task-input-rules.js';
import { takeRate } from './rate-rules.js';
import { timeLimitMsMax } from './task-limits.js';
import type { View } from '../engine/engine.js';

/** Checks a request in the order that is part of the contract, counts it, and remembers it under its `callId`. */
export function decideUse(
  view: View,
  now: Interval,
  keys: TaskKeys,
  tools: readonly string[],
  request: UseOptions,
  retentionMs: number,
): Granted | Refused {
  const use = view.get(keys.use);
  const known = use && (keys.known ?? lookUpTerms(view, keys));
  if (!use || !known) return notFound(keys.sessionId);
  if (request.agentId !== undefined && request.agentId !== known.terms.agentId)
    return agentMismatch(request.agentId);
  if (request.callId !== undefined) {
    const before = replay(view, keys, request.callId, tools);
    if (before) return before;
  }
  const status = statusAt(use, now.latestMs);
  if (status !== 'active') return status === 'closed' ? sessionClosed() : sessionExpired();
  const orphaned = known.isChild ? parentClosed(view, known.terms) : undefined;
  if (orphaned) return orphaned;
  const latestMs = Math.max(now.latestMs, use.seenAtMs);
  if (tools.length === 0) return granted(known, use, use.callsMade, latestMs);

  const refusal = budgetRefusal(use, tools) ?? termsRefusal(known, tools, request);
  if (refusal) return refusal;
  let { rate } = use;
  const { rateLimit } = known;
  if (rateLimit) {
    const { calls, perMs } = rateLimit;
    const decision = takeRate(rateLimit, rate, tools.length, {
      earliestMs: now.earliestMs,
      latestMs,
    });
    if (!decision.ok) return rateLimited(calls, perMs, tools.length, decision.retryAfterMs);
    rate = decision.state;
  }
  const callsMade = use.callsMade + tools.length;
  view.validUntil(use.expiresAtMs - 1);
  view.put(keys.use, useRecord(use.callBudget, callsMade, use.expiresAtMs, rate, 'active', null, latestMs), {
    expiresAtMs: use.expiresAtMs + retentionMs,
  });
  const answer = granted(known, use, callsMade, latestMs);
  if (request.callId !== undefined) {
    const { remaining, warnings } = answer;
    const expiresAtMs = known.createdAtMs + timeLimitMsMax + retentionMs;
    view.put(callKey(keys.sessionId, request.callId), { tools, remaining, warnings }, { expiresAtMs });
  }
  return answer;
}

function lookUpTerms(view: View, keys: TaskKeys): KnownTerms | undefined {
  const terms = view.getConstant(keys.terms);
  if (!terms) return undefined;
  const { rateLimit, createdAtMs } = terms;
  const isChild = terms.delegationChain.length > 0;
  keys.known = { terms, matcher: matcherOf(terms.authorizedTools), rateLimit, isChild, createdAtMs };
  return keys.known;
}

/** The refusal of a session one of whose ancestors was closed, or nothing. */
export function parentClosed(view: View, terms: TermsRecord): Refused | undefined {
  const ancestors = terms.delegationChain.map(closedKey);
  view.need(ancestors);
  return ancestors.some((key) => view.get(key) !== undefined) ? parentNotUsable('was closed') : undefined;
}

/** The grant that was given under this `callId`, or nothing if there was none. */
function replay(
  view: View,
  keys: TaskKeys,
  callId: string,
  tools: readonly string[],
): Granted | Refused | undefined {
  const call = view.get(callKey(keys.sessionId, callId));
  if (!call) return undefined;
  const same = call.tools.length === tools.length && call.tools.every((tool, index) => tool === tools[index]);
  if (!same) return invalidInput('callId', 'was used for another call; give every call an id of its own');
  return { ok: true, remaining: call.remaining, warnings: call.warnings, replayed: true };
}

function budgetRefusal(use: UseRecord, tools: readonly string[]): Refused | undefined {
  const asked = tools.length;
  return use.callsMade + asked > use.callBudget
    ? budgetExceeded(use.callBudget, use.callsMade, asked)
    : undefined;
}

function termsRefusal(
  { matcher, terms }: KnownTerms,
  tools: readonly string[],
  request: UseOptions,
): Refused | undefined {
  for (const tool of tools) if (!matcher.matches(tool)) return toolNotAuthorized(tool);
  if (request.credentials) {
    const missing = request.credentials.find((one) => !terms.authorizedCredentials.includes(one));
    if (missing !== undefined) return credentialNotAuthorized(missing);
  }
  const { sensitivity } = request;
  if (sensitivity !== undefined && isAbove(sensitivity, terms.dataSensitivityCeiling)) {
    return sensitivityExceeded(sensitivity, terms.dataSensitivityCeiling);
  }
  return undefined;
}

/** Whether a level is more sensitive than another. */
export function isAbove(level: Sensitivity, ceiling: Sensitivity): boolean {
  return sensitivities.indexOf(level) > sensitivities.indexOf(ceiling);
}

const noWarnings: readonly TaskWarning[] = [];

function granted(terms: KnownTerms, use: UseRecord, callsMade: number, latestMs: number): Granted {
  const calls = use.callBudget - callsMade;
  const ms = use.expiresAtMs - latestMs;
  const budgetLow = calls * 5 <= use.callBudget;
  const timeLow = ms * 5 <= use.expiresAtMs - terms.createdAtMs;
  const warnings = budgetLow || timeLow ? warningsOf(budgetLow, timeLow, calls, ms) : noWarnings;
  return { ok: true, remaining: { calls, ms }, warnings };
}

function warningsOf(budgetLow: boolean, timeLow: boolean, calls: number, ms: number): TaskWarning[] {
  const warnings: TaskWarning[] = [];
  if (budgetLow)
    warnings.push({ code: 'BUDGET_LOW', message: `${calls} calls are left; finish what matters most` });
  if (timeLow)
    warnings.push({
      code: 'TIME_LOW',
      message: `${Math.ceil(ms / 1_000)} s are left; finish what matters most`,
    });
  return warnings;
}
