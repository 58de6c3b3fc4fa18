import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { callsMade, networkBackends, openBeside, type OwnServer, sessionIn } from './network-world.js';
import { type ProofChild, startChild } from '../proof/proof-processes.js';
import type { Ambit } from 'ambit';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('../proof/network-child.js', import.meta.url));
const patience = 180_000;

function start(scenario: string, options: object): ProofChild {
  return startChild(scenario, options, script);
}

/** Lets processes begin once all of them are ready. */
async function begin(children: readonly ProofChild[]): Promise<void> {
  expect(await Promise.all(children.map((child) => child.next()))).toEqual(
    Array(children.length).fill('ready'),
  );
  for (const child of children) child.go();
}

/** Runs processes that begin together, and answers the one thing that each said at its end. */
async function together<T>(scenario: string, ...all: readonly object[]): Promise<T[]> {
  const children = all.map((options) => start(scenario, options));
  await begin(children);
  const said = await Promise.all(children.map((child) => child.rest()));
  expect(await Promise.all(children.map((child) => child.ended))).toEqual(Array(all.length).fill(0));
  return said.map((lines) => lines.at(-1) as T);
}

/** Counts of all processes, added up. */
function total(counts: readonly Record<string, number>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const one of counts)
    for (const [name, count] of Object.entries(one)) sums[name] = (sums[name] ?? 0) + count;
  return sums;
}

async function countActive({ tasks }: Ambit, agentId: string): Promise<number> {
  const answer = await tasks.countActive(agentId);
  if (!answer.ok) throw new Error(answer.refusal.message);
  return answer.count;
}

