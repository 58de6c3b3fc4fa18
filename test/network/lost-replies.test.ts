import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  answered,
  callEach,
  callsMade,
  networkBackends,
  openWorld,
  type OwnServer,
  sessionIn,
  spoiling,
} from './network-world.js';
import { report } from '../proof/figures.js';

// At once: they wait for most of their time.
describe.concurrent.each(networkBackends)('$name over a bad line', ({ name, startServer }) => {
  let server: OwnServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server.stop());

  const callIds = (count: number): string[] => Array.from({ length: count }, (_, index) => `call-${index}`);

  test(
    'replies are swallowed, requests cut and delayed: with a callId exactly the budget is granted, each once',
    { timeout: 120_000 },
    async (context) => {
      const { ambit, beside, proxy } = await openWorld(server, context);
      const sessionId = await sessionIn(ambit, 150);
      proxy.fateOf = spoiling(['swallow-reply', 'cut-request', 30, 'swallow-reply'], 0.15);
      const told = await callEach(ambit, sessionId, callIds(200), 8);
      proxy.fateOf = () => 'pass';
      // A line that was never bad would prove nothing.
      expect(proxy.met.swallowed).toBeGreaterThan(2);
      expect(proxy.met.cut).toBeGreaterThan(0);
      expect(told.granted.size).toBe(150);
      expect([...told.refused.values()]).toEqual(Array(50).fill('BUDGET_EXCEEDED'));
      const direct = await beside();
      expect(await callsMade(direct, sessionId)).toBe(150);
      // Each of them is remembered, and asking again charges nothing.
      for (const callId of told.granted) {
        const again = await direct.tasks.use(sessionId, 'read_file', { callId });
        expect(again).toMatchObject({ ok: true, replayed: true });
      }
      expect(await callsMade(direct, sessionId)).toBe(150);
      const { swallowed, cut, delayed } = proxy.met;
      report(`${name}, replies and requests are lost`, {
        calls: 200,
        faults: swallowed + cut + delayed,
        granted: 150,
      });
    },
  );

  test(
    'two processes on one session: what was counted is what was granted, or may have been',
    { timeout: 120_000 },
    async (context) => {
      const { ambit, beside, proxy } = await openWorld(server, context);
      const other = await beside();
      const sessionId = await sessionIn(ambit, 1_000_000);
      // What writes carries the record; the rest (a log-in, a question, a lock) has nothing to lose.
      const spoil = spoiling(['swallow-reply', 'swallow-reply', 'cut-request'], 0.5, 7);
      proxy.fateOf = (request) => (request.includes('callsMade') ? spoil() : 'pass');
      const count = { granted: 0, unknown: 0, none: 0 };
      const call = async ({ tasks }: typeof ambit): Promise<void> => {
        const answer = await answered(tasks.use(sessionId, 'read_file'));
        if (answer.ok) count.granted++;
        else if (answer.refusal.code === 'STORAGE_UNAVAILABLE') count[answer.refusal.outcome ?? 'none']++;
        else throw new Error(answer.refusal.message);
      };
      const callers = Promise.all(
        Array.from({ length: 8 }, async () => {
          for (let made = 0; made < 20; made++) await call(ambit);
        }),
      );
      // Somebody else writes on top of what the proxy swallowed, so that some outcomes cannot be known.
      let made = 0;
      for (let running = true; running; made++) {
        await call(other);
        const done = callers.then(() => true);
        running = !(await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 2, false))]));
      }
      proxy.fateOf = () => 'pass';
      expect(proxy.met.swallowed).toBeGreaterThan(2);
      const counted = await callsMade(other, sessionId);
      expect(counted).toBeGreaterThanOrEqual(count.granted);
      expect(counted).toBeLessThanOrEqual(count.granted + count.unknown);
      expect(count.granted + count.unknown + count.none).toBe(8 * 20 + made);
      expect(count.unknown).toBeGreaterThan(0);
      report(`${name}, replies are lost and somebody else writes`, {
        calls: 8 * 20 + made,
        faults: proxy.met.swallowed + proxy.met.cut,
        ...count,
      });
    },
  );

  test(
    'a creation whose reply is swallowed happened once, or not at all',
    { timeout: 120_000 },
    async (context) => {
      const { ambit, beside, proxy } = await openWorld(server, context);
      await sessionIn(ambit, 1);
      proxy.fateOf = spoiling(['swallow-reply'], 0.3, 3);
      const created: string[] = [];
      let unknown = 0;
      for (let session = 0; session < 12; session++) {
        const answer = await answered(
          ambit.tasks.create({ agentId: 'maker', declaredIntent: 'x', authorizedTools: [] }),
        );
        if (answer.ok) created.push(answer.session.sessionId);
        else if (answer.refusal.code === 'STORAGE_UNAVAILABLE')
          unknown += answer.refusal.outcome === 'unknown' ? 1 : 0;
        else expect(answer.refusal.code).toBe('TOO_MANY_SESSIONS');
      }
      proxy.fateOf = () => 'pass';
      expect(proxy.met.swallowed).toBeGreaterThan(0);
      const direct = await beside();
      const listed = await direct.tasks.list({ agentId: 'maker' });
      const ids = listed.ok ? listed.sessions.map(({ sessionId }) => sessionId) : [];
      expect(ids).toEqual(expect.arrayContaining(created));
      expect(ids.length).toBeLessThanOrEqual(Math.min(10, created.length + unknown));
      expect(await direct.tasks.countActive('maker')).toEqual({ ok: true, count: ids.length });
    },
  );
});
