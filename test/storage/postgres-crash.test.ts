import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { asking } from '../servers/postgres-standby.js';
import { openPostgres, postgresChild } from './postgres-databases.js';
import { encodeKey, type Key, type StorageUnavailableError } from 'ambit/storage';
import { key, put, transaction } from '../../src/testing/contract/contract-words.js';
import { type PostgresServer, startPostgresServer } from '../servers/postgres-server.js';
import { openAmbit } from 'ambit';
import { report } from '../proof/figures.js';
import { startChild } from '../proof/proof-processes.js';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgresServer();
});
afterAll(() => server.stop());

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Kills the server with all that belongs to it while work is done, and starts it again, `times` times. */
async function crashing(times: number, progress: () => number): Promise<void> {
  for (let crash = 0; crash < times; crash++) {
    // In mid-run, and not before there is something to lose.
    const before = progress();
    while (progress() < before + 100) await pause(5);
    await server.kill();
    await pause(50);
    await server.start();
  }
}

test(
  'the server is killed and started again in mid-run: what was acknowledged is there, whole, and what is there was asked for',
  { timeout: 240_000 },
  async () => {
    const namespace = 'pairs';
    const storage = await openPostgres({ url: server.url, namespace });
    let acknowledgedInAll = 0;
    let running = true;
    let unknown = 0;
    let asked = 0;
    /** Counts up in two records at once; answers how far it was told that it came, and how far it tried. */
    const writer = async (
      name: number,
    ): Promise<{ keys: Key[]; acknowledged: number; attempted: number }> => {
      const keys = [key('x', name), key('y', name)];
      let acknowledged = 0;
      let attempted = 0;
      let versions: (string | null)[] = [null, null];
      while (running) {
        attempted = acknowledged + 1;
        asked++;
        const puts = keys.map((at, index) => put(at, versions[index] ?? null, attempted));
        try {
          const { outcomes } = await storage.commit([transaction(...puts)]);
          expect(outcomes).toEqual([{ status: 'ok' }]);
          versions = puts.map(({ version }) => version);
          acknowledged = attempted;
          acknowledgedInAll++;
        } catch (error) {
          const { outcome } = error as StorageUnavailableError;
          expect(outcome).toMatch(/^(?:none|unknown)$/);
          if (outcome === 'unknown') unknown++;
          const found = await untilItAnswers(async () => (await storage.read(keys)).records);
          const stored = found.map((record) => Number(record?.value.json ?? 0));
          // Whole; nothing that was acknowledged is gone; and applied after all only if that was left open.
          expect(stored[0]).toBe(stored[1]);
          expect(stored[0]).toBeGreaterThanOrEqual(acknowledged);
          expect(stored[0]).toBeLessThanOrEqual(outcome === 'unknown' ? attempted : acknowledged);
          acknowledged = stored[0] ?? 0;
          versions = found.map((record) => record?.version ?? null);
        }
      }
      return { keys, acknowledged, attempted };
    };
    const writers = Promise.all(Array.from({ length: 6 }, (_, name) => writer(name)));
    await crashing(3, () => acknowledgedInAll).finally(() => (running = false));
    for (const { keys, acknowledged } of await writers) {
      const { records } = await storage.read(keys);
      expect(records.map((record) => record?.value.json)).toEqual([acknowledged, acknowledged]);
    }
    expect(unknown).toBeGreaterThan(0);
    // No placeholder outlives its transaction.
    const left = await asking(server.url, (ask) =>
      ask(`SELECT count(*)::int AS count FROM ambit_${namespace}.record WHERE version = ''`),
    );
    expect(left).toEqual([{ count: 0 }]);
    report('postgres, the server is killed under commits', {
      calls: asked,
      faults: 3,
      acknowledged: acknowledgedInAll,
      unknown,
    });
  },
);

test(
  'the server is killed under the calls of a session: no acknowledged call is lost, and never more than the budget is granted',
  { timeout: 240_000 },
  async () => {
    const ambit = await openAmbit({ storage: `${server.url}?namespace=budget`, sweepEveryMs: false });
    onTestFinished(() => ambit.close());
    const callBudget = 3_000;
    const terms = { agentId: 'agent', declaredIntent: 'a test', authorizedTools: ['read_file'], callBudget };
    const created = await ambit.tasks.create(terms);
    if (!created.ok) throw new Error(created.refusal.message);
    const { sessionId } = created.session;
    const told = { granted: 0, unknown: 0, none: 0 };
    const caller = async (): Promise<void> => {
      for (;;) {
        const answer = await ambit.tasks.use(sessionId, 'read_file');
        if (answer.ok) {
          told.granted++;
          // Faster, and the budget would be gone before the last crash.
          await pause(10);
        } else if (answer.refusal.code === 'BUDGET_EXCEEDED') return;
        else {
          expect(answer.refusal).toMatchObject({ code: 'STORAGE_UNAVAILABLE', retryable: true });
          told[answer.refusal.outcome ?? 'none']++;
          await pause(20);
        }
      }
    };
    const callers = Promise.all(Array.from({ length: 16 }, caller));
    await crashing(3, () => told.granted);
    await callers;
    expect(told.granted).toBeLessThanOrEqual(callBudget);
    // Each call that was counted was granted, or its caller was told that nobody can say.
    expect(told.granted + told.unknown).toBeGreaterThanOrEqual(callBudget);
    const found = await ambit.tasks.get(sessionId);
    expect(found.ok && found.session.callsMade).toBe(callBudget);
    const { granted, unknown, none } = told;
    report('postgres, the server is killed under the calls of a session', {
      calls: granted + unknown + none,
      faults: 3,
      granted,
      unknown,
    });
  },
);

test(
  'processes are killed at many points: what they were told is there, whole',
  { timeout: 240_000 },
  async () => {
    const storage = await openPostgres({ url: server.url });
    const killed = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        const child = startChild('writeForEver', { url: server.url, who: `w${index}` }, postgresChild);
        expect(await child.next()).toBe('ready');
        child.go();
        // Each a little later than the one before.
        for (let lines = 0; lines < 5; lines++) await child.next();
        await pause(index * 13);
        child.kill('SIGKILL');
        const said = (await child.rest()) as { acknowledged: number }[];
        return said.at(-1)?.acknowledged ?? 4;
      }),
    );
    // The server may still carry out what it was sent last.
    await pause(500);
    for (const [index, last] of killed.entries()) {
      const under = (name: string, round: number): Key => encodeKey(['race', `${name}-w${index}`, round]);
      const rounds = Array.from({ length: last + 3 }, (_, round) => round);
      const { records } = await storage.read(
        rounds.flatMap((round) => [under('x', round), under('y', round)]),
      );
      const there = rounds.map(
        (round) => [records[2 * round], records[2 * round + 1]].filter(Boolean).length,
      );
      expect(there.slice(0, last + 1)).toEqual(Array(last + 1).fill(2));
      // One more may have been under way, whole as well; and none after it.
      expect(['0,0', '2,0']).toContain(there.slice(last + 1).join(','));
    }
    const acknowledged = killed.reduce((sum, last) => sum + last + 1, 0);
    report('postgres, processes are killed between commits', {
      calls: acknowledged + killed.length,
      faults: killed.length,
      acknowledged,
    });
  },
);

/** Asks until the server is back. */
async function untilItAnswers<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      expect(error).toMatchObject({ code: 'STORAGE_UNAVAILABLE', outcome: 'none' });
      if (attempt === 600) throw error;
      await pause(50);
    }
  }
}
