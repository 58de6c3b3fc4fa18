import type { FaultKind } from './simulated-network.js';
import { seededRandom } from './seeded-random.js';

/** Everything that is decided before a run; with the seed it decides the rest. */
export interface SimulationPlan {
  readonly seed: number;
  readonly processes: number;
  readonly callersPerProcess: number;
  readonly callsPerCaller: number;
  readonly locking: 'always' | 'after-conflict';
  readonly groupTransactionsMax: number;
  readonly cacheBytesMax: number;
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  /** Which process dies when; another takes its place. */
  readonly crashes: readonly { readonly process: number; readonly atMs: number }[];
  /** Which process stands still from when, for how long. */
  readonly stops: readonly { readonly process: number; readonly atMs: number; readonly forMs: number }[];
  /** Steps of the store's own clock. */
  readonly clockSteps: readonly { readonly atMs: number; readonly byMs: number }[];
}

/** Faults end here, and what was asked must be answered within the bounds that the engine gives itself. */
export const faultsEndMs = 4_000;
export const endMs = 60_000;

export function planOf(seed: number): SimulationPlan {
  const random = seededRandom(seed);
  const processes = random.whole(1, 4);
  const some = <T>(most: number, make: () => T): T[] =>
    Array.from({ length: Math.max(0, random.whole(-most, most)) }, make);
  const faults: Partial<Record<FaultKind, number>> = {};
  for (const kind of ['refused', 'request lost', 'reply lost', 'late', 'slow'] as const)
    if (random.chance(0.5)) faults[kind] = random.pick([0.01, 0.05, 0.15]);
  return {
    seed,
    processes,
    callersPerProcess: random.whole(1, 6),
    callsPerCaller: random.whole(4, 24),
    locking: random.chance(0.25) ? 'always' : 'after-conflict',
    groupTransactionsMax: random.pick([1, 2, 8, 256]),
    cacheBytesMax: random.pick([0, 2_000, 1_000_000, 1_000_000]),
    faults,
    crashes: some(2, () => ({ process: random.whole(0, processes - 1), atMs: random.whole(200, 3_000) })),
    stops: some(2, () => ({
      process: random.whole(0, processes - 1),
      atMs: random.whole(200, 3_000),
      forMs: random.whole(100, 2_000),
    })),
    clockSteps: random.chance(0.3)
      ? some(2, () => ({ atMs: random.whole(200, 3_000), byMs: random.whole(-120_000, 120_000) }))
      : [],
  };
}

/** Smaller plans of the same seed, the most smaller ones first. */
export function smallerPlans(plan: SimulationPlan): SimulationPlan[] {
  const without = <T>(list: readonly T[], index: number): T[] => list.filter((_, at) => at !== index);
  return [
    ...(plan.processes > 1
      ? [
          { ...plan, processes: 1 },
          { ...plan, processes: plan.processes - 1 },
        ]
      : []),
    ...(plan.callersPerProcess > 1
      ? [
          { ...plan, callersPerProcess: 1 },
          { ...plan, callersPerProcess: plan.callersPerProcess - 1 },
        ]
      : []),
    ...(plan.callsPerCaller > 1
      ? [
          { ...plan, callsPerCaller: plan.callsPerCaller >> 1 },
          { ...plan, callsPerCaller: plan.callsPerCaller - 1 },
        ]
      : []),
    ...Object.keys(plan.faults).map((kind) => ({
      ...plan,
      faults: Object.fromEntries(Object.entries(plan.faults).filter(([other]) => other !== kind)),
    })),
    ...plan.crashes.map((_, index) => ({ ...plan, crashes: without(plan.crashes, index) })),
    ...plan.stops.map((_, index) => ({ ...plan, stops: without(plan.stops, index) })),
    ...plan.clockSteps.map((_, index) => ({ ...plan, clockSteps: without(plan.clockSteps, index) })),
  ];
}
