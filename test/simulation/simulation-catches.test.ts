import { afterAll, expect, test } from 'vitest';
import { mutants } from '../proof/mutants.js';
import { plant, runTests, treesFolder } from '../proof/mutant-tree.js';
import { report } from '../proof/figures.js';
import { rmSync } from 'node:fs';

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
  'treat a lost reply as a failure',
  'send a lost group again with fresh versions',
  'run a lost call again when somebody wrote on top',
  'forget what was deleted',
  'forget the callId',
];

afterAll(() => rmSync(treesFolder, { recursive: true, force: true }));

test.each(bugs)('the simulation finds within a minute: %s', { timeout: 150_000 }, async (bug) => {
  const mutant = mutants.find((one) => one.bug === bug);
  if (!mutant) throw new Error(`no deliberate bug is called "${bug}"`);
  process.env['AMBIT_SIMULATION_SECONDS'] = '60';
  const tree = plant(`simulated-${bug.replace(/\W+/g, '-')}`, mutant.patches, false);
  const startMs = performance.now();
  const { failed, why, printed } = await runTests(tree, {
    ...mutant,
    test: 'test/simulation/simulation.test.ts',
    caughtBy: 'every promise holds',
  });
  expect(failed, `nothing noticed the bug\n${printed}`).toHaveLength(1);
  expect(why).toMatch(/seed \d+/);
  console.log(why);
  const seed = Number(/seed (\d+)/.exec(why)?.[1]);
  const seconds = Math.round((performance.now() - startMs) / 100) / 10;
  report(`${bug}: found by the simulation`, { 'is the seed': seed, seconds });
});
