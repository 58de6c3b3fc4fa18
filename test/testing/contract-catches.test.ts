import { type ContractCase, storageContract } from 'ambit/testing';
import { describe, expect, test } from 'vitest';
import { sharedMemoryStore } from '../storage/shared-memory-store.js';
import { commitMutants, conflictMutants } from './commit-mutants.js';
import { lifeMutants, lockedMutants, sharingMutants } from './life-mutants.js';
import type { Mutant } from './mutant.js';
import { expiryMutants, rangeMutants, readingMutants } from './reading-mutants.js';

const mutants: readonly Mutant[] = [
  ...commitMutants,
  ...conflictMutants,
  ...readingMutants,
  ...rangeMutants,
  ...expiryMutants,
  ...lockedMutants,
  ...sharingMutants,
  ...lifeMutants,
];

/** A case that has not ended by then hangs: a mutant that deadlocks is caught by its silence. */
const silenceMsMax = 3_000;

async function fails({ run }: ContractCase): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(true), silenceMsMax);
  });
  const outcome = run().then(
    () => false,
    () => true,
  );
  const failed = await Promise.race([outcome, silence]);
  clearTimeout(timer);
  return failed;
}

async function failingCases(mutant: Mutant): Promise<string[]> {
  const failing: string[] = [];
  for (const contractCase of storageContract(() => mutant.createStore())) {
    if (await fails(contractCase)) failing.push(contractCase.name);
  }
  return failing;
}

describe('the contract suite finds each of these bugs', () => {
  const found = new Set<string>();

  test.each(mutants.map((mutant) => [mutant.name, mutant] as const))('%s', async (_name, mutant) => {
    const failing = await failingCases(mutant);
    for (const name of failing) found.add(name);
    for (const start of mutant.caughtBy) {
      expect(failing, `"${start}" must find it`).toContainEqual(expect.stringMatching(startOf(start)));
    }
  });

  test('and each of its cases finds one of them', () => {
    const names = storageContract(() => sharedMemoryStore()).map(({ name }) => name);
    expect(names.filter((name) => !found.has(name))).toEqual([]);
  });
});

function startOf(text: string): RegExp {
  return new RegExp(`^${text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}`);
}
