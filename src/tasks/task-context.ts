import { makeTaskKeys, sessionOf, statusAt, type TaskKeys } from './task-records.js';
import { decideSeal } from './lifecycle-rules.js';
import type { Engine } from '../engine/engine.js';
import { notFound } from './task-refusals.js';
import type { Refused } from '../core/refusals.js';
import type { TaskSession } from './task-types.js';

/** What every operation of task sessions stands on. */
export interface TaskContext {
  readonly engine: Engine;
  readonly retentionMs: number;
  readonly sessionsPerAgentMax: number;
  readonly known: KnownKeys;
}

/** Keys, and compiled patterns, of sessions used lately: made anew for each call they would cost more than the checks. */
export interface KnownKeys {
  /** The keys of a session, or nothing for what cannot be the id of one. Throws `TypeError` for what is no string. */
  of(sessionId: string): TaskKeys | undefined;
  /** The keys of a session that is being created. */
  add(sessionId: string): TaskKeys;
}

/** Sessions of which keys are kept; past it all are forgotten, which costs each of them one look more. */
const knownKeysMax = 20_000;

const sessionIdForm = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function createKnownKeys(): KnownKeys {
  const known = new Map<string, TaskKeys>();
  const add = (sessionId: string): TaskKeys => {
    if (known.size >= knownKeysMax) known.clear();
    const keys = makeTaskKeys(sessionId);
    known.set(sessionId, keys);
    return keys;
  };
  return {
    add,
    of(sessionId) {
      const keys = known.get(sessionId);
      if (keys) return keys;
      if (typeof sessionId !== 'string') throw new TypeError('sessionId must be a string');
      return sessionIdForm.test(sessionId) ? add(sessionId) : undefined;
    },
  };
}

/**
 * Records that a session was seen expired. Whether this succeeds changes nothing for its caller; once it did, no clock
 * reopens the session.
 *
 * @param sawMs the time by which it was: the clock may have been set back since
 */
async function seal({ engine, retentionMs }: TaskContext, keys: TaskKeys, sawMs: number): Promise<void> {
  await engine.transact(keys.touched, (view, now) => decideSeal(view, now, keys, sawMs, retentionMs));
}

/** Seals the session of an answer that says that its time is over at `sawMs`, and passes the answer on. */
export async function sealing<T extends { readonly ok: true }>(
  context: TaskContext,
  keys: TaskKeys,
  answer: T | Refused,
  sawMs: number,
): Promise<T | Refused> {
  if (!answer.ok && answer.refusal.code === 'SESSION_EXPIRED') await seal(context, keys, sawMs);
  return answer;
}

/** A session as it stands, true of the store. */
export async function find(
  context: TaskContext,
  keys: TaskKeys,
): Promise<{ readonly ok: true; readonly session: TaskSession; readonly tokenSha256: string } | Refused> {
  const answer = await context.engine.transact(
    keys.touched,
    (view, now) => {
      const use = view.get(keys.use);
      const terms = use && view.getConstant(keys.terms);
      if (!use || !terms) return notFound(keys.sessionId);
      const unsealed = use.status === 'active' && statusAt(use, now.latestMs) === 'expired';
      const session = sessionOf(terms, use, now.latestMs);
      const { tokenSha256 } = terms;
      return { ok: true as const, session, tokenSha256, unsealed, sawMs: now.latestMs };
    },
    keys.constants,
  );
  if (answer.ok && answer.unsealed) await seal(context, keys, answer.sawMs);
  return answer;
}
