import {
  counterKey,
  counterNames,
  type Counter,
  type Observation,
  pointsEach,
  toggleKey,
} from './workload.js';
import type { SimulatedStore, StoredState } from './simulated-store.js';
import { checkLinearizable } from '../history/linearizability.js';
import { outputOf, sessionModel, type SessionOperation } from '../history/session-model.js';
import { makeTaskKeys, type UseRecord } from '../../src/tasks/task-records.js';
import type { Key } from '../../src/core/keys.js';
import type { Refused } from '../../src/core/refusals.js';

interface Run {
  readonly store: SimulatedStore;
  readonly observations: readonly Observation[];
  /** Whether one process did all of it. */
  readonly alone: boolean;
}

/** Everything that went wrong in a run, one line each: judged by what callers heard and what the store went through. */
export function violationsOf(run: Run): string[] {
  const sessions = new Set(run.observations.flatMap(({ sessionId }) => sessionId ?? []));
  return [
    ...unanswered(run),
    ...needlesslyUnknown(run),
    ...pointsLost(run),
    ...toggles(run),
    ...[...sessions].flatMap((sessionId, index) => sessionViolations(run, sessionId, `session ${index}`)),
  ];
}

function unanswered({ observations }: Run): string[] {
  return observations
    .filter(({ endedMs, owner }) => endedMs === undefined && !owner.crashed)
    .map((one) => `${one.process}: a ${one.kind} asked at ${one.startedMs} ms was never answered`);
}

/** "Somebody else wrote since" can be true only where there is somebody else, or a message that was given up. */
function needlesslyUnknown({ observations, alone }: Run): string[] {
  const unknown = observations.filter((one) => refusalOf(one)?.outcome === 'unknown');
  const blamed = unknown.filter((one) => refusalOf(one)?.message.includes('somebody else wrote'));
  if (!alone || blamed.length === 0 || blamed.length < unknown.length) return [];
  return [`${blamed[0]?.kind}: its outcome is called unknown, and nobody else wrote`];
}

/** The states of a record while a call was under way: the one it began with and all that came before it was answered. */
function seenDuring(
  states: readonly StoredState[],
  { startedMs, endedMs = startedMs }: Observation,
): StoredState[] {
  const first = Math.max(
    0,
    states.findLastIndex((state) => state.atMs <= startedMs),
  );
  // States of the very millisecond it began in may lie on either side of it.
  return states.filter(
    (state, index) => state.atMs <= endedMs && (index >= first || state.atMs >= startedMs),
  );
}

const historyOf = (store: SimulatedStore, key: Key): readonly StoredState[] => store.history.get(key) ?? [];
const refusalOf = ({ answer }: Observation): Refused['refusal'] | undefined =>
  answer && !answer.ok ? (answer as unknown as Refused).refusal : undefined;
/** Nobody knows whether it happened: the process died, or was told so. */
const isUncertain = (one: Observation): boolean =>
  one.answer === undefined || refusalOf(one)?.outcome === 'unknown';

