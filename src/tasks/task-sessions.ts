import { agentKey, isUseKey } from './task-records.js';
import { badToken, notFound } from './task-refusals.js';
import { checkAgentId, checkAmount, checkCall, checkListOptions } from './task-input-rules.js';
import { createKnownKeys, find, sealing, type TaskContext } from './task-context.js';
import { createSession, openSession } from './task-creation.js';
import { decideClose, decideCloseAll, decideDeactivate, decideExtend } from './lifecycle-rules.js';
import type { Granted, TaskSessions, TaskSettings, UseOptions } from './task-types.js';
import { isToken, sessionIdOf } from './task-tokens.js';
import {
  retentionMsDefault,
  retentionMsMax,
  sessionsPerAgentDefault,
  sessionsPerAgentMax,
  sweepBatchesMax,
  sweepBatchMax,
} from './task-limits.js';
import { AmbitError } from '../core/errors.js';
import { decideUse } from './use-rules.js';
import type { Body, Engine } from '../engine/engine.js';
import { listSessions } from './task-listing.js';
import { invalidInput, type Refused } from '../core/refusals.js';

/**
 * Task sessions over an engine. Thin: checks what comes in, and hands pure rules to the engine.
 *
 * @throws AmbitError `INVALID_INPUT` for settings out of their bounds
 */
export function createTaskSessions(engine: Engine, settings: TaskSettings = {}): TaskSessions {
  const context: TaskContext = { engine, ...checkedSettings(settings), known: createKnownKeys() };
  return {
    create: (terms) => createSession(context, terms),
    openByName: (input) => openSession(context, input),
    use: (sessionId, tool, options) => useAll(context, sessionId, [tool], options),
    useBatch: (sessionId, tools, options) => useAll(context, sessionId, tools, options),
    close: (sessionId) => closeSession(context, sessionId),
    extend: (sessionId, by) => extendSession(context, sessionId, by),

    async get(sessionId) {
      const keys = context.known.of(sessionId);
      const answer = keys ? await find(context, keys) : notFound(sessionId);
      return answer.ok ? { ok: true, session: answer.session } : answer;
    },

    async list(options = {}) {
      return checkListOptions(options) ?? listSessions(engine, options);
    },

    async countActive(agentId) {
      const wrong = checkAgentId(agentId);
      if (wrong) return wrong;
      const key = agentKey(agentId);
      return engine.transact([key], (view, now) => {
        const live = view.get(key)?.live ?? [];
        return { ok: true as const, count: live.filter((one) => one.expiresAtMs > now.latestMs).length };
      });
    },

    closeAllForAgent: (agentId) => closeAll(context, agentId),
    deactivateAgent: (agentId) => deactivate(context, agentId),
    authenticate: (token) => authenticate(context, token),
    sweep: () => sweep(context),
  };
}

const noOptions: UseOptions = Object.freeze({});

async function useAll(
  context: TaskContext,
  sessionId: string,
  tools: readonly string[],
  options: UseOptions = noOptions,
): Promise<Granted | Refused> {
  const keys = context.known.of(sessionId);
  const wrong = checkCall(tools, options === noOptions ? undefined : options);
  if (wrong) return wrong;
  if (!keys) return notFound(sessionId);
  const { engine, retentionMs } = context;
  let sawMs = 0;
  const decide: Body<Granted | Refused> = (view, now) => {
    sawMs = now.latestMs;
    return decideUse(view, now, keys, tools, options, retentionMs);
  };
  const answer = engine.transactAtOnce
    ? engine.transactAtOnce(decide)
    : await engine.transact(keys.touched, decide, keys.known ? undefined : keys.constants);
  return answer.ok ? answer : sealing<Granted>(context, keys, answer, sawMs);
}

async function closeSession(context: TaskContext, sessionId: string): ReturnType<TaskSessions['close']> {
  const keys = context.known.of(sessionId);
  if (!keys) return notFound(sessionId);
  return context.engine.transact(
    [keys.use, keys.closed],
    (view, now) => decideClose(view, now, keys, context.retentionMs),
    keys.constants,
  );
}

