import {
  agentDeactivated,
  exceedsParent,
  nameTaken,
  notFound,
  parentNotUsable,
  sessionClosed,
  sessionExpired,
  tooManySessions,
} from './task-refusals.js';
import {
  agentIndexKey,
  agentKey,
  type AgentRecord,
  indexKey,
  makeTaskKeys,
  nameKey,
  sessionOf,
  statusAt,
  type TaskKeys,
  type TermsRecord,
  useRecord,
} from './task-records.js';
import { agentIdleMs, delegationDepthMax, timeLimitMsMax } from './task-limits.js';
import { isAbove, parentClosed } from './use-rules.js';
import type { OpenByNameInput, TaskSession, TaskTerms } from './task-types.js';
import type { CheckedTerms } from './task-input-rules.js';
import { globContains } from './glob-rules.js';
import type { Interval } from '../core/time.js';
import { isRefused, type Refused } from '../core/refusals.js';
import type { View } from '../engine/engine.js';

/** What a new session needs beside its terms; made outside, since a rule may run any number of times. */
export interface NewSession {
  readonly keys: TaskKeys;
  readonly tokenSha256: string;
  readonly sessionsPerAgentMax: number;
  readonly retentionMs: number;
}

interface Created {
  readonly ok: true;
  readonly session: TaskSession;
}

interface Opened extends Created {
  readonly terms: TaskTerms;
  readonly created: boolean;
}

/** Authority that a child takes from its parent. */
interface Lineage {
  readonly delegationChain: readonly string[];
  readonly expiresAtMs: number;
}

export function decideCreate(
  view: View,
  now: Interval,
  terms: CheckedTerms,
  fresh: NewSession,
): Created | Refused {
  const taken =
    terms.taskName !== undefined && view.get(nameKey(terms.agentId, terms.taskName)) !== undefined;
  if (taken) return nameTaken(terms.taskName ?? '');
  return create(view, now, terms, fresh);
}

/** Joins the session that has the name, or creates one; a name whose session is over starts anew only where asked to. */
export function decideOpen(
  view: View,
  now: Interval,
  terms: CheckedTerms & { readonly taskName: string },
  renew: NonNullable<OpenByNameInput['renew']>,
  fresh: NewSession,
): Opened | Refused {
  const name = view.get(nameKey(terms.agentId, terms.taskName));
  if (name) {
    const keys = makeTaskKeys(name.sessionId);
    const use = view.get(keys.use);
    const found = use && view.getConstant(keys.terms);
    const status = use ? statusAt(use, now.latestMs) : 'expired';
    if (found && status === 'active') {
      return {
        ok: true,
        session: sessionOf(found, use, now.latestMs),
        terms: termsOf(found),
        created: false,
      };
    }
    // The name remembers a closing for longer than the session's own records live.
    if (name.closed || status === 'closed') {
      if (renew !== 'expired-or-closed') return sessionClosed();
    } else if (renew === 'never') return sessionExpired();
  }
  const answer = create(view, now, terms, fresh);
  if (isRefused(answer)) return answer;
  const created = view.getConstant(fresh.keys.terms) as TermsRecord;
  return { ...answer, terms: termsOf(created), created: true };
}

function create(view: View, now: Interval, terms: CheckedTerms, fresh: NewSession): Created | Refused {
  const agent = view.get(agentKey(terms.agentId));
  if (agent && agent.deactivatedAtMs !== null) return agentDeactivated(terms.agentId);
  const createdAtMs = now.earliestMs;
  const lineage =
    terms.parentSessionId === undefined ? undefined : lineageOf(view, now, terms, terms.parentSessionId);
  if (lineage && isRefused(lineage)) return lineage;
  const live = (agent?.live ?? []).filter((one) => one.expiresAtMs > now.earliestMs);
  if (live.length >= fresh.sessionsPerAgentMax) {
    const firstExpiryMs = Math.min(...live.map((one) => one.expiresAtMs));
    return tooManySessions(
      terms.agentId,
      fresh.sessionsPerAgentMax,
      live.length,
      firstExpiryMs - now.earliestMs,
    );
  }
  const wantedMs = createdAtMs + terms.timeLimitMs;
  // A default gives way to the parent's time; a choice beyond it was refused.
  const expiresAtMs = lineage ? Math.min(wantedMs, lineage.expiresAtMs) : wantedMs;
  if (lineage) view.validUntil(lineage.expiresAtMs - 1);

  const record = termsRecord(terms, fresh, lineage, createdAtMs, expiresAtMs);
  const use = useRecord(terms.callBudget, 0, expiresAtMs, null, 'active', null, now.latestMs);
  const lastsMs = { expiresAtMs: createdAtMs + timeLimitMsMax + fresh.retentionMs };
  const { sessionId } = fresh.keys;
  view.insert(fresh.keys.terms, record, lastsMs);
  view.insert(fresh.keys.use, use, { expiresAtMs: expiresAtMs + fresh.retentionMs });
  view.insert(indexKey(createdAtMs, sessionId), sessionId, lastsMs);
  view.insert(agentIndexKey(terms.agentId, createdAtMs, sessionId), sessionId, lastsMs);
  if (terms.taskName !== undefined)
    view.put(nameKey(terms.agentId, terms.taskName), { sessionId, closed: false });
  putAgent(view, terms.agentId, { live: [...live, { id: sessionId, expiresAtMs }], deactivatedAtMs: null });
  return { ok: true, session: sessionOf(record, use, now.latestMs) };
}