function sessionViolations({ store, observations }: Run, sessionId: string, name: string): string[] {
  const found: string[] = [];
  const states = historyOf(store, makeTaskKeys(sessionId).use);
  const uses = observations.filter((one) => one.kind === 'use' && one.sessionId === sessionId);
  const valueOf = (state: StoredState): UseRecord => state.value as UseRecord;
  const last = states.at(-1);
  if (!last) return [`${name}: it is gone`];

  const charged = valueOf(last).callsMade;
  const granted = uses.filter((one) => one.answer?.ok === true);
  const sum = (list: readonly Observation[]): number => list.reduce((all, one) => all + (one.calls ?? 0), 0);
  const acknowledged = sum(granted);
  const uncertain = sum(uses.filter(isUncertain));
  if (charged > valueOf(last).callBudget)
    found.push(`${name}: ${charged} calls on a budget of ${valueOf(last).callBudget}`);
  if (charged < acknowledged)
    found.push(`${name}: ${acknowledged} calls were granted, ${charged} were counted`);
  if (charged > acknowledged + uncertain)
    found.push(
      `${name}: ${charged} calls were counted, ${acknowledged} were granted and ${uncertain} are uncertain`,
    );

  states.forEach((state, index) => {
    const before = states[index - 1];
    if (!before) return;
    const [was, is] = [valueOf(before), valueOf(state)];
    if (is.callsMade < was.callsMade) found.push(`${name}: ${was.callsMade} calls became ${is.callsMade}`);
    if (is.callsMade > was.callsMade && was.status !== 'active')
      found.push(`${name}: a call was counted after it was ${was.status}`);
    if (is.callsMade > was.callsMade && state.storeMs >= was.expiresAtMs)
      found.push(
        `${name}: a call was counted ${state.storeMs - was.expiresAtMs} ms after its end, by the store's clock`,
      );
  });

  const counts = new Set<number>();
  for (const one of granted) {
    const grant = one.answer as unknown as { remaining: { calls: number }; replayed?: boolean };
    const made = valueOf(last).callBudget - grant.remaining.calls;
    const committed = states.some(
      (state) => valueOf(state).callsMade >= made && state.atMs <= (one.endedMs ?? 0),
    );
    if (!committed)
      found.push(
        `${name}: ${one.process} was granted call ${made} at ${one.endedMs} ms, before it was committed`,
      );
    if (counts.has(made)) found.push(`${name}: two calls were told that they are number ${made}`);
    counts.add(made);
  }
  for (const one of uses) found.push(...falseRefusal(one, seenDuring(states, one), name));
  found.push(...readsOf(observations, sessionId, states, name));
  const { callBudget } = valueOf(last);
  found.push(...withoutOrder(observations, sessionId, callBudget, name));
  for (const { callId } of uses) {
    if (callId === undefined) continue;
    const key = [...store.history.keys()].find((one) => one.includes(callId) && one.includes(sessionId));
    if (key !== undefined && historyOf(store, key).length > 1)
      found.push(`${name}: ${callId} was charged twice`);
  }
  return found;
}

/** What callers heard of a session must be what one after the other would have heard. */
function withoutOrder(
  observations: readonly Observation[],
  sessionId: string,
  callBudget: number,
  name: string,
): string[] {
  const history = observations
    .filter((one) => one.sessionId === sessionId)
    .flatMap((one) => operationOf(one) ?? []);
  // Whoever knows the store's clock only roughly calls a session over a little before it is, and it may be set back
  // before that was written down: it may be over for one and open for another.
  const model = sessionModel({ callBudget, mayExpire: true, mayReopen: true });
  const verdict = checkLinearizable(history, model);
  if (verdict.ok) return [];
  const stuck = JSON.stringify(verdict.stuckAt.slice(0, 3));
  return [
    `${name}: ${verdict.placed} of ${history.length} answers can be put in order, then none of ${stuck}`,
  ];
}

function operationOf(one: Observation): SessionOperation | undefined {
  const { kind, calls = 1, startedMs, endedMs, answer, callId } = one;
  if (kind !== 'use' && kind !== 'get' && kind !== 'close') return undefined;
  const input = kind === 'use' ? { kind, calls } : { kind };
  let output = answer === undefined ? 'unknown' : outputOf(answer);
  // It was asked more than once under its id: what became of the last time says nothing of those before.
  if (output === 'none' && callId !== undefined) output = 'unknown';
  if (output === 'none') return undefined;
  if (output === 'unknown') return { input, startedAt: startedMs, endedAt: Number.POSITIVE_INFINITY };
  const first = output.kind === 'granted' ? { ...output, replayed: false } : output;
  return { input, output: first, startedAt: startedMs, endedAt: endedMs ?? Number.POSITIVE_INFINITY };
}

/** More than steps of the store's clock and slow replies come to in a run: a session is not called over so much early. */
const farFromItsEndMs = 600_000;

/** A refusal must have been true at some moment between question and answer. */
function falseRefusal(one: Observation, states: readonly StoredState[], name: string): string[] {
  const code = refusalOf(one)?.code;
  const during = states.map((state) => state.value as UseRecord);
  const isTrue = {
    BUDGET_EXCEEDED: during.some((use) => use.callsMade + (one.calls ?? 1) > use.callBudget),
    SESSION_CLOSED: during.some((use) => use.status === 'closed'),
    SESSION_EXPIRED: states.some(({ storeMs, atMs, value }) => {
      const storeNowMs = storeMs + (one.endedMs ?? atMs) - atMs;
      return storeNowMs > (value as UseRecord).expiresAtMs - farFromItsEndMs;
    }),
    SESSION_NOT_FOUND: false,
    AGENT_MISMATCH: false,
    TOOL_NOT_AUTHORIZED: false,
    INVALID_INPUT: false,
  }[code as string];
  return isTrue === false ? [`${name}: ${code} was answered at ${one.endedMs} ms and was not true`] : [];
}

