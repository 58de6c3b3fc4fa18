/**
 * `ambit/testing`: for authors of backends, and for tests of what stands on Ambit. It needs no test runner.
 */

// Does a backend keep the contract?
export { type ContractCase, storageContract } from './storage-contract.js';
export type { Skipped, TestStore } from './contract/contract-case.js';

// Time that a test moves by hand.
export { type FakeClock, fakeClock } from './fake-clock.js';

// Stores that wrap another one: to fail as planned, and to see what was asked of it.
export {
  type CallFate,
  type Fault,
  type FaultPlan,
  faultyStorage,
  type FaultyStorageOptions,
  type StorageCall,
} from './faulty-storage.js';
export {
  type Change,
  type InstrumentedStorage,
  instrumentedStorage,
  type StorageCounts,
} from './instrumented-storage.js';
export { findBrokenChains } from './version-chains.js';
