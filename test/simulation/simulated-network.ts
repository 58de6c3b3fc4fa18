import {
  type Capabilities,
  type Key,
  type LockedAnswer,
  type Storage,
  type StoredRecord,
  StorageUnavailableError,
  type Transaction,
} from '../../src/storage/storage.js';
import type { Owner, SimulatedTime } from './simulated-time.js';
import type { SeededRandom } from './seeded-random.js';
import type { SimulatedStore } from './simulated-store.js';

/** What may happen to a message. `late`: its sender is told that it was lost, and it arrives all the same. */
export type FaultKind = 'refused' | 'request lost' | 'reply lost' | 'late' | 'slow';

/** How likely each fault is, for one message. */
export type FaultRates = Readonly<Partial<Record<FaultKind, number>>>;

export interface WireOptions {
  readonly time: SimulatedTime;
  readonly store: SimulatedStore;
  readonly owner: Owner;
  readonly random: SeededRandom;
  readonly faults: () => FaultRates;
  /** Told of each fault that happens. */
  readonly onFault: () => void;
  readonly capabilities: Partial<Capabilities>;
}

interface Trip {
  readonly thereMs: number;
  readonly backMs: number;
  readonly fault: FaultKind | undefined;
}

/** How long a request for a locked key waits at the server, and how often it looks: about what backends are told to. */
const lockWaitMs = 200;
const lockRetryMs = 4;
/** How long a lock outlives its holder: the server ends a session that idles inside a transaction. */
const leaseMs = 400;

const name = 'simulated';

/** The store as one process reaches it: over a wire that delays, loses and brings late, to a server it shares. */
export function simulatedStorage(options: WireOptions): Storage {
  const { store, capabilities } = options;
  const wire = createWire(options);
  return {
    capabilities: {
      name,
      durability: { level: 'power' },
      sharing: 'network',
      locking: 'after-conflict',
      immediate: false,
      groupTransactionsMax: 256,
      ...capabilities,
    },
    read: (keys) => wire.ask('none', () => store.read(keys)),
    commit: (transactions) => {
      const writes = transactions.some((one) => one.writes.some((write) => write.kind !== 'check'));
      return wire.ask(writes ? 'unknown' : 'none', () => store.commit(transactions));
    },
    locked: (keys, run) => lockedOver(options, wire, keys, run),
    range: (query) => wire.ask('none', () => store.plain.range(query)),
    sweep: (limit) => wire.ask('none', () => store.plain.sweep(limit)),
    close: () => undefined,
  };
}

interface Wire {
  /** Asks the server once, and says of a lost message that its outcome is this. */
  ask<T>(lostOutcome: 'none' | 'unknown', serve: () => T | 'held'): Promise<Awaited<T>>;
}

function createWire({ time, owner, random, faults, onFault }: WireOptions): Wire {
  function plan(): Trip {
    let drawn = random.next();
    let fault: FaultKind | undefined;
    for (const [kind, rate] of Object.entries(faults()) as [FaultKind, number][]) {
      drawn -= rate;
      if (drawn >= 0) continue;
      fault = kind;
      onFault();
      break;
    }
    const slow = fault === 'slow' ? random.whole(50, 1_500) : 0;
    return { thereMs: random.whole(1, 8) + slow, backMs: random.whole(1, 8), fault };
  }

  return {
    ask(lostOutcome, serve) {
      const trip = plan();
      return new Promise((resolve, reject) => {
        const fail = (reason: string, outcome: 'none' | 'unknown', afterMs: number): void =>
          time.after(afterMs, owner, () => reject(new StorageUnavailableError(reason, { outcome })));
        const arrive = (reply: (answer: never) => void): void => {
          const untilMs = time.nowMs + lockWaitMs;
          const attempt = (): void => {
            let answer;
            try {
              answer = serve();
            } catch (error) {
              fail(String(error), 'none', trip.backMs);
              return;
            }
            if (answer !== 'held') reply(answer as never);
            else if (time.nowMs < untilMs) time.after(lockRetryMs, undefined, attempt);
            else fail('a key was locked for too long', 'none', trip.backMs);
          };
          attempt();
        };
        const answerBack = (answer: never): void => time.after(trip.backMs, owner, () => resolve(answer));
        switch (trip.fault) {
          case 'refused':
            return fail('no connection', 'none', trip.thereMs);
          case 'request lost':
            return fail('cut', lostOutcome, trip.thereMs + trip.backMs);
          case 'reply lost':
            time.after(trip.thereMs, undefined, () => arrive(() => fail('cut', lostOutcome, trip.backMs)));
            return;
          case 'late':
            fail('cut', lostOutcome, trip.thereMs);
            time.after(trip.thereMs + random.whole(1, 3_000), undefined, () => arrive(() => undefined));
            return;
          default:
            time.after(trip.thereMs, undefined, () => arrive(answerBack));
        }
      });
    },
  };
}

async function lockedOver(
  { store, time }: WireOptions,
  wire: Wire,
  keys: readonly Key[],
  run: (records: readonly (StoredRecord | undefined)[], nowMs: number) => readonly Transaction[],
): Promise<LockedAnswer> {
  const holder = {};
  const sinceMs = time.nowMs;
  const locked = await wire.ask('none', () => {
    if (store.lock(keys, holder, leaseMs)) return store.read(keys);
    return time.nowMs - sinceMs < lockWaitMs ? 'held' : ('busy' as const);
  });
  if (locked === 'busy') return { busy: true, nowMs: store.clockMs() };
  let transactions: readonly Transaction[];
  try {
    transactions = run(locked.records, locked.nowMs);
  } catch (error) {
    store.unlock(holder);
    throw error;
  }
  return wire.ask('unknown', () => {
    if (!store.holds(keys, holder)) throw new Error('the lock was lost: nothing was written');
    const answer = store.commit(transactions, holder);
    if (answer !== 'held') store.unlock(holder);
    return answer;
  });
}
