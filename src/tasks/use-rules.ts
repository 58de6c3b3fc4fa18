import type { Granted, Sensitivity, TaskWarning } from './task-types.js';
import {
  agentMismatch,
  budgetExceeded,
  credentialNotAuthorized,
  invalidInput,
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
  statusAt,
  type TaskKeys,
  type TermsRecord,
  type UseRecord,
  useRecord,
} from './task-records.js';
import { compileGlobs } from './glob-rules.js';
import type { Interval } from '../core/time.js';
import type { Refused } from '../core/refusals.js';
import { sensitivities } from './task-input-rules.js';
import { takeRate } from './rate-rules.js';
import { timeLimitMsMax } from './task-limits.js';
import type { View } from '../engine/engine.js';

/** One call, or several that are granted or refused together. */
export interface UseRequest {
  readonly tools: readonly string[];
  readonly agentId: string | undefined;
  readonly callId: string | undefined;
  readonly sensitivity: Sensitivity | undefined;
  readonly credentials: readonly string[] | undefined;
}

/** Checks a request in the order that is part of the contract, counts it, and remembers it under its `callId`. */
export function decideUse(
  view: View,
  now: Interval,
  keys: TaskKeys,
  request: UseRequest,
  retentionMs: number,
): Granted | Refused {
  const use = view.get(keys.use);
  const terms = use && view.getConstant(keys.terms);
  if (!use || !terms) return notFound(keys.sessionId);
  if (request.agentId !== undefined && request.agentId !== terms.agentId)
    return agentMismatch(request.agentId);
  if (request.callId !== undefined) {
    const before = replay(view, keys, request.callId, request.tools);
    if (before) return before;
  }
  const status = statusAt(use, now.latestMs);
  if (status !== 'active') return status === 'closed' ? sessionClosed() : sessionExpired();
  const orphaned = terms.delegationChain.length > 0 ? parentClosed(view, terms) : undefined;
  if (orphaned) return orphaned;
  const latestMs = Math.max(now.latestMs, use.seenAtMs);
  if (request.tools.length === 0) return granted(terms, use, use.callsMade, latestMs);

  const refusal = budgetRefusal(use, request) ?? termsRefusal(keys, terms, request);
  if (refusal) return refusal;
  let { rate } = use;
  if (terms.rateLimit) {
    const { calls, perMs } = terms.rateLimit;
    const decision = takeRate(terms.rateLimit, rate, request.tools.length, {
      earliestMs: now.earliestMs,
      latestMs,
    });
    if (!decision.ok) return rateLimited(calls, perMs, request.tools.length, decision.retryAfterMs);
    rate = decision.state;
  }
  const callsMade = use.callsMade + request.tools.length;
  view.validUntil(use.expiresAtMs - 1);
  view.put(keys.use, useRecord(use.callBudget, callsMade, use.expiresAtMs, rate, 'active', null, latestMs), {
    expiresAtMs: use.expiresAtMs + retentionMs,
  });
  const answer = granted(terms, use, callsMade, latestMs);
  if (request.callId !== undefined) {
    const { remaining, warnings } = answer;
    const expiresAtMs = terms.createdAtMs + timeLimitMsMax + retentionMs;
    view.put(
      callKey(keys.sessionId, request.callId),
      { tools: request.tools, remaining, warnings },
      { expiresAtMs },
    );
  }
  return answer;
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

function budgetRefusal(use: UseRecord, request: UseRequest): Refused | undefined {
  const asked = request.tools.length;
  return use.callsMade + asked > use.callBudget
    ? budgetExceeded(use.callBudget, use.callsMade, asked)
    : undefined;
}

function termsRefusal(keys: TaskKeys, terms: TermsRecord, request: UseRequest): Refused | undefined {
  const matcher = (keys.matcher ??= compileGlobs(terms.authorizedTools));
  for (const tool of request.tools) if (!matcher.matches(tool)) return toolNotAuthorized(tool);
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

function granted(terms: TermsRecord, use: UseRecord, callsMade: number, latestMs: number): Granted {
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
