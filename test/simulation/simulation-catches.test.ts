import { afterAll, expect, test } from 'vitest';
import { type Mutant, mutants } from '../proof/mutants.js';
import { plant, runMsMax, runTests, treesFolder } from '../proof/mutant-tree.js';
import { planOf, type SimulationPlan } from './plan.js';
import { report } from '../proof/figures.js';
import { rmSync } from 'node:fs';
import { simulate } from './simulation.js';

/** The bugs that schedules and faults bring out; the others are of a backend, or of one rule. */
const bugs: readonly string[] = [
  'acknowledge before the commit',
  'skip the version check (memory)',
  'count before the check, and let a refusal write',
  'reuse a version',
  'answer a refusal from a stale cache',
  'split a component',
  'forget notAfterMs',
  'forget the least notAfterMs of a component',
  'take the clock of the process for that of the store',
  'treat a lost reply as a failure',
  'send a lost group again with fresh versions',
  'run a lost call again when somebody wrote on top',
  'forget what was deleted',
  'forget the callId',
];

/** Which seed found it, what it said is broken, and the plan that it was shrunk to. */
interface Finding {
  readonly seed: number;
  readonly broken: string;
  readonly shrunk: SimulationPlan;
  readonly seconds: number;
}

const findings = new Map<string, Finding>();
const secondsMax = 60;

afterAll(() => rmSync(treesFolder, { recursive: true, force: true }));

function treeOf(bug: string): { mutant: Mutant; tree: string } {
  const mutant = mutants.find((one) => one.bug === bug);
  if (!mutant) throw new Error(`no deliberate bug is called "${bug}"`);
  const simulation = { test: 'test/simulation/simulation.test.ts', caughtBy: 'every promise holds' };
  const tree = plant(`simulated-${bug.replace(/\W+/g, '-')}`, mutant.patches, false);
  return { mutant: { ...mutant, ...simulation }, tree };
}

async function findFrom(firstSeed: number, { mutant, tree }: ReturnType<typeof treeOf>): Promise<Finding> {
  const { failed, said, printed, seconds } = await runTests(tree, mutant, {
    AMBIT_SIMULATION_SECONDS: String(secondsMax),
    AMBIT_SIMULATION_SEED: String(firstSeed),
  });
  expect(failed, `nothing noticed the bug\n${printed}`).toHaveLength(1);
  const [, seed, broken, shrunk] =
    /seed (\d+): (.*)\nshrunk to (\{.*\})/.exec(said) ?? expect.fail(`no seed is named in: ${said}`);
  return {
    seed: Number(seed),
    broken: broken ?? '',
    shrunk: JSON.parse(shrunk ?? '') as SimulationPlan,
    seconds,
  };
}

/** How much a plan holds: what shrinking makes less of. */
const sizeOf = (plan: SimulationPlan): number =>
  plan.processes +
  plan.callersPerProcess +
  plan.callsPerCaller +
  Object.keys(plan.faults).length +
  plan.crashes.length +
  plan.stops.length +
  plan.clockSteps.length;

test.concurrent.each(bugs)(
  'the simulation finds within a minute: %s',
  { timeout: runMsMax + 60_000 },
  async (bug) => {
    const found = await findFrom(1, treeOf(bug));
    findings.set(bug, found);
    const [whole, least] = [sizeOf(planOf(found.seed)), sizeOf(found.shrunk)];
    expect(least, 'shrunk').toBeLessThanOrEqual(whole);
    console.log(`${bug}: seed ${found.seed}: ${found.broken}\nshrunk to ${JSON.stringify(found.shrunk)}`);
    report(`${bug}: found by the simulation`, { 'is the seed': found.seed, seconds: found.seconds });
  },
);

test('each of these seeds finds nothing where the bug is not', { timeout: 120_000 }, async () => {
  expect([...findings.keys()].toSorted()).toEqual(bugs.toSorted());
  for (const [bug, { seed, shrunk }] of findings) {
    expect((await simulate(planOf(seed))).violations, bug).toEqual([]);
    expect((await simulate(shrunk)).violations, bug).toEqual([]);
  }
  const sizes = [...findings.values()].map(({ seed, shrunk }) => sizeOf(planOf(seed)) - sizeOf(shrunk));
  expect(Math.max(...sizes), 'shrinking makes plans smaller').toBeGreaterThan(10);
});

test.concurrent.each(['treat a lost reply as a failure', 'answer a refusal from a stale cache'])(
  'a seed that found something finds it again, and is shrunk to the same: %s',
  { timeout: runMsMax + 60_000 },
  async (bug) => {
    const found = findings.get(bug) ?? expect.fail('it was not found');
    const again = await findFrom(found.seed, treeOf(bug));
    expect({ ...again, seconds: 0 }).toEqual({ ...found, seconds: 0 });
  },
);
