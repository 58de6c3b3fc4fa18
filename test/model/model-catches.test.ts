import { describe, expect, test } from 'vitest';
import { commitMutants, conflictMutants } from '../testing/commit-mutants.js';
import { lockedMutants } from '../testing/life-mutants.js';
import type { Mutant } from '../testing/mutant.js';
import { expiryMutants, rangeMutants, readingMutants } from '../testing/reading-mutants.js';
import { runStorageModel } from './run-storage-model.js';

/** What a model with nine keys and one caller at a time cannot meet; the contract suite does. */
const outOfReach: ReadonlySet<string> = new Set([
  // Its versions are v-1, v-2, …
  'versions are compared without regard to case',
  'versions are compared as numbers',
  // Its keys and values are few and small, and values come from a generator that has never heard of these.
  'at most 1,000 keys are read',
  'a range answers at most 100',
  'keys are cut at 1,024 characters',
  'keys are normalised',
  'values are normalised',
  'values are cut at 64 KiB',
  'objects keep 1,000 members',
  'a member called __proto__ is lost',
  '-0 is kept as such',
  // undefined and null are the same to it.
  'what is absent is null',
  // It waits for each answer before it goes on.
  'keys are read one by one',
  'a lock does not lock',
  'locks are taken in the order given',
]);

const mutants: readonly Mutant[] = [
  ...commitMutants,
  ...conflictMutants,
  ...readingMutants,
  ...rangeMutants,
  ...expiryMutants,
  ...lockedMutants,
].filter(({ name }) => !outOfReach.has(name));

describe('the model test finds each of these bugs', () => {
  test.each(mutants.map((mutant) => [mutant.name, mutant] as const))('%s', async (_name, mutant) => {
    // Always the same commands: a bug that is found today is found tomorrow.
    const run = runStorageModel(() => mutant.createStore(), { runs: 1_000, seed: 1 });
    await expect(run).rejects.toThrow('Property failed');
  });
});
