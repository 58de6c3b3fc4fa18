import {
  agentKey,
  isUseKey,
  makeTaskKeys,
  nameKey,
  sessionOf,
  statusAt,
  type TaskKeys,
} from './task-records.js';
import { badToken, invalidInput, notFound } from './task-refusals.js';
import { checkAgentId, checkAmount, checkCall, type CheckedTerms, checkTerms } from './task-input-rules.js';
import { decideClose, decideCloseAll, decideExtend, decideSeal } from './lifecycle-rules.js';
import { decideCreate, decideOpen, type NewSession } from './create-rules.js';
import type { Granted, TaskSession, TaskSessions, TaskSettings, UseOptions } from './task-types.js';
import { isRefused, type Refused } from '../core/refusals.js';
import { isToken, newToken, sessionIdOf } from './task-tokens.js';
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
import type { Engine } from '../engine/engine.js';
import type { Key } from '../core/keys.js';
import { listSessions } from './task-listing.js';
import { v7 as newSessionId } from 'uuid';

/** Keys, and compiled patterns, of sessions used lately: made anew for each call they would cost more than the checks. */
const knownKeysMax = 20_000;

const sessionIdForm = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const noOptions: UseOptions = Object.freeze({});

/**
 * Task sessions over an engine. Thin: checks what comes in, and hands pure rules to the engine.
 *
 * @throws AmbitError `INVALID_INPUT` for settings out of their bounds
 */