describe.each(networkBackends)('$name shared by processes', ({ startServer }) => {
  let server: OwnServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server.stop());

  test(
    '4 of them on one hot session: exactly the budget is granted, and no call is handed out twice',
    { timeout: patience },
    async () => {
      const { ambit, url } = await openBeside(server);
      const sessionId = await sessionIn(ambit, 2_000);
      const plan = { storage: url, sessionId, calls: 900, inFlight: 16 };
      const said = await together<{ left: number[]; counts: Record<string, number> }>(
        'calls',
        plan,
        plan,
        plan,
        plan,
      );
      expect(total(said.map(({ counts }) => counts))).toEqual({ BUDGET_EXCEEDED: 4 * 900 - 2_000 });
      const left = said.flatMap((one) => one.left);
      expect(left.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 2_000 }, (_, calls) => calls));
      // Nobody was starved until the others had used up the budget.
      expect(Math.min(...said.map((one) => one.left.length))).toBeGreaterThan(0);
      expect(await callsMade(ambit, sessionId)).toBe(2_000);
    },
  );

  test(
    '4 of them create at once for one agent: exactly as many as the cap',
    { timeout: patience },
    async () => {
      const { ambit, url } = await openBeside(server);
      const plan = { storage: url, agentId: 'capped', creates: 20, sessionsPerAgentMax: 10 };
      const counts = await together<Record<string, number>>('creates', plan, plan, plan, plan);
      expect(total(counts)).toEqual({ ok: 10, TOO_MANY_SESSIONS: 70 });
      expect(await countActive(ambit, 'capped')).toBe(10);
      const listed = await ambit.tasks.list({ agentId: 'capped' });
      expect(listed.ok && listed.sessions.map(({ status }) => status)).toEqual(Array(10).fill('active'));
    },
  );

  test(
    'an agent is deactivated while 4 of them create for it: no session is left open',
    { timeout: patience },
    async () => {
      const { ambit, url } = await openBeside(server);
      const plan = { storage: url, agentId: 'doomed', creates: 240 };
      const children = Array.from({ length: 4 }, () => start('createUntilRefused', plan));
      await begin(children);
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
      expect(await countActive(ambit, 'doomed')).toBe(0);
      for (const sessionId of created) {
        const answer = await ambit.tasks.use(sessionId, 'read_file');
        expect(!answer.ok && answer.refusal.code).toBe('SESSION_CLOSED');
      }
    },
  );

  test(
    'two of them call two sessions in opposite order, under the same new callIds, ten thousand times: each is charged once',
    { timeout: patience },
    async () => {
      const { ambit, url } = await openBeside(server);
      const rounds = 5_000;
      const [one, two] = [await sessionIn(ambit, rounds), await sessionIn(ambit, rounds)];
      const plan = { storage: url, rounds, inFlight: 32 };
      const counts = await together<Record<string, number>>(
        'sameCallIds',
        { ...plan, sessionIds: [one, two] },
        { ...plan, sessionIds: [two, one] },
      );
      // The budget and the record of the grant are one transaction: half of it would be a charge without a replay, or the other way round.
      expect(total(counts)).toEqual({ charged: 2 * rounds, replayed: 2 * rounds });
      expect(await callsMade(ambit, one)).toBe(rounds);
      expect(await callsMade(ambit, two)).toBe(rounds);
    },
  );

  test(
    'two of them open sessions by the same names for two agents in opposite order: each is created once, and whole',
    { timeout: patience },
    async () => {
      const { ambit, url } = await openBeside(server);
      const names = 200;
      const plan = { storage: url, names, inFlight: 8 };
      const said = await together<{ ids: Record<string, string>; counts: Record<string, number> }>(
        'sameNames',
        { ...plan, agentIds: ['a', 'b'] },
        { ...plan, agentIds: ['b', 'a'] },
      );
      expect(total(said.map(({ counts }) => counts))).toEqual({ created: 2 * names, joined: 2 * names });
      expect(said[0]?.ids).toEqual(said[1]?.ids);
      for (const agentId of ['a', 'b']) {
        const listed = await ambit.tasks.list({ agentId, limit: 1_000 });
        const ids = listed.ok ? listed.sessions.map(({ sessionId }) => sessionId) : [];
        const opened = Object.entries(said[0]?.ids ?? {}).flatMap(([who, id]) =>
          who.startsWith(`${agentId} `) ? [id] : [],
        );
        expect(ids.toSorted()).toEqual(opened.toSorted());
        expect(await countActive(ambit, agentId)).toBe(names);
      }
    },
  );

  test(
    'workers are killed at many points: nothing acknowledged is lost, and the budget is granted once',
    { timeout: patience },
    async () => {
      const { ambit, url } = await openBeside(server);
      const budget = 3_000;
      const sessionId = await sessionIn(ambit, budget);
      const plan = { storage: url, sessionId, inFlight: 8 };
      const said: unknown[] = [];
      const work = async (child: ProofChild, killAfter: number): Promise<void> => {
        let lines = 0;
        for (let line = await child.next(); line !== undefined; line = await child.next()) {
          said.push(line);
          if (++lines === killAfter) child.kill('SIGKILL');
        }
      };
      // Points between the first word of a worker and a few hundred calls on, three workers at a time.
      for (const points of [
        [1, 30, 121],
        [17, 60, 203],
      ]) {
        const children = points.map(() => start('worker', plan));
        await begin(children);
        await Promise.all(children.map((child, index) => work(child, points[index] ?? 1)));
        expect(await Promise.all(children.map((child) => child.ended))).toEqual([null, null, null]);
      }
      expect(await callsMade(ambit, sessionId)).toBeLessThan(budget);
      const last = [start('worker', plan), start('worker', plan)];
      await begin(last);
      await Promise.all(last.map((child) => work(child, Number.POSITIVE_INFINITY)));
      await expectRecovered(ambit, sessionId, budget, said);
    },
  );

  test(
    'one of them is stopped in mid-call, and goes on later: the others are answered, and nothing is charged twice',
    { timeout: patience },
    async () => {
      const { ambit, url } = await openBeside(server);
      const budget = 1_500;
      const sessionId = await sessionIn(ambit, budget);
      const children = Array.from({ length: 3 }, () =>
        start('worker', { storage: url, sessionId, inFlight: 8 }),
      );
      await begin(children);
      const said: unknown[] = [];
      let acknowledged = 0;
      const work = async (child: ProofChild): Promise<void> => {
        for (let line = await child.next(); line !== undefined; line = await child.next()) {
          said.push(line);
          if ((line as { acknowledged?: string }).acknowledged !== undefined) acknowledged++;
        }
      };
      const working = Promise.all(children.map(work));
      const [stopped] = children;
      for (let stop = 0; stop < 3 && acknowledged < budget; stop++) {
        const before = acknowledged;
        stopped?.kill('SIGSTOP');
        // Whatever it holds is taken from it: the others get on.
        while (acknowledged < Math.min(budget, before + 300))
          await new Promise((resolve) => setTimeout(resolve, 5));
        stopped?.kill('SIGCONT');
      }
      await working;
      await expectRecovered(ambit, sessionId, budget, said);
    },
  );
});

/** The budget is counted exactly; what was acknowledged is remembered, and what was counted had been attempted. */
async function expectRecovered(
  ambit: Ambit,
  sessionId: string,
  budget: number,
  said: readonly unknown[],
): Promise<void> {
  const lines = said as { attempted?: string; acknowledged?: string; code?: string }[];
  const attempted = lines.flatMap((line) => line.attempted ?? []);
  const acknowledged = lines.flatMap((line) => line.acknowledged ?? []);
  expect(await callsMade(ambit, sessionId)).toBe(budget);
  expect(acknowledged.length).toBeLessThanOrEqual(budget);
  expect(acknowledged.length).toBeGreaterThan(budget / 2);
  const isRemembered = async (callId: string): Promise<boolean> => {
    const answer = await ambit.tasks.use(sessionId, 'read_file', { callId });
    return answer.ok && answer.replayed === true;
  };
  const remembered = await Promise.all(attempted.map(isRemembered));
  expect(remembered.filter(Boolean)).toHaveLength(budget);
  const found = new Set(attempted.filter((_, index) => remembered[index]));
  expect(acknowledged.filter((callId) => !found.has(callId))).toEqual([]);
}
