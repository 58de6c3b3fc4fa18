/**
 * `ambit/testing`: for authors of backends, and for tests of what stands on Ambit. It needs no test runner.
 */

// Does a backend keep the contract?
export { type ContractCase, storageContract } from './storage-contract.js';
export type { Skipped, TestStore } from './contract/contract-case.js';

// Time that a test moves by hand.
export { type FakeClock, fakeClock } from './fake-clock.js';