async function extendSession(
  context: TaskContext,
  sessionId: string,
  by: { readonly calls?: number; readonly ms?: number },
): ReturnType<TaskSessions['extend']> {
  const keys = context.known.of(sessionId);
  if (typeof by !== 'object' || by === null) throw new TypeError('an extension must be an object');
  const unknown = Object.keys(by).find((field) => field !== 'calls' && field !== 'ms');
  if (unknown !== undefined) {
    return invalidInput(unknown, 'is not a field of an extension; give calls or ms');
  }
  const wrong = checkAmount('calls', by.calls) ?? checkAmount('ms', by.ms);
  if (wrong) return wrong;
  if (by.calls === undefined && by.ms === undefined) return invalidInput('calls', 'or ms must be given');
  if (!keys) return notFound(sessionId);
  const amount = { calls: by.calls ?? 0, ms: by.ms ?? 0 };
  let sawMs = 0;
  const answer = await context.engine.transact(
    keys.touched,
    (view, now) => {
      sawMs = now.latestMs;
      return decideExtend(view, now, keys, amount, context.retentionMs);
    },
    keys.constants,
  );
  return sealing(context, keys, answer, sawMs);
}

async function closeAll(
  { engine, retentionMs }: TaskContext,
  agentId: string,
): ReturnType<TaskSessions['closeAllForAgent']> {
  const wrong = checkAgentId(agentId);
  if (wrong) return wrong;
  return engine.transact([agentKey(agentId)], (view, now) => decideCloseAll(view, now, agentId, retentionMs));
}

/**
 * In two transactions: first no more sessions, then an end to those there are. In one, an agent that creates session
 * after session would keep its deactivation from ever catching up with them.
 */
async function deactivate(
  context: TaskContext,
  agentId: string,
): ReturnType<TaskSessions['deactivateAgent']> {
  const wrong = checkAgentId(agentId);
  if (wrong) return wrong;
  const stopped = await context.engine.transact([agentKey(agentId)], (view, now) =>
    decideDeactivate(view, now, agentId),
  );
  if (!stopped.ok) return stopped;
  if (stopped.live === 0) return { ok: true, closed: 0 };
  const answer = await closeAll(context, agentId);
  // Half of it is done, and asking again does the rest.
  return answer.ok ? answer : { ok: false, refusal: { ...answer.refusal, outcome: 'unknown' } };
}

async function authenticate(context: TaskContext, token: string): ReturnType<TaskSessions['authenticate']> {
  if (typeof token !== 'string') throw new TypeError('token must be a string');
  const sessionId = sessionIdOf(token);
  const keys = sessionId === undefined ? undefined : context.known.of(sessionId);
  if (!keys) return badToken();
  const answer = await find(context, keys);
  // An unknown session and a wrong secret are answered alike.
  if (!answer.ok) return answer.refusal.code === 'SESSION_NOT_FOUND' ? badToken() : answer;
  return isToken(token, answer.tokenSha256) ? { ok: true, session: answer.session } : badToken();
}

async function sweep({ engine }: TaskContext): ReturnType<TaskSessions['sweep']> {
  let sessions = 0;
  for (let batch = 0; batch < sweepBatchesMax; batch++) {
    const answer = await engine.sweep(sweepBatchMax);
    if (!answer.ok) return answer;
    sessions += answer.keys.filter(isUseKey).length;
    if (answer.keys.length < sweepBatchMax) break;
  }
  return { ok: true, sessions };
}

function checkedSettings(settings: TaskSettings): Pick<TaskContext, 'retentionMs' | 'sessionsPerAgentMax'> {
  const unknown = Object.keys(settings).find(
    (name) => name !== 'retentionMs' && name !== 'sessionsPerAgentMax',
  );
  if (unknown !== undefined)
    throw new AmbitError(
      'INVALID_INPUT',
      `tasks.${unknown} is no setting; give retentionMs or sessionsPerAgentMax`,
    );
  const bounded = (name: string, value: number, min: number, max: number): number => {
    if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
    const bounds = `it must be a whole number from ${min} to ${max}`;
    throw new AmbitError('INVALID_INPUT', `tasks.${name} is ${value}; ${bounds}`);
  };
  const perAgent = settings.sessionsPerAgentMax ?? sessionsPerAgentDefault;
  return {
    retentionMs: bounded('retentionMs', settings.retentionMs ?? retentionMsDefault, 0, retentionMsMax),
    sessionsPerAgentMax: bounded('sessionsPerAgentMax', perAgent, 1, sessionsPerAgentMax),
  };
}
