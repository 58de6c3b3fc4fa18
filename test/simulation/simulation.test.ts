import { expect, test } from 'vitest';
import { planOf } from './plan.js';
import { report } from '../proof/figures.js';
import { shrink, simulate } from './simulation.js';

/**
 * Seconds of simulation: a few in the suite, more where somebody wants proof. Of the processor's time, or a machine that
 * does other work as well would try less.
 */
const seconds = Number(process.env['AMBIT_SIMULATION_SECONDS'] ?? 10);
const firstSeed = Number(process.env['AMBIT_SIMULATION_SEED'] ?? 1);

test('a run repeats exactly', async () => {
  for (const seed of [3, 17, 99]) {
    const plan = planOf(seed);
    const [one, two] = [await simulate(plan), await simulate(plan)];
    expect(one.trace.length).toBeGreaterThan(100);
    expect(two.trace).toBe(one.trace);
  }
});

test('every promise holds in thousands of schedules', { timeout: seconds * 4_000 + 120_000 }, async () => {
  const atStart = process.cpuUsage();
  const spentMs = (): number => {
    const { user, system } = process.cpuUsage(atStart);
    return (user + system) / 1_000;
  };
  let [seeds, calls, faults] = [0, 0, 0];
  for (let seed = firstSeed; spentMs() < seconds * 1_000; seed++, seeds++) {
    const plan = planOf(seed);
    const result = await simulate(plan);
    calls += result.calls;
    faults += result.faults;
    if (result.violations.length === 0) continue;
    const smallest = await shrink(plan);
    const { violations } = await simulate(smallest);
    expect.fail(`seed ${seed}: ${violations.join('; ')}\nshrunk to ${JSON.stringify(smallest)}`);
  }
  report('simulation', { schedules: seeds, calls, faults, seconds });
  expect(seeds).toBeGreaterThan(10);
  expect(calls).toBeGreaterThan(1_000);
  expect(faults).toBeGreaterThan(100);
});
