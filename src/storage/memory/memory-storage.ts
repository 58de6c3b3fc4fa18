import {
  absent,
  type Capabilities,
  type CommitAnswer,
  groupTransactionsMax,
  type Key,
  type Outcome,
  type Put,
  StorageUnavailableError,
  type Storage,
  type StoredRecord,
  type Transaction,
  type Value,
  type Version,
  type Write,
} from '../storage.js';
import { createExpiryQueue } from './expiry-queue.js';
import { createOrderedKeys } from './ordered-keys.js';

export interface MemoryStorageOptions {
  /** The store's clock, in milliseconds since 1970: `Date.now` unless said. For tests. */
  readonly clock?: () => number;
}

/** What is kept under a key. Written over in place; records are made from it when somebody asks. */
interface Slot {
  readonly key: Key;
  version: Version;
  value: Value;
  expiresAtMs: number | undefined;
  queuePosition: number;
}

const capabilities: Capabilities = Object.freeze({
  name: 'memory',
  durability: Object.freeze({ level: 'none' }),
  sharing: 'exclusive',
  locking: 'after-conflict',
  immediate: true,
  groupTransactionsMax,
});

const ok: Outcome = Object.freeze({ status: 'ok' });
const late: Outcome = Object.freeze({ status: 'late' });
const oneOk: readonly Outcome[] = Object.freeze([ok]);

/**
 * A store in the memory of this process: gone when the process ends. It answers without promises and never serialises
 * a value, so a value that was put is the very object that is handed out.
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
  const slots = new Map<Key, Slot>();
  const keys = createOrderedKeys();
  const expiring = createExpiryQueue<Slot>();
  let closed = false;
  // Slots of the transaction at hand: looked up once, and no array is made for it on the hot path.
  const found: (Slot | undefined)[] = [];
  // What the clock said inside the last commit: reading it is the dearest part of a small one.
  let readMs: number | undefined;
  // One answer serves all commits of one millisecond.
  let okAnswer: CommitAnswer = Object.freeze({ outcomes: oneOk, nowMs: Number.NaN });

  function commitOne(transaction: Transaction): Outcome {
    const { writes, notAfterMs } = transaction;
    const count = writes.length;
    for (let index = 0; index < count; index++) {
      const write = writes[index] as Write;
      const slot = slots.get(write.key);
      if ((slot === undefined ? absent : slot.version) !== write.expected) return conflict(writes);
      found[index] = slot;
    }
    if (notAfterMs !== undefined) {
      readMs = clock();
      if (readMs > notAfterMs) return late;
    }
    for (let index = 0; index < count; index++) {
      const write = writes[index] as Write;
      if (write.kind === 'put') put(write, found[index]);
      else if (write.kind === 'delete') remove(found[index]);
    }
    return ok;
  }

  function put(write: Put, slot: Slot | undefined): void {
    const { version, value, expiresAtMs } = write;
    if (slot === undefined) {
      create(write);
      return;
    }
    slot.version = version;
    slot.value = value;
    if (slot.expiresAtMs !== expiresAtMs) {
      slot.expiresAtMs = expiresAtMs;
      expiring.update(slot);
    }
  }

  function create(write: Put): void {
    const { key, version, value, expiresAtMs } = write;
    const slot: Slot = { key, version, value, expiresAtMs, queuePosition: -1 };
    slots.set(key, slot);
    keys.add(key);
    if (expiresAtMs !== undefined) expiring.update(slot);
  }

  function remove(slot: Slot | undefined): void {
    if (slot === undefined) return;
    slots.delete(slot.key);
    keys.remove(slot.key);
    expiring.remove(slot);
  }

  function conflict(writes: readonly Write[]): Outcome {
    return { status: 'conflict', current: writes.map((write) => recordUnder(write.key)) };
  }

  function recordUnder(key: Key): StoredRecord | undefined {
    const slot = slots.get(key);
    if (slot === undefined) return undefined;
    const { version, value, expiresAtMs } = slot;
    return expiresAtMs === undefined ? { key, version, value } : { key, version, value, expiresAtMs };
  }

  function commit(transactions: readonly Transaction[]): CommitAnswer {
    if (closed) throw isClosed();
    if (transactions.length !== 1) {
      const outcomes = transactions.map(commitOne);
      return { outcomes, nowMs: clock() };
    }
    readMs = undefined;
    const outcome = commitOne(transactions[0] as Transaction);
    const nowMs = readMs ?? clock();
    if (outcome !== ok) return { outcomes: [outcome], nowMs };
    if (okAnswer.nowMs !== nowMs) okAnswer = Object.freeze({ outcomes: oneOk, nowMs });
    return okAnswer;
  }

  return {
    capabilities,
    clock,
    read(wanted) {
      if (closed) throw isClosed();
      return { records: wanted.map(recordUnder), nowMs: clock() };
    },
    commit,
    locked(wanted, run) {
      if (closed) throw isClosed();
      // Nobody else gets a turn before this returns: that is the lock.
      return commit(run(wanted.map(recordUnder), clock()));
    },
    range(query) {
      if (closed) throw isClosed();
      const records = keys.collect(query).map((key) => recordUnder(key) as StoredRecord);
      return { records, nowMs: clock() };
    },
    sweep(limit) {
      if (closed) throw isClosed();
      const nowMs = clock();
      const swept: Key[] = [];
      while (swept.length < limit) {
        const slot = expiring.first();
        if (slot?.expiresAtMs === undefined || slot.expiresAtMs > nowMs) break;
        remove(slot);
        swept.push(slot.key);
      }
      return { keys: swept, nowMs };
    },
    close() {
      closed = true;
      slots.clear();
      keys.clear();
      expiring.clear();
      found.length = 0;
    },
  };
}

function isClosed(): StorageUnavailableError {
  return new StorageUnavailableError('memory: the store is closed; open a new one', { outcome: 'none' });
}
