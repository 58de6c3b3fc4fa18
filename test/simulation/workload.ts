import type { Engine } from '../../src/engine/engine.js';
import { encodeKey, type Key } from '../../src/core/keys.js';
import type { Owner, SimulatedTime } from './simulated-time.js';
import type { Refused } from '../../src/core/refusals.js';
import { refuse } from '../../src/core/refusals.js';
import type { SeededRandom } from './seeded-random.js';
import type { TaskSessions } from '../../src/tasks/task-types.js';

/** A pot of counters among which callers move points: their sum never changes. */
export interface Counter {
  readonly points: number;
  readonly moves: number;
}

export const counterNames: readonly string[] = ['a', 'b', 'c', 'd', 'e', 'f'];
export const pointsEach = 10;
export const counterKey = (name: string): Key<Counter> => encodeKey<Counter>(['counter', name]);
export const toggleKey: Key<{ readonly by: string }> = encodeKey(['toggle']);

export const cappedAgent = 'capped';
export const sessionsPerAgentMax = 3;

/** The sessions that a run begins with. */
export const sessionsAtStart: readonly { readonly callBudget: number; readonly timeLimitMs: number }[] = [
  { callBudget: 12, timeLimitMs: 3_600_000 },
  { callBudget: 1_000, timeLimitMs: 3_600_000 },
  { callBudget: 1_000, timeLimitMs: 1_000 },
  { callBudget: 30, timeLimitMs: 2_200 },
];

/** One thing a caller asked, and what it heard. */
export interface Observation {
  readonly process: string;
  readonly kind: 'use' | 'get' | 'close' | 'create' | 'move' | 'total' | 'toggle';
  readonly startedMs: number;
  /** Not there where the process died first, or nobody ever answered. */
  endedMs?: number;
  answer?: { readonly ok: boolean } & Readonly<Record<string, unknown>>;
  /** The process that asked is gone: no answer is owed. */
  readonly owner: Owner;
  readonly sessionId?: string;
  readonly calls?: number;
  readonly callId?: string;
  /** Whether it was asked again under the same `callId`, so that only the last answer counts. */
  readonly from?: string;
  readonly to?: string;
  readonly points?: number;
}

export interface CallerContext {
  readonly time: SimulatedTime;
  readonly owner: Owner;
  readonly engine: Engine;
  readonly tasks: TaskSessions;
  readonly random: SeededRandom;
  readonly sessionIds: readonly string[];
  readonly observations: Observation[];
}

type Answer = { readonly ok: boolean } & Readonly<Record<string, unknown>>;

/** One caller: asks, waits for the answer, thinks, and asks again. */
export async function runCaller(context: CallerContext, name: string, calls: number): Promise<void> {
  for (let call = 0; call < calls; call++) {
    await pause(context, context.random.whole(0, 150));
    await askSomething(context, `${name}.${call}`);
  }
}

function pause({ time, owner }: CallerContext, forMs: number): Promise<void> {
  return new Promise((resolve) => time.after(forMs, owner, resolve));
}

async function askSomething(context: CallerContext, name: string): Promise<void> {
  const { random, tasks, sessionIds } = context;
  const sessionId = random.pick(sessionIds);
  const drawn = random.whole(1, 100);
  if (drawn <= 30) return use(context, sessionId, 1);
  if (drawn <= 35) return use(context, sessionId, random.whole(2, 3));
  if (drawn <= 58) return useWithCallId(context, sessionId, name);
  if (drawn <= 68) return observe(context, { kind: 'get', sessionId }, () => tasks.get(sessionId));
  if (drawn <= 86) return move(context);
  if (drawn <= 92) return total(context);
  if (drawn <= 96) return toggle(context, name);
  if (drawn <= 99) return create(context);
  return observe(context, { kind: 'close', sessionId }, () => tasks.close(sessionId));
}

async function observe(
  context: CallerContext,
  what: Omit<Observation, 'process' | 'startedMs' | 'owner'>,
  ask: () => Promise<unknown>,
): Promise<void> {
  const { time, owner, observations } = context;
  const observation: Observation = { ...what, process: owner.name, startedMs: time.nowMs, owner };
  observations.push(observation);
  observation.answer = (await ask()) as Answer;
  observation.endedMs = time.nowMs;
}

function use(context: CallerContext, sessionId: string, calls: number): Promise<void> {
  const tools = Array.from({ length: calls }, () => 'read_file');
  return observe(context, { kind: 'use', sessionId, calls }, () =>
    calls === 1 ? context.tasks.use(sessionId, 'read_file') : context.tasks.useBatch(sessionId, tools),
  );
}

/** As a careful caller does it: a call whose outcome is not known is asked again under the same `callId`. */
function useWithCallId(context: CallerContext, sessionId: string, callId: string): Promise<void> {
  return observe(context, { kind: 'use', sessionId, calls: 1, callId }, async () => {
    for (let tries = 0; ; tries++) {
      const answer = await context.tasks.use(sessionId, 'read_file', { callId });
      if (answer.ok || answer.refusal.code !== 'STORAGE_UNAVAILABLE' || tries === 20) return answer;
      await pause(context, context.random.whole(50, 400));
    }
  });
}

function create(context: CallerContext): Promise<void> {
  const terms = {
    agentId: cappedAgent,
    declaredIntent: 'simulate',
    authorizedTools: ['*'],
    timeLimitMs: 1_500,
  };
  return observe(context, { kind: 'create' }, () => context.tasks.create(terms));
}

function move(context: CallerContext): Promise<void> {
  const { engine, random } = context;
  const from = random.pick(counterNames);
  const to = random.pick(counterNames.filter((other) => other !== from));
  const points = random.whole(1, 6);
  const [fromKey, toKey] = [counterKey(from), counterKey(to)];
  // Now and then a key is not declared, so that the body stops and runs again.
  const declared = random.chance(0.7) ? [fromKey, toKey] : [fromKey];
  return observe(context, { kind: 'move', from, to, points }, () =>
    engine.transact(declared, (view): { ok: true } | Refused => {
      const source = view.get(fromKey) as Counter;
      const target = view.get(toKey) as Counter;
      if (source.points < points)
        return refuse({ code: 'BUDGET_EXCEEDED', message: 'too few points', retryable: false });
      view.put(fromKey, { points: source.points - points, moves: source.moves + 1 });
      view.put(toKey, { points: target.points + points, moves: target.moves });
      return { ok: true };
    }),
  );
}

function total(context: CallerContext): Promise<void> {
  const keys = counterNames.map(counterKey);
  return observe(context, { kind: 'total' }, () =>
    context.engine.transact(keys, (view) => ({
      ok: true as const,
      points: keys.reduce((sum, key) => sum + (view.get(key) as Counter).points, 0),
    })),
  );
}

function toggle(context: CallerContext, name: string): Promise<void> {
  return observe(context, { kind: 'toggle', from: name }, () =>
    context.engine.transact([toggleKey], (view) => {
      const there = view.get(toggleKey) !== undefined;
      if (there) view.delete(toggleKey);
      else view.put(toggleKey, { by: name });
      return { ok: true as const, created: !there };
    }),
  );
}
