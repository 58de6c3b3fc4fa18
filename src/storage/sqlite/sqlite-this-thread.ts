import type { Capabilities, LockedAnswer, Storage } from '../storage.js';
import type { SqliteExecutor, SqliteHold } from './sqlite-executor.js';

/** A storage whose connection lives on the calling thread: once the lock is taken, all happens without a pause. */
export function storageOnThisThread(
  executor: SqliteExecutor,
  capabilities: Capabilities,
  clock: () => number,
): Storage {
  function decide(hold: SqliteHold | undefined, run: Parameters<Storage['locked']>[1]): LockedAnswer {
    if (hold === undefined) return { busy: true, nowMs: clock() };
    let transactions: ReturnType<typeof run>;
    try {
      transactions = run(hold.records, hold.nowMs);
    } catch (error) {
      hold.abandon();
      throw error;
    }
    return hold.commit(transactions);
  }

  return {
    capabilities,
    clock,
    read: (keys) => executor.read(keys),
    commit: (transactions) => executor.commit(transactions),
    locked(keys, run) {
      const hold = executor.lock(keys);
      return hold instanceof Promise ? hold.then((taken) => decide(taken, run)) : decide(hold, run);
    },
    range: (query) => executor.range(query),
    sweep: (limit) => executor.sweep(limit),
    close: () => executor.close(),
  };
}
