import type { MaybePromise } from '../storage/storage.js';
import { commitCases } from './contract/commit-cases.js';
import { conflictCases } from './contract/conflict-cases.js';
import { type CaseDefinition, runCase, type Skipped, type TestStore } from './contract/contract-case.js';
import { expiryCases } from './contract/expiry-cases.js';
import { lifeCases } from './contract/life-cases.js';
import { limitCases } from './contract/limit-cases.js';
import { lockedCases } from './contract/locked-cases.js';
import { rangeCases } from './contract/range-cases.js';
import { readingCases } from './contract/reading-cases.js';
import { sharingCases } from './contract/sharing-cases.js';

/** One case of the suite. It throws an `AssertionError` where the store is wrong. */
export interface ContractCase {
  readonly name: string;
  /** Runs on a store of its own. Answers why, if the case does not apply to it: count that as skipped, not as passed. */
  readonly run: () => Promise<void | Skipped>;
}

const definitions: readonly CaseDefinition[] = [
  ...lifeCases,
  ...readingCases,
  ...commitCases,
  ...conflictCases,
  ...limitCases,
  ...expiryCases,
  ...rangeCases,
  ...lockedCases,
  ...sharingCases,
];

/**
 * The suite that tells whether a `Storage` keeps the contract of `ambit/storage`. It belongs to no test runner: it
 * answers a list, and whoever asked registers it where they like. What a store is, it reads from its capabilities.
 *
 * @param createStore makes an empty store for each case
 * @example
 * ```ts
 * import { memoryStorage } from 'ambit/memory';
 * import { storageContract } from 'ambit/testing';
 * import { test } from 'node:test';
 *
 * for (const { name, run } of storageContract(() => ({ open: () => memoryStorage() }))) {
 *   test(name, async (context) => {
 *     const answer = await run();
 *     if (answer) context.skip(answer.skipped);
 *   });
 * }
 * ```
 */
export function storageContract(createStore: () => MaybePromise<TestStore>): readonly ContractCase[] {
  return definitions.map((definition) => ({
    name: definition.name,
    run: () => runCase(definition, createStore),
  }));
}
