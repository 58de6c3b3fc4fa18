import { agentIndexKey, agentKey, indexKey, makeTaskKeys } from '../tasks/task-records.js';
import { createEngine } from '../engine/create-engine.js';
import { createTaskSessions } from '../tasks/task-sessions.js';
import type { Engine } from '../engine/engine.js';
import type { Key } from '../core/keys.js';
import { randomBytes } from 'node:crypto';
import type { Storage } from '../storage/storage.js';
import type { TaskSession, TaskSessions } from '../tasks/task-types.js';

/** What came of hammering one session from several openings of a store. */
export interface ExactnessResult {
  /** Openings of the store that called at once, each with so many calls in flight. */
  readonly openings: number;
  readonly callers: number;
  /** Calls that were granted, and what the store says was counted: the same, or the store lost or invented some. */
  readonly granted: number;
  readonly counted: number;
  /** Of a session with a budget of `budget`, so many were granted: as many, or the store is not exact. */
  readonly budget: number;
  readonly grantedOfBudget: number;
  /** What the store says was counted of that budget: as many as were granted, or it is not exact. */
  readonly countedOfBudget: number;
  /** Calls that were refused for another reason than their budget, and the first such reason. */
  readonly failed: number;
  readonly failure?: string;
  readonly callsPerSecond: number;
  readonly longestWaitMs: number;
  /** Whether nothing of the test is left in the store. */
  readonly cleanedUp: boolean;
}

const callersPerOpening = 8;

/** Fewer would be used up before all openings have joined; more would keep a slow store busy for longer than it is worth. */
const smallBudget = 100;

/** A store that has not used up a small budget by then answers a few calls a second: the rest of the test says so. */
const budgetMsMax = 5_000;

/**
 * Hammers throw-away sessions through several openings of one store, as several processes would: first one with a
 * budget it cannot use up, for a while, then one with a small budget, until it is used up. Deletes them afterwards; where
 * that fails, they go with the first sweep a day later.
 *
 * @param storages openings of the same store; they stay open
 * @param forMs how long to hammer
 */
export async function testExactness(
  storages: readonly Storage[],
  forMs: number,
  monotonicMs: () => number = () => performance.now(),
): Promise<ExactnessResult> {
  const openings = storages.map(openingOf);
  const agentId = `ambit-doctor-${randomBytes(8).toString('hex')}`;
  const sessions: TaskSession[] = [];
  // Whatever it fails with, what was found out before is what counts.
  const tryToCleanUp = (): Promise<boolean> =>
    cleanUp(first(openings).engine, agentId, sessions).catch(() => false);
  const tally: Tally = { failed: 0, failure: undefined, longestWaitMs: 0 };
  try {
    const create = async (callBudget: number): Promise<string> => {
      const created = await first(openings).tasks.create({
        agentId,
        declaredIntent: 'ambit doctor: is this store exact?',
        authorizedTools: ['probe'],
        callBudget,
        timeLimitMs: 60_000,
      });
      if (!created.ok) throw new Error(created.refusal.message);
      sessions.push(created.session);
      return created.session.sessionId;
    };
    const hammer = (sessionId: string, endMs: number): Promise<number> =>
      hammerSession(openings, sessionId, endMs, tally, monotonicMs);

    const large = await create(1_000_000);
    const startMs = monotonicMs();
    const granted = await hammer(large, startMs + forMs);
    const tookMs = monotonicMs() - startMs;
    const small = await create(smallBudget);
    const grantedOfBudget = await hammer(small, monotonicMs() + budgetMsMax);
    // Asked through an opening of its own, which remembers nothing of what the others believe to have written.
    const judge = openingOf(first(storages));
    const counted = await countOf(judge.tasks, large);
    const countedOfBudget = await countOf(judge.tasks, small);
    return {
      openings: openings.length,
      callers: callersPerOpening,
      granted,
      counted,
      budget: smallBudget,
      grantedOfBudget,
      countedOfBudget,
      failed: tally.failed,
      ...(tally.failure !== undefined && { failure: tally.failure }),
      callsPerSecond: Math.round((granted * 1_000) / tookMs),
      longestWaitMs: Math.round(tally.longestWaitMs),
      cleanedUp: await tryToCleanUp(),
    };
  } catch (error) {
    await tryToCleanUp();
    throw error;
  }
}

async function countOf(tasks: TaskSessions, sessionId: string): Promise<number> {
  const found = await tasks.get(sessionId);
  if (!found.ok) throw new Error(found.refusal.message);
  return found.session.callsMade;
}

interface Opening {
  readonly engine: Engine;
  readonly tasks: TaskSessions;
}

interface Tally {
  failed: number;
  failure: string | undefined;
  longestWaitMs: number;
}

function openingOf(storage: Storage): Opening {
  const engine = createEngine(storage, { instanceId: randomBytes(8).toString('base64url') });
  return { engine, tasks: createTaskSessions(engine, { retentionMs: 0 }) };
}

function first<Opened>(openings: readonly Opened[]): Opened {
  const [opening] = openings;
  if (!opening) throw new TypeError('testExactness needs an opening of the store');
  return opening;
}

/** Calls from all openings at once until the time or the budget is over; answers how many were granted. */
async function hammerSession(
  openings: readonly Opening[],
  sessionId: string,
  endMs: number,
  tally: Tally,
  monotonicMs: () => number,
): Promise<number> {
  let granted = 0;
  const caller = async ({ tasks }: Opening): Promise<void> => {
    let callMs = monotonicMs();
    while (callMs < endMs) {
      const answer = await tasks.use(sessionId, 'probe');
      const nowMs = monotonicMs();
      tally.longestWaitMs = Math.max(tally.longestWaitMs, nowMs - callMs);
      callMs = nowMs;
      if (answer.ok) {
        granted++;
        // On a store that answers without I/O, nobody else would get a turn.
        if (granted % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      if (answer.refusal.code === 'BUDGET_EXCEEDED') return;
      tally.failed++;
      tally.failure ??= answer.refusal.message;
      return;
    }
  };
  await Promise.all(
    openings.flatMap((opening) => Array.from({ length: callersPerOpening }, () => caller(opening))),
  );
  return granted;
}

/** Deletes every record that the test made, and looks whether they are gone. */
async function cleanUp(engine: Engine, agentId: string, sessions: readonly TaskSession[]): Promise<boolean> {
  const keys: Key[] = [
    agentKey(agentId),
    ...sessions.flatMap(({ sessionId, createdAtMs }): Key[] => {
      const { terms, use, closed } = makeTaskKeys(sessionId);
      const indexes = [indexKey(createdAtMs, sessionId), agentIndexKey(agentId, createdAtMs, sessionId)];
      return [terms, use, closed, ...indexes];
    }),
  ];
  await engine.transact(keys, (view) => {
    for (const key of keys) if (view.get(key) !== undefined) view.delete(key);
    return { ok: true as const };
  });
  const left = await engine.read(keys);
  return left.ok && left.values.every((value) => value === undefined);
}
