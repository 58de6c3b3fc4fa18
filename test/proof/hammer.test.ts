import { type Ambit, openAmbit } from 'ambit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { proofStores, sharedStores } from './proof-stores.js';
import { backends } from '../storage/backends.js';
import { report, sized } from './figures.js';
import { startChild } from './proof-processes.js';

const terms = (agentId: string) => ({ agentId, declaredIntent: 'a proof', authorizedTools: ['read_file'] });

async function opened(storage: string, sessionsPerAgentMax = 1_000): Promise<Ambit> {
  const ambit = await openAmbit({ storage, sweepEveryMs: false, tasks: { sessionsPerAgentMax } });
  onTestFinished(() => ambit.close());
  return ambit;
}

async function sessionOf(ambit: Ambit, callBudget: number): Promise<string> {
  const created = await ambit.tasks.create({ ...terms('agent'), callBudget });
  if (!created.ok) throw new Error(created.refusal.message);
  return created.session.sessionId;
}

async function callsMade(ambit: Ambit, sessionId: string): Promise<number> {
  const answer = await ambit.tasks.get(sessionId);
  if (!answer.ok) throw new Error(answer.refusal.message);
  return answer.session.callsMade;
}

/** What all processes counted, added up. */
function total(counts: readonly unknown[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const one of counts as Record<string, number>[]) {
    for (const [code, count] of Object.entries(one)) sums[code] = (sums[code] ?? 0) + count;
  }
  return sums;
}

/** Starts processes, lets them begin together once all of them are ready, and answers what each said at its end. */
async function together(count: number, scenario: string, options: object): Promise<unknown[]> {
  const children = Array.from({ length: count }, () => startChild(scenario, options));
  expect(await Promise.all(children.map((child) => child.next()))).toEqual(Array(count).fill('ready'));
  for (const child of children) child.go();
  const said = await Promise.all(children.map((child) => child.rest()));
  expect(await Promise.all(children.map((child) => child.ended))).toEqual(Array(count).fill(0));
  return said.flat();
}

test('every backend is hammered', () => {
  expect(proofStores.map(({ name }) => name)).toEqual(
    expect.arrayContaining(backends.map(({ name }) => name)),
  );
});

/** The long form does the same with so many times the calls. */
const times = sized(1, 5);

describe.each(sharedStores)('processes on one store: $name', ({ name, hammer, createUrl }) => {
  const [calls, budget] = [hammer.calls * times, hammer.budget * times];
  test(
    `8 of them call ${calls} times each: exactly ${budget} calls are granted`,
    { timeout: 300_000 },
    async () => {
      const storage = await createUrl();
      const ambit = await opened(storage);
      const sessionId = await sessionOf(ambit, budget);
      const counts = await together(8, 'use', { storage, sessionId, calls, inFlight: 16 });
      expect(counts).toHaveLength(8);
      expect(total(counts)).toEqual({ ok: budget, BUDGET_EXCEEDED: 8 * calls - budget });
      expect(await callsMade(ambit, sessionId)).toBe(budget);
      report(`${name}, 8 processes on one session`, { calls: 8 * calls, granted: budget });
    },
  );

  test(
    '4 of them create at once for one agent: exactly as many as the cap',
    { timeout: 120_000 },
    async () => {
      const storage = await createUrl();
      const ambit = await opened(storage, 10);
      const counts = await together(4, 'create', { storage, agentId: 'capped', creates: 20 });
      expect(total(counts)).toEqual({ ok: 10, TOO_MANY_SESSIONS: 70 });
      expect(await ambit.tasks.countActive('capped')).toEqual({ ok: true, count: 10 });
      const listed = await ambit.tasks.list({ agentId: 'capped' });
      expect(listed.ok && listed.sessions.map(({ status }) => status)).toEqual(Array(10).fill('active'));
      report(`${name}, 4 processes at the cap of an agent`, { calls: 80, granted: 10 });
    },
  );

  test(
    'an agent is deactivated while 4 of them create for it: no session is left open',
    { timeout: 120_000 },
    async () => {
      const storage = await createUrl();
      const ambit = await opened(storage);
      const options = { storage, agentId: 'doomed', creates: 240 };
      const children = Array.from({ length: 4 }, () => startChild('createUntilRefused', options));
      await Promise.all(children.map((child) => child.next()));
      for (const child of children) child.go();
      // Each of them is in the middle of it.
      const first = await Promise.all(children.map((child) => child.next()));
      const deactivated = await ambit.tasks.deactivateAgent('doomed');
      const said = [...first, ...(await Promise.all(children.map((child) => child.rest()))).flat()];
      const created = said.flatMap((line) => (line as { sessionId?: string }).sessionId ?? []);
      const refused = said.flatMap((line) => (line as { code?: string }).code ?? []);
      expect(created.length).toBeGreaterThanOrEqual(4);
      // Whoever ran to its end instead was not raced.
      expect(refused).toEqual(Array(4).fill('AGENT_DEACTIVATED'));
      expect(deactivated).toEqual({ ok: true, closed: created.length });
      expect(await ambit.tasks.countActive('doomed')).toEqual({ ok: true, count: 0 });
      for (const sessionId of created) {
        const answer = await ambit.tasks.use(sessionId, 'read_file');
        expect(!answer.ok && answer.refusal.code).toBe('SESSION_CLOSED');
      }
      report(`${name}, deactivation against 4 processes`, {
        calls: created.length + 5,
        closed: created.length,
      });
    },
  );
});

describe.each(proofStores)('one process, 64 calls in flight: $name', ({ name, createUrl }) => {
  const [calls, budget] = [16_000 * times, 5_000 * times];
  test('exactly the budget is granted, and none is answered twice', { timeout: 180_000 }, async () => {
    const ambit = await opened(await createUrl());
    const sessionId = await sessionOf(ambit, budget);
    const remaining: number[] = [];
    const refused: Record<string, number> = {};
    let left = calls;
    const caller = async (): Promise<void> => {
      while (left-- > 0) {
        const answer = await ambit.tasks.use(sessionId, 'read_file');
        if (answer.ok) remaining.push(answer.remaining.calls);
        else refused[answer.refusal.code] = (refused[answer.refusal.code] ?? 0) + 1;
      }
    };
    await Promise.all(Array.from({ length: 64 }, caller));
    expect(refused).toEqual({ BUDGET_EXCEEDED: calls - budget });
    // Every number of calls left was handed out once.
    const each = Array.from({ length: budget }, (_, index) => budget - 1 - index);
    expect(remaining.toSorted((a, b) => b - a)).toEqual(each);
    expect(await callsMade(ambit, sessionId)).toBe(budget);
    report(`${name}, 64 callers in one process`, { calls, granted: budget });
  });
});
