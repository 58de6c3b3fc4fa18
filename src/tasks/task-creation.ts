import { type CheckedTerms, checkTerms } from './task-input-rules.js';
import { agentKey, nameKey } from './task-records.js';
import { decideCreate, decideOpen, type NewSession } from './create-rules.js';
import type { OpenByNameInput, TaskSessions, TaskTermsInput } from './task-types.js';
import { invalidInput, isRefused } from '../core/refusals.js';
import type { Key } from '../core/keys.js';
import { newToken } from './task-tokens.js';
import { v7 as newSessionId } from 'uuid';
import type { TaskContext } from './task-context.js';

export async function createSession(
  context: TaskContext,
  input: TaskTermsInput,
): ReturnType<TaskSessions['create']> {
  const terms = checkTerms(input);
  if (isRefused(terms)) return terms;
  const { token, session } = newSession(context);
  const answer = await context.engine.transact(keysOfTerms(terms), (view, now) =>
    decideCreate(view, now, terms, session),
  );
  return answer.ok ? { ...answer, token } : answer;
}

export async function openSession(
  context: TaskContext,
  input: OpenByNameInput,
): ReturnType<TaskSessions['openByName']> {
  const terms = checkTerms(input, ['renew']);
  if (isRefused(terms)) return terms;
  const { taskName } = terms;
  if (taskName === undefined) throw new TypeError('taskName must be a string');
  const renew = input.renew ?? 'never';
  if (renew !== 'never' && renew !== 'expired' && renew !== 'expired-or-closed') {
    return invalidInput('renew', 'must be one of never, expired, expired-or-closed');
  }
  const { token, session } = newSession(context);
  const answer = await context.engine.transact(keysOfTerms(terms), (view, now) =>
    decideOpen(view, now, { ...terms, taskName }, renew, session),
  );
  return answer.ok && answer.created ? { ...answer, token } : answer;
}

/** Chance comes in here: a rule may run any number of times. */
function newSession({ known, retentionMs, sessionsPerAgentMax }: TaskContext): {
  readonly token: string;
  readonly session: NewSession;
} {
  const keys = known.add(newSessionId());
  const { token, sha256 } = newToken(keys.sessionId);
  return { token, session: { keys, tokenSha256: sha256, sessionsPerAgentMax, retentionMs } };
}

/** The keys that creating a session looks at, as far as its terms tell. */
function keysOfTerms({ agentId, taskName }: CheckedTerms): readonly Key[] {
  const agent: Key = agentKey(agentId);
  return taskName === undefined ? [agent] : [agent, nameKey(agentId, taskName)];
}
