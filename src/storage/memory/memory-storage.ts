import {
  type Capabilities,
  groupTransactionsMax,
  StorageUnavailableError,
  type Storage,
} from '../storage.js';
import { createCommit } from './memory-commit.js';
import { createMemoryRecords } from './memory-records.js';

/** How a memory store is opened. */
export interface MemoryStorageOptions {
  /** The store's clock, in milliseconds since 1970: `Date.now` unless said. For tests. */
  readonly clock?: () => number;
}

const capabilities: Capabilities = Object.freeze({
  name: 'memory',
  durability: Object.freeze({ level: 'none' }),
  sharing: 'exclusive',
  locking: 'after-conflict',
  immediate: true,
  groupTransactionsMax,
});

/**
 * A store in the memory of this process: gone when the process ends. It answers without promises and never serialises
 * a value: the very object that was put is handed out.
 *
 * @example
 * ```ts
 * import { memoryStorage } from 'ambit/memory';
 * const storage = memoryStorage();
 * storage.capabilities.durability; // { level: 'none' }
 * ```
 */
export function memoryStorage(options: MemoryStorageOptions = {}): Storage {
  const clock = options.clock ?? Date.now;
  const records = createMemoryRecords();
  const commit = createCommit(records, clock);
  let closed = false;

  function assertOpen(): void {
    if (!closed) return;
    throw new StorageUnavailableError('memory: the store is closed; open a new one', { outcome: 'none' });
  }

  return {
    capabilities,
    clock,
    peek(key) {
      assertOpen();
      return records.slot(key);
    },
    read(keys) {
      assertOpen();
      return { records: keys.map(records.record), nowMs: clock() };
    },
    commit(transactions) {
      assertOpen();
      return commit(transactions);
    },
    locked(keys, run) {
      assertOpen();
      // Nobody else gets a turn before this returns: that is the lock.
      return commit(run(keys.map(records.record), clock()));
    },
    range(query) {
      assertOpen();
      return { records: records.range(query), nowMs: clock() };
    },
    sweep(limit) {
      assertOpen();
      const nowMs = clock();
      return { keys: records.sweep(limit, nowMs), nowMs };
    },
    close() {
      closed = true;
      records.clear();
    },
  };
}