function readsOf(
  observations: readonly Observation[],
  sessionId: string,
  states: readonly StoredState[],
  name: string,
): string[] {
  return observations
    .filter((one) => one.kind === 'get' && one.sessionId === sessionId && one.answer?.ok === true)
    .filter((one) => {
      // Calls that ran together with the read may stand between two states of the record: counts only grow.
      const { session } = one.answer as unknown as { session: { callsMade: number } };
      const counts = seenDuring(states, one).map((state) => (state.value as UseRecord).callsMade);
      return session.callsMade < Math.min(...counts) || session.callsMade > Math.max(...counts);
    })
    .map((one) => `${name}: what was read at ${one.endedMs} ms is what it was at another time`);
}

function pointsLost({ store, observations }: Run): string[] {
  const found: string[] = [];
  const all = counterNames.length * pointsEach;
  const now = new Map<string, Counter>();
  const states = counterNames.flatMap((name) =>
    historyOf(store, counterKey(name)).map((state) => ({ name, ...state })),
  );
  states.sort((a, b) => a.transaction - b.transaction);
  states.forEach((state, index) => {
    now.set(state.name, state.value as Counter);
    if (states[index + 1]?.transaction === state.transaction || now.size < counterNames.length) return;
    const points = [...now.values()].reduce((sum, counter) => sum + counter.points, 0);
    if (points !== all) found.push(`at ${state.atMs} ms there were ${points} points, not ${all}`);
    if ([...now.values()].some((counter) => counter.points < 0)) found.push('a counter went below nothing');
  });
  const moves = observations.filter((one) => one.kind === 'move');
  const done = [...now.values()].reduce((sum, counter) => sum + counter.moves, 0);
  const acknowledged = moves.filter((one) => one.answer?.ok === true).length;
  const uncertain = moves.filter(isUncertain).length;
  if (done < acknowledged || done > acknowledged + uncertain)
    found.push(`${done} moves happened, ${acknowledged} were acknowledged and ${uncertain} are uncertain`);
  for (const one of observations) {
    if (one.kind === 'total' && one.answer?.ok === true && one.answer['points'] !== all)
      found.push(
        `${one.process} saw ${String(one.answer['points'])} points at ${one.endedMs} ms, not ${all}`,
      );
    if (one.kind !== 'move' || refusalOf(one)?.code !== 'BUDGET_EXCEEDED') continue;
    // Moves that ran together with this one may have stood between two states of the record.
    if (moves.some((other) => other !== one && other.process === one.process && overlap(other, one)))
      continue;
    const during = seenDuring(historyOf(store, counterKey(one.from ?? '')), one);
    if (!during.some((state) => (state.value as Counter).points < (one.points ?? 0)))
      found.push(
        `${one.process} was told at ${one.endedMs} ms that points were too few, and they never were`,
      );
  }
  return found;
}

function overlap(a: Observation, b: Observation): boolean {
  return a.startedMs <= (b.endedMs ?? Infinity) && b.startedMs <= (a.endedMs ?? Infinity);
}

/** Toggles of one group leave one write behind them, or none: what they must come to is an even or an odd number. */
function toggles({ store, observations }: Run): string[] {
  const there = historyOf(store, toggleKey).at(-1)?.value !== undefined;
  const asked = observations.filter((one) => one.kind === 'toggle');
  const acknowledged = asked.filter((one) => one.answer?.ok === true);
  if (asked.some(isUncertain)) return [];
  const created = acknowledged.filter((one) => one.answer?.['created'] === true).length;
  const found: string[] = [];
  if (there !== (acknowledged.length % 2 === 1))
    found.push(`after ${acknowledged.length} toggles the record is ${there ? 'there' : 'gone'}`);
  if (created !== Math.ceil(acknowledged.length / 2))
    found.push(`${created} of ${acknowledged.length} toggles created the record`);
  return found;
}
