import type { CommitAnswer, Key, ReadAnswer, Storage, Transaction } from '../../src/storage/storage.js';
import { memoryStorage } from '../../src/storage/memory/memory-storage.js';
import type { SimulatedTime } from './simulated-time.js';

/** One record as one transaction left it. */
export interface StoredState {
  /** When, in the simulation's time and by the store's clock. */
  readonly atMs: number;
  readonly storeMs: number;
  /** The same for all records that one transaction wrote. */
  readonly transaction: number;
  /** `undefined` where the record was deleted. */
  readonly value: unknown;
}

/** The server that all processes share: memory, locks with a lease, a clock of its own, and a history of every record. */
export interface SimulatedStore {
  /** The store's clock, which may be stepped. */
  clockMs(): number;
  stepClock(byMs: number): void;
  read(keys: readonly Key[]): ReadAnswer;
  /** `held`: a key is locked by somebody else; to be tried again. */
  commit(transactions: readonly Transaction[], holder?: object): CommitAnswer | 'held';
  /** Locks all of them or none. */
  lock(keys: readonly Key[], holder: object, leaseMs: number): boolean;
  holds(keys: readonly Key[], holder: object): boolean;
  unlock(holder: object): void;
  readonly plain: Storage;
  readonly history: ReadonlyMap<Key, readonly StoredState[]>;
  readonly transactions: number;
}

/** @param epochMs what the store's clock reads when the simulation begins */
export function createSimulatedStore(
  time: SimulatedTime,
  epochMs: number,
  driftPerMs: number,
): SimulatedStore {
  let stepMs = 0;
  const clockMs = (): number => Math.floor(epochMs + stepMs + time.nowMs * (1 + driftPerMs));
  const plain = memoryStorage({ clock: clockMs });
  const locks = new Map<Key, { readonly holder: object; readonly untilMs: number }>();
  const history = new Map<Key, StoredState[]>();
  let transactions = 0;

  const heldByOther = (key: Key, holder: object | undefined): boolean => {
    const lock = locks.get(key);
    return lock !== undefined && lock.holder !== holder && lock.untilMs > time.nowMs;
  };

  function note({ writes }: Transaction): void {
    transactions++;
    for (const write of writes) {
      if (write.kind === 'check') continue;
      const states = history.get(write.key) ?? [];
      history.set(write.key, states);
      // null is the engine's mark of a deleted record.
      const value = write.kind === 'put' ? (write.value.json ?? undefined) : undefined;
      states.push({ atMs: time.nowMs, storeMs: clockMs(), transaction: transactions, value });
    }
  }

  return {
    clockMs,
    plain,
    history,
    get transactions() {
      return transactions;
    },
    stepClock(byMs) {
      stepMs += byMs;
    },
    read: (keys) => plain.read(keys) as ReadAnswer,
    commit(group, holder) {
      const held = group.some(({ writes }) => writes.some(({ key }) => heldByOther(key, holder)));
      if (held) return 'held';
      const answer = plain.commit(group) as CommitAnswer;
      group.forEach((transaction, index) => {
        if (answer.outcomes[index]?.status === 'ok') note(transaction);
      });
      return answer;
    },
    lock(keys, holder, leaseMs) {
      if (keys.some((key) => heldByOther(key, holder))) return false;
      for (const key of keys) locks.set(key, { holder, untilMs: time.nowMs + leaseMs });
      return true;
    },
    holds: (keys, holder) =>
      keys.every((key) => {
        const lock = locks.get(key);
        return lock?.holder === holder && lock.untilMs > time.nowMs;
      }),
    unlock(holder) {
      for (const [key, lock] of locks) if (lock.holder === holder) locks.delete(key);
    },
  };
}
