import { memoryStorage } from 'ambit/memory';
import { fakeClock, faultyStorage, instrumentedStorage } from 'ambit/testing';
import { runContract } from './run-contract.js';
import { sharedMemoryStore } from './shared-memory-store.js';

// A wrapper keeps the contract of what it wraps.
runContract('instrumented memory', () => {
  const clock = fakeClock();
  return { clock, open: () => instrumentedStorage(memoryStorage({ clock })) };
});
runContract('faulty memory without a fault', () => {
  const clock = fakeClock();
  return { clock, open: () => faultyStorage(memoryStorage({ clock }), () => undefined) };
});
runContract('instrumented and faulty, waiting before and after', () => {
  const store = sharedMemoryStore();
  const wait = () => new Promise<void>((resolve) => void setImmediate(resolve));
  let calls = 0;
  const plan = () => (calls++ % 3 === 0 ? { before: wait } : { after: wait });
  return { ...store, open: async () => instrumentedStorage(faultyStorage(await store.open(), plan)) };
});
// The store that stands in for a server in tests of the engine, and with it the cases for two handles.
runContract('shared memory', () => sharedMemoryStore());