/** Writes an agent's record, or forgets it when there is nothing left to remember. */
export function putAgent(view: View, agentId: string, agent: AgentRecord): void {
  const key = agentKey(agentId);
  if (agent.deactivatedAtMs !== null) return view.put(key, agent);
  if (agent.live.length === 0) return view.delete(key);
  const lastMs = Math.max(...agent.live.map((one) => one.expiresAtMs));
  view.put(key, agent, { expiresAtMs: lastMs + agentIdleMs });
}

/** What the parent gives, or why it does not. */
function lineageOf(view: View, now: Interval, terms: CheckedTerms, parentId: string): Lineage | Refused {
  const keys = makeTaskKeys(parentId);
  const use = view.get(keys.use);
  const parent = use && view.getConstant(keys.terms);
  if (!use || !parent) return notFound(parentId);
  const status = statusAt(use, now.latestMs);
  if (status !== 'active') return parentNotUsable(status === 'closed' ? 'was closed' : 'has expired');
  const orphaned = parentClosed(view, parent);
  if (orphaned) return orphaned;
  const delegationChain = [...parent.delegationChain, parentId];
  if (delegationChain.length > delegationDepthMax) {
    return exceedsParent('parentSessionId', `at most ${delegationDepthMax} sessions may stand above one`);
  }
  const tool = terms.authorizedTools.find(
    (one) => !parent.authorizedTools.some((outer) => globContains(outer, one)),
  );
  if (tool !== undefined)
    return exceedsParent('authorizedTools', 'one of them is wider than every one of the parent');
  if (terms.authorizedCredentials.some((one) => !parent.authorizedCredentials.includes(one))) {
    return exceedsParent('authorizedCredentials', "one of them is not the parent's");
  }
  if (isAbove(terms.dataSensitivityCeiling, parent.dataSensitivityCeiling)) {
    return exceedsParent('dataSensitivityCeiling', `the parent's is ${parent.dataSensitivityCeiling}`);
  }
  if (terms.timeLimitGiven && now.earliestMs + terms.timeLimitMs > use.expiresAtMs) {
    return exceedsParent('timeLimitMs', `the parent has ${use.expiresAtMs - now.earliestMs} ms left`);
  }
  return { delegationChain, expiresAtMs: use.expiresAtMs };
}

function termsRecord(
  terms: CheckedTerms,
  fresh: NewSession,
  lineage: Lineage | undefined,
  createdAtMs: number,
  expiresAtMs: number,
): TermsRecord {
  return {
    sessionId: fresh.keys.sessionId,
    agentId: terms.agentId,
    ...(terms.taskName === undefined ? {} : { taskName: terms.taskName }),
    declaredIntent: terms.declaredIntent,
    authorizedTools: terms.authorizedTools,
    authorizedCredentials: terms.authorizedCredentials,
    timeLimitMs: expiresAtMs - createdAtMs,
    callBudget: terms.callBudget,
    ...(terms.rateLimit === undefined ? {} : { rateLimit: terms.rateLimit }),
    dataSensitivityCeiling: terms.dataSensitivityCeiling,
    ...(terms.parentSessionId === undefined ? {} : { parentSessionId: terms.parentSessionId }),
    delegationChain: lineage?.delegationChain ?? [],
    createdAtMs,
    expiresAtMs,
    tokenSha256: fresh.tokenSha256,
  };
}

function termsOf(record: TermsRecord): TaskTerms {
  const { tokenSha256: _hidden, ...terms } = record;
  return terms;
}
