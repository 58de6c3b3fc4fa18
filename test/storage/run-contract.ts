import { storageContract, type TestStore } from 'ambit/testing';
import { describe, test } from 'vitest';

/** Registers the contract suite for one kind of store. */
export function runContract(name: string, createStore: () => TestStore | Promise<TestStore>): void {
  describe(`storage contract: ${name}`, () => {
    for (const { name: caseName, run } of storageContract(createStore)) {
      test(caseName, async ({ skip }) => {
        const answer = await run();
        if (answer) skip(answer.skipped);
      });
    }
  });
}