export function createTaskSessions(engine: Engine, settings: TaskSettings = {}): TaskSessions {
  const { retentionMs, perAgentMax } = checkedSettings(settings);
  let known = new Map<string, TaskKeys>();

  /** The keys of a session, or nothing for what cannot be the id of one. */
  function keysOf(sessionId: string): TaskKeys | undefined {
    const keys = known.get(sessionId);
    return keys ?? makeKeys(sessionId);
  }

  function makeKeys(sessionId: string): TaskKeys | undefined {
    if (typeof sessionId !== 'string') throw new TypeError('sessionId must be a string');
    if (!sessionIdForm.test(sessionId)) return undefined;
    if (known.size >= knownKeysMax) known = new Map();
    const keys = makeTaskKeys(sessionId);
    known.set(sessionId, keys);
    return keys;
  }

  async function useAll(
    sessionId: string,
    tools: readonly string[],
    options: UseOptions = noOptions,
  ): Promise<Granted | Refused> {
    const keys = keysOf(sessionId);
    const wrong = checkCall(tools, options === noOptions ? undefined : options);
    if (wrong) return wrong;
    if (!keys) return notFound(sessionId);
    const { agentId, callId, sensitivity, credentials } = options;
    const request = { tools, agentId, callId, sensitivity, credentials };
    const answer = await engine.transact(
      keys.touched,
      (view, now) => decideUse(view, now, keys, request, retentionMs),
      keys.constants,
    );
    if (!answer.ok && answer.refusal.code === 'SESSION_EXPIRED') await seal(keys);
    return answer;
  }

  /** Whether this succeeds changes nothing for its caller; once it did, no clock reopens the session. */
  async function seal(keys: TaskKeys): Promise<void> {
    await engine.transact(keys.touched, (view, now) => decideSeal(view, now, keys, retentionMs));
  }

  function fresh(): { readonly token: string; readonly session: NewSession } {
    const keys = makeTaskKeys(newSessionId());
    const { token, sha256 } = newToken(keys.sessionId);
    return { token, session: { keys, tokenSha256: sha256, sessionsPerAgentMax: perAgentMax, retentionMs } };
  }

  async function find(
    keys: TaskKeys,
  ): Promise<{ ok: true; session: TaskSession; tokenSha256: string } | Refused> {
    const answer = await engine.transact(
      keys.touched,
      (view, now) => {
        const use = view.get(keys.use);
        const terms = use && view.getConstant(keys.terms);
        if (!use || !terms) return notFound(keys.sessionId);
        const unsealed = use.status === 'active' && statusAt(use, now.latestMs) === 'expired';
        const session = sessionOf(terms, use, now.latestMs);
        return { ok: true as const, session, tokenSha256: terms.tokenSha256, unsealed };
      },
      keys.constants,
    );
    if (answer.ok && answer.unsealed) await seal(keys);
    return answer;
  }

  async function closeAll(
    agentId: string,
    deactivate: boolean,
  ): Promise<{ ok: true; closed: number } | Refused> {
    const wrong = checkAgentId(agentId);
    if (wrong) return wrong;
    return engine.transact([agentKey(agentId)], (view, now) =>
      decideCloseAll(view, now, agentId, deactivate, retentionMs),
    );
  }

  return {
    async create(input) {
      const terms = checkTerms(input);
      if (isRefused(terms)) return terms;
      const { token, session } = fresh();
      const answer = await engine.transact(keysOfTerms(terms), (view, now) =>
        decideCreate(view, now, terms, session),
      );
      return answer.ok ? { ...answer, token } : answer;
    },

    async openByName(input) {
      const terms = checkTerms(input, ['renew']);
      if (isRefused(terms)) return terms;
      const { taskName } = terms;
      if (taskName === undefined) throw new TypeError('taskName must be a string');
      const renew = input.renew ?? 'never';
      if (renew !== 'never' && renew !== 'expired' && renew !== 'expired-or-closed') {
        return invalidInput('renew', 'must be one of never, expired, expired-or-closed');
      }
      const { token, session } = fresh();
      const answer = await engine.transact(keysOfTerms(terms), (view, now) =>
        decideOpen(view, now, { ...terms, taskName }, renew, session),
      );
      return answer.ok && answer.created ? { ...answer, token } : answer;
    },

    use: (sessionId, tool, options) => useAll(sessionId, [tool], options),
    useBatch: useAll,

    async close(sessionId) {
      const keys = keysOf(sessionId);
      if (!keys) return notFound(sessionId);
      return engine.transact(
        [keys.use, keys.closed],
        (view, now) => decideClose(view, now, keys, retentionMs),
        keys.constants,
      );
    },

    async extend(sessionId, by) {
      const keys = keysOf(sessionId);
      if (typeof by !== 'object' || by === null) throw new TypeError('an extension must be an object');
      const unknown = Object.keys(by).find((field) => field !== 'calls' && field !== 'ms');
      if (unknown !== undefined)
        return invalidInput(unknown, 'is not a field of an extension; give calls or ms');
      const wrong = checkAmount('calls', by.calls) ?? checkAmount('ms', by.ms);
      if (wrong) return wrong;
      if (by.calls === undefined && by.ms === undefined) return invalidInput('calls', 'or ms must be given');
      if (!keys) return notFound(sessionId);
      const amount = { calls: by.calls ?? 0, ms: by.ms ?? 0 };
      const answer = await engine.transact(
        keys.touched,
        (view, now) => decideExtend(view, now, keys, amount, retentionMs),
        keys.constants,
      );
      if (!answer.ok && answer.refusal.code === 'SESSION_EXPIRED') await seal(keys);
      return answer;
    },

    async get(sessionId) {
      const keys = keysOf(sessionId);
      const answer = keys ? await find(keys) : notFound(sessionId);
      return answer.ok ? { ok: true, session: answer.session } : answer;
    },

    async list(options = {}) {
      const wrong = options.agentId === undefined ? undefined : checkAgentId(options.agentId);
      return wrong ?? listSessions(engine, options);
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

    closeAllForAgent: (agentId) => closeAll(agentId, false),
    deactivateAgent: (agentId) => closeAll(agentId, true),

    async authenticate(token) {
      if (typeof token !== 'string') throw new TypeError('token must be a string');
      const sessionId = sessionIdOf(token);
      const keys = sessionId === undefined ? undefined : keysOf(sessionId);
      if (!keys) return badToken();
      const answer = await find(keys);
      if (!answer.ok) return answer.refusal.code === 'SESSION_NOT_FOUND' ? badToken() : answer;
      return isToken(token, answer.tokenSha256) ? { ok: true, session: answer.session } : badToken();
    },

    async sweep() {
      let sessions = 0;
      for (let batch = 0; batch < sweepBatchesMax; batch++) {
        const answer = await engine.sweep(sweepBatchMax);
        if (!answer.ok) return answer;
        sessions += answer.keys.filter(isUseKey).length;
        if (answer.keys.length < sweepBatchMax) break;
      }
      return { ok: true, sessions };
    },
  };
}

/** The keys that creating a session looks at, as far as its terms tell. */
function keysOfTerms({ agentId, taskName }: CheckedTerms): readonly Key[] {
  const agent: Key = agentKey(agentId);
  return taskName === undefined ? [agent] : [agent, nameKey(agentId, taskName)];
}

function checkedSettings(settings: TaskSettings): {
  readonly retentionMs: number;
  readonly perAgentMax: number;
} {
  const bounded = (name: string, value: number, min: number, max: number): number => {
    if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
    throw new AmbitError(
      'INVALID_INPUT',
      `tasks.${name} is ${value}; it must be a whole number from ${min} to ${max}`,
    );
  };
  return {
    retentionMs: bounded('retentionMs', settings.retentionMs ?? retentionMsDefault, 0, retentionMsMax),
    perAgentMax: bounded(
      'sessionsPerAgentMax',
      settings.sessionsPerAgentMax ?? sessionsPerAgentDefault,
      1,
      sessionsPerAgentMax,
    ),
  };
}
