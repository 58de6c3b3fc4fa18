import {
  cappedAgent,
  counterKey,
  counterNames,
  type Observation,
  pointsEach,
  runCaller,
  sessionsAtStart,
  sessionsPerAgentMax,
} from './workload.js';
import { createSimulatedTime, type Owner, type SimulatedTime, withTimersOf } from './simulated-time.js';
import { endMs, faultsEndMs, type SimulationPlan, smallerPlans } from './plan.js';
import type { Engine } from '../../src/engine/engine.js';
import { createEngine } from '../../src/engine/create-engine.js';
import { createSimulatedStore } from './simulated-store.js';
import { createTaskSessions } from '../../src/tasks/task-sessions.js';
import { seededRandom } from './seeded-random.js';
import { simulatedStorage } from './simulated-network.js';
import type { TaskSessions } from '../../src/tasks/task-types.js';
import { violationsOf } from './invariants.js';

/** What came of a run. */
export interface SimulationResult {
  readonly violations: readonly string[];
  readonly calls: number;
  readonly faults: number;
  /** Everything that happened, as text: the same plan gives the same. */
  readonly trace: string;
}

interface Process {
  readonly owner: Owner;
  readonly engine: Engine;
  readonly tasks: TaskSessions;
}

/** What the store's clock reads when a run begins. */
const epochMs = 1_900_000_000_000;
/** By then there are sessions to call, and nothing has gone wrong yet. */
const preparedMs = 500;

/** Runs a plan from beginning to end. Nothing but the plan decides what happens. */
export async function simulate(plan: SimulationPlan): Promise<SimulationResult> {
  const time = createSimulatedTime();
  return withTimersOf(time, async () => {
    const random = seededRandom(plan.seed ^ 0x5eed);
    const store = createSimulatedStore(time, epochMs, random.whole(-150, 150) / 1e6);
    const observations: Observation[] = [];
    let faultsOn = false;
    let faults = 0;
    let started = 0;

    const start = (): Process => {
      const wallClockMs = wanderingClock(time, (plan.seed * 13 + started) ^ 0xc10c);
      const owner: Owner = { name: `process ${started}`, crashed: false, stoppedUntilMs: 0, wallClockMs };
      const wire = seededRandom((plan.seed * 31 + started) ^ 0xface);
      const drift = 1 + wire.whole(-20, 20) / 1e6;
      const bootMs = wire.whole(0, 1_000_000);
      const storage = simulatedStorage({
        time,
        store,
        owner,
        random: { ...wire, next: () => wire.next() },
        faults: () => (faultsOn ? plan.faults : {}),
        onFault: () => faults++,
        capabilities: { locking: plan.locking, groupTransactionsMax: plan.groupTransactionsMax },
      });
      const engine = createEngine(storage, {
        instanceId: `instance${started++}`,
        monotonicMs: () => bootMs + time.nowMs * drift,
        cacheBytesMax: plan.cacheBytesMax,
      });
      return { owner, engine, tasks: createTaskSessions(engine, { sessionsPerAgentMax }) };
    };

    const first = start();
    let sessionIds: readonly string[] = [];
    time.after(0, first.owner, () => void prepare(first).then((ids) => (sessionIds = ids)));
    await time.runUntil(preparedMs);
    if (sessionIds.length !== sessionsAtStart.length) throw new Error('the simulation could not be prepared');

    const processes = [first, ...Array.from({ length: plan.processes - 1 }, start)];
    let callers = 0;
    const call = ({ owner, engine, tasks }: Process): void => {
      for (let caller = 0; caller < plan.callersPerProcess; caller++) {
        const name = `call${callers++}`;
        const context = { time, owner, engine, tasks, sessionIds, observations };
        const own = seededRandom((plan.seed * 17 + callers) ^ 0xca11);
        time.after(
          own.whole(0, 50),
          owner,
          () => void runCaller({ ...context, random: own }, name, plan.callsPerCaller),
        );
      }
    };
    processes.forEach(call);
    faultsOn = true;
    for (const { process, atMs } of plan.crashes) {
      time.after(atMs, undefined, () => {
        const dying = processes[process];
        if (!dying) return;
        dying.owner.crashed = true;
        const next = start();
        processes[process] = next;
        call(next);
      });
    }
    for (const { process, atMs, forMs } of plan.stops) {
      time.after(atMs, undefined, () => {
        const stopped = processes[process];
        if (stopped) stopped.owner.stoppedUntilMs = time.nowMs + forMs;
      });
    }
    for (const { atMs, byMs } of plan.clockSteps) time.after(atMs, undefined, () => store.stepClock(byMs));
    await time.runUntil(preparedMs + faultsEndMs);
    faultsOn = false;
    await time.runUntil(endMs);
    return {
      violations: violationsOf({ store, observations, alone: started === 1 }),
      calls: observations.length,
      faults: faults + plan.crashes.length + plan.stops.length + plan.clockSteps.length,
      trace: observations.map(lineOf).join('\n'),
    };
  });
}

/** A clock that is right while a run is prepared, and then up to two hours off, another amount each quarter of a second. */
function wanderingClock(time: SimulatedTime, seed: number): () => number {
  return () => {
    const offsets = seededRandom(seed + Math.floor(time.nowMs / 250));
    const offsetMs = time.nowMs < preparedMs ? 0 : offsets.whole(-7_200_000, 7_200_000);
    return Math.floor(epochMs + time.nowMs + offsetMs);
  };
}

/** A plan as small as can be that still goes wrong. */
export async function shrink(plan: SimulationPlan, triesMax = 200): Promise<SimulationPlan> {
  let smallest = plan;
  let tries = 0;
  for (let shrunk = true; shrunk && tries < triesMax;) {
    shrunk = false;
    for (const candidate of smallerPlans(smallest)) {
      if (++tries > triesMax) break;
      if ((await simulate(candidate)).violations.length === 0) continue;
      smallest = candidate;
      shrunk = true;
      break;
    }
  }
  return smallest;
}

async function prepare({ engine, tasks }: Process): Promise<string[]> {
  await engine.transact(counterNames.map(counterKey), (view) => {
    for (const name of counterNames) view.put(counterKey(name), { points: pointsEach, moves: 0 });
    return { ok: true as const };
  });
  const ids: string[] = [];
  for (const [index, terms] of sessionsAtStart.entries()) {
    const created = await tasks.create({
      agentId: `${cappedAgent}-not-${index}`,
      declaredIntent: 'simulate',
      authorizedTools: ['read_*'],
      ...terms,
    });
    if (!created.ok) throw new Error(created.refusal.message);
    ids.push(created.session.sessionId);
  }
  return ids;
}

/** One line of the trace. Without ids, which are drawn anew in each run. */
function lineOf({ process, kind, startedMs, endedMs, answer }: Observation): string {
  const refusal = answer && !answer.ok ? (answer['refusal'] as { code: string }).code : 'ok';
  const remaining = (answer?.['remaining'] as { calls: number } | undefined)?.calls ?? '';
  return `${startedMs}-${endedMs ?? '?'} ${process} ${kind} ${answer ? refusal : 'no answer'} ${remaining}`;
}
