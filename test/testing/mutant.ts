import { memoryStorage } from 'ambit/memory';
import type {
  CommitAnswer,
  Key,
  LockedAnswer,
  RangeAnswer,
  RangeQuery,
  ReadAnswer,
  Storage,
  StoredRecord,
  SweepAnswer,
  Transaction,
  Write,
} from 'ambit/storage';
import type { FakeClock, TestStore } from 'ambit/testing';
import { sharedMemoryStore } from '../storage/shared-memory-store.js';

/** A store with one bug, and a case of the contract suite that must find it. */
export interface Mutant {
  /** The bug. */
  readonly name: string;
  /** Cases that must fail, among others. */
  readonly caughtBy: readonly string[];
  createStore(): TestStore;
}

/** Memory, known to answer at once. */
export interface AtOnce {
  read(keys: readonly Key[]): ReadAnswer;
  commit(transactions: readonly Transaction[]): CommitAnswer;
  locked(keys: readonly Key[], run: Run): LockedAnswer;
  range(query: RangeQuery): RangeAnswer;
  sweep(limit: number): SweepAnswer;
}

export type Run = (records: readonly (StoredRecord | undefined)[], nowMs: number) => readonly Transaction[];

/** Puts a bug below all handles: the methods given replace those of a right store. */
export function below(
  name: string,
  caughtBy: readonly string[],
  spoil: (right: AtOnce, clock: FakeClock) => Partial<Storage>,
): Mutant {
  const makeRecords = (clock: FakeClock): Storage => {
    const memory = memoryStorage({ clock });
    const spoilt = { ...memory, ...spoil(memory as unknown as AtOnce, clock) };
    // A lock that nobody spoilt commits in the spoilt way as well.
    const lockAtOnce: Storage['locked'] = (keys, run) =>
      spoilt.commit(run((spoilt.read(keys) as ReadAnswer).records, clock()));
    const { locked = lockAtOnce } = spoil(memory as unknown as AtOnce, clock);
    return { ...spoilt, locked };
  };
  return { name, caughtBy, createStore: () => sharedMemoryStore({}, makeRecords) };
}

/** Puts a bug into each handle. */
export function inHandle(
  name: string,
  caughtBy: readonly string[],
  spoil: (right: Storage) => Partial<Storage>,
): Mutant {
  return {
    name,
    caughtBy,
    createStore() {
      const store = sharedMemoryStore();
      return {
        ...store,
        async open() {
          const right = await store.open();
          return { ...right, ...spoil(right) };
        },
      };
    },
  };
}

/** Changes what was handed to `commit`, transaction by transaction. */
export function rewriting(
  rewrite: (transaction: Transaction, right: AtOnce, clock: FakeClock) => Transaction,
) {
  return (right: AtOnce, clock: FakeClock): Partial<Storage> => ({
    commit: (transactions) =>
      right.commit(transactions.map((transaction) => rewrite(transaction, right, clock))),
  });
}

export function mapWrites(transaction: Transaction, map: (write: Write) => Write): Transaction {
  return { ...transaction, writes: transaction.writes.map(map) };
}

/** Changes every record that is handed out. */
export function mapRecords(map: (record: StoredRecord) => StoredRecord | undefined) {
  const mapOne = (record: StoredRecord | undefined): StoredRecord | undefined => record && map(record);
  return (right: AtOnce): Partial<Storage> => ({
    read(keys) {
      const answer = right.read(keys);
      return { ...answer, records: answer.records.map(mapOne) };
    },
    commit(transactions) {
      const answer = right.commit(transactions);
      const outcomes = answer.outcomes.map((outcome) =>
        outcome.status === 'conflict' ? { ...outcome, current: outcome.current.map(mapOne) } : outcome,
      );
      return { ...answer, outcomes };
    },
    range(query) {
      const answer = right.range(query);
      return { ...answer, records: answer.records.flatMap((record) => mapOne(record) ?? []) };
    },
  });
}

export function currentVersion(right: AtOnce, key: Key): string | null {
  return right.read([key]).records[0]?.version ?? null;
}
