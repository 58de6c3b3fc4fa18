import { describe, expect, onTestFinished, test } from 'vitest';
import { granted, monotonicMs, startWatching, tally, type WatchedCall } from './watched-calls.js';
import { report, sized } from '../proof/figures.js';
import { makeTaskKeys, type UseRecord } from '../../src/tasks/task-records.js';
import Database from 'better-sqlite3';
import { openAmbit, type TaskSession } from 'ambit';
import { type ProofStore, proofStores } from '../proof/proof-stores.js';

/** As short as a loaded machine starts a process and makes some calls in. */
const lifeMs = 1_500;
const inFlight = 12;

/**
 * A process is stopped in the middle of its calls, sleeps past the end of its session, and goes on. What it had decided
 * and not begun to commit by then must not be done.
 */
async function sleepOver({
  name,
  createUrl,
}: ProofStore): Promise<{ calls: number; afterwards: number } | undefined> {
  const storage = await createUrl();
  const creates = { timeLimitMs: lifeMs };
  const sleeper = startWatching({ storage, creates, forMs: lifeMs + 600, inFlight }, {});
  expect(await sleeper.next()).toBe('ready');
  sleeper.go();
  const { sessionId, expiresAtMs: endMs } = (await sleeper.next()) as TaskSession;
  const first = (await sleeper.next()) as WatchedCall;
  await sleepUntil(endMs - lifeMs * (0.1 + 0.5 * Math.random()));
  sleeper.kill('SIGSTOP');
  const stoppedAt = monotonicMs();
  // This machine was too busy to stop it in time.
  const tooLate = Date.now() >= endMs - 5;
  await sleepUntil(endMs + 200);
  // What was counted while it slept; nothing may come on top.
  const asleep = await countedIn(storage, sessionId);
  const wokenAt = monotonicMs();
  sleeper.kill('SIGCONT');
  const calls = [first, ...((await sleeper.rest()) as WatchedCall[])];
  expect(await sleeper.ended).toBe(0);
  if (tooLate) return undefined;

  const passed = granted(calls, 0);
  expect(passed.length, 'it was in the middle of its calls').toBeGreaterThan(0);
  expect(
    passed.filter(({ startedAt }) => startedAt > wokenAt),
    'granted after its end',
  ).toEqual([]);
  const afterwards = calls.filter(({ startedAt }) => startedAt > wokenAt);
  expect(tally(afterwards)).toEqual({ '0 SESSION_EXPIRED': afterwards.length });
  expect(afterwards.length).toBeGreaterThan(0);
  const late = passed.filter(({ startedAt, endedAt }) => startedAt <= stoppedAt && endedAt > wokenAt);
  expect(late.length, 'no more than were under way').toBeLessThanOrEqual(inFlight);
  const ambit = await openAmbit({ storage, sweepEveryMs: false });
  onTestFinished(() => ambit.close());
  const found = await ambit.tasks.get(sessionId);
  if (!found.ok) throw new Error(found.refusal.message);
  expect(found.session.status).toBe('expired');
  expect(found.session.callsMade, 'counted is what was granted').toBe(passed.length);
  // A server compares its clock and writes in one go. Who writes a file itself may be stopped between the two, in the
  // middle of the one commit that is under way, with the lock held.
  const underWay = name === 'postgres' || name === 'redis' ? 0 : inFlight;
  if (asleep !== undefined) {
    expect(found.session.callsMade - asleep, 'counted after the end').toBeGreaterThanOrEqual(0);
    expect(found.session.callsMade - asleep, 'counted after the end').toBeLessThanOrEqual(underWay);
  }
  return { calls: calls.length, afterwards: afterwards.length };
}

/** Calls that the store has counted, read without a lock: the sleeper may hold one. A file is its owner's alone. */
async function countedIn(storage: string, sessionId: string): Promise<number | undefined> {
  if (storage.startsWith('file:')) return undefined;
  if (storage.startsWith('sqlite:')) {
    const database = new Database(storage.slice('sqlite:'.length).split('?')[0] ?? '', { readonly: true });
    const row = database.prepare('SELECT value FROM record WHERE key = ?').get(makeTaskKeys(sessionId).use);
    database.close();
    return (JSON.parse((row as { value: string }).value) as UseRecord).callsMade;
  }
  const ambit = await openAmbit({ storage, sweepEveryMs: false });
  try {
    const found = await ambit.tasks.get(sessionId);
    return found.ok ? found.session.callsMade : expect.fail(found.refusal.message);
  } finally {
    await ambit.close();
  }
}

async function sleepUntil(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, ms - Date.now())));
}

describe.each(proofStores.filter(({ name }) => name !== 'memory'))(
  'a process that stands still: $name',
  (store) => {
    test('grants nothing of what it had decided before the end', { timeout: 120_000 }, async () => {
      const rounds = sized(3, 12);
      const results: { calls: number; afterwards: number }[] = [];
      // Three at once: they mostly sleep.
      for (let tries = 0; results.length < rounds && tries < rounds + 10; tries++) {
        const three = await Promise.all([1, 2, 3].map(() => sleepOver(store)));
        results.push(...three.flatMap((one) => one ?? []));
      }
      expect(results.length).toBeGreaterThanOrEqual(rounds);
      const sum = (of: (one: (typeof results)[number]) => number): number =>
        results.reduce((all, one) => all + of(one), 0);
      report(`${store.name}, a process stopped across the end of its session`, {
        calls: sum(({ calls }) => calls),
        faults: results.length,
        'refused afterwards': sum(({ afterwards }) => afterwards),
      });
    });
  },
);
