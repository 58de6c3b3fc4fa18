import { memoryStorage } from 'ambit/memory';
import { type Capabilities, type Storage, StorageUnavailableError } from 'ambit/storage';
import { type FakeClock, fakeClock, faultyStorage, type TestStore } from 'ambit/testing';

/**
 * A store in memory that many handles write to and that outlives them, as a database server would: for tests of what
 * stands on a shared store, where a real one would only be slower.
 *
 * @param makeRecords makes what all handles stand on
 */
export function sharedMemoryStore(
  capabilities: Partial<Capabilities> = {},
  makeRecords: (clock: FakeClock) => Storage = (clock) => memoryStorage({ clock }),
): TestStore {
  const clock = fakeClock();
  const records = makeRecords(clock);
  const shared: Partial<Capabilities> = {
    name: 'shared-memory',
    durability: Object.freeze({ level: 'process' }),
    sharing: 'host',
    immediate: false,
    ...capabilities,
  };
  return {
    clock,
    open: () => faultyStorage(handleOf(records), () => undefined, { capabilities: shared }),
    remove: () => records.close(),
  };
}

/** A handle that is closed by itself. */
function handleOf(records: Storage): Storage {
  let closed = false;
  function open(): Storage {
    if (closed) throw new StorageUnavailableError('shared memory: the handle is closed', { outcome: 'none' });
    return records;
  }
  return {
    capabilities: records.capabilities,
    ...(records.clock && { clock: records.clock }),
    read: (keys) => open().read(keys),
    commit: (transactions) => open().commit(transactions),
    locked: (keys, run) => open().locked(keys, run),
    range: (query) => open().range(query),
    sweep: (limit) => open().sweep(limit),
    close() {
      closed = true;
    },
  };
}
