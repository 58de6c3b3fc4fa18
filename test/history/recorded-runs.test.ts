import { checkLinearizable, type Operation } from './linearizability.js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type ProofStore, proofStores } from '../proof/proof-stores.js';
import { report, sized } from '../proof/figures.js';
import {
  type SessionInput,
  sessionModel,
  type SessionOperation,
  type SessionOutput,
} from './session-model.js';
import { historiesOf } from './recorded-runs.js';
import { openAmbit } from 'ambit';
import { startChild } from '../proof/proof-processes.js';

const sessions = 3;
const callBudget = 250;

/** Runs processes that call at random on the same few sessions, and answers the history of each session. */
async function recorded(
  { shared, createUrl }: ProofStore,
  callsOfEach: number,
  diesAt?: number,
): Promise<SessionOperation[][]> {
  const calls = shared ? callsOfEach : 3 * callsOfEach;
  const storage = await createUrl();
  const ambit = await openAmbit({ storage, sweepEveryMs: false });
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => (closed ??= ambit.close());
  onTestFinished(close);
  const sessionIds: string[] = [];
  for (let session = 0; session < sessions; session++) {
    const terms = { agentId: 'agent', declaredIntent: 'a history', authorizedTools: ['*'], callBudget };
    const created = await ambit.tasks.create(terms);
    if (!created.ok) throw new Error(created.refusal.message);
    sessionIds.push(created.session.sessionId);
  }
  // A store with one owner is handed over.
  if (!shared) await close();
  const options = { storage, sessionIds, calls, inFlight: shared ? 8 : 64 };
  const children = Array.from({ length: shared ? 3 : 1 }, (_, index) =>
    startChild('record', index === 0 ? { ...options, diesAt } : options),
  );
  expect(await Promise.all(children.map((child) => child.next()))).toEqual(children.map(() => 'ready'));
  for (const child of children) child.go();
  const histories = await historiesOf(children, sessions);
  const ended = await Promise.all(children.map((child) => child.ended));
  // Killed by a signal, none ends with a number.
  expect(ended).toEqual(children.map((_, index) => (index === 0 && diesAt !== undefined ? null : 0)));
  return histories;
}

/** Checks each history, and answers how many operations there were and how many of them have no answer. */
function checked(histories: readonly SessionOperation[][]): {
  calls: number;
  unanswered: number;
  steps: number;
} {
  const model = sessionModel({ callBudget });
  let steps = 0;
  for (const history of histories) {
    const verdict = checkLinearizable(history, model);
    if (!verdict.ok) {
      const stuck = verdict.stuckAt.slice(0, 8).map((one) => JSON.stringify(one));
      expect.fail(
        `${verdict.placed} of ${history.length} can be put in order, then comes none of\n${stuck.join('\n')}`,
      );
    }
    steps += verdict.steps;
  }
  const all = histories.flat();
  return { calls: all.length, unanswered: all.filter(({ output }) => output === undefined).length, steps };
}

// The memory of a process is nobody else's: there is nothing to open it from.
describe.each(proofStores.filter(({ name }) => name !== 'memory'))('histories: $name', (store) => {
  test(
    'what processes were told is what one after the other would have been told',
    { timeout: 180_000 },
    async () => {
      const histories = await recorded(store, sized(500, 3_000));
      const { calls, unanswered, steps } = checked(histories);
      expect(unanswered).toBe(0);
      expect(calls).toBeGreaterThan(450);
      const codes = new Set(
        histories.flat().flatMap(({ output }) => (output?.kind === 'refused' ? output.code : [])),
      );
      expect([...codes].toSorted()).toEqual(expect.arrayContaining(['BUDGET_EXCEEDED']));
      report(`${store.name}, recorded and put in order`, { calls, steps });
    },
  );

  test('also where one of them is killed in the middle', { timeout: 180_000 }, async () => {
    const calls = sized(400, 2_000);
    const histories = await recorded(store, calls, calls / 2);
    const { unanswered, ...tried } = checked(histories);
    expect(unanswered).toBeGreaterThan(0);
    report(`${store.name}, one process killed`, { ...tried, faults: 1, unanswered });
  });

  test('one answer that is changed afterwards is noticed', { timeout: 120_000 }, async () => {
    const histories = await recorded(store, 250);
    checked(histories);
    let noticed = 0;
    for (const history of histories) {
      for (let tries = 0; tries < 10; tries++) {
        const forged = forge(history);
        if (!forged) continue;
        expect(checkLinearizable(forged, sessionModel({ callBudget })).ok).toBe(false);
        noticed++;
      }
    }
    expect(noticed).toBeGreaterThan(10);
  });
});

/** The same history with one grant told another number, or one reading that is out of date. */
function forge(history: readonly SessionOperation[]): SessionOperation[] | undefined {
  const index = Math.floor(Math.random() * history.length);
  const one = history[index] as Operation<SessionInput, SessionOutput>;
  const { output } = one;
  let other: SessionOutput | undefined;
  if (output?.kind === 'granted' && !output.replayed) other = { ...output, remaining: output.remaining + 1 };
  if (output?.kind === 'session' && one.input.kind === 'get')
    other = { ...output, callsMade: callBudget * 10 };
  if (output?.kind === 'refused' && output.code === 'BUDGET_EXCEEDED') other = { ...output, used: 0 };
  if (!other) return undefined;
  return history.map((each, at) => (at === index ? { ...one, output: other } : each));
}
