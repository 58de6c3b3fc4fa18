import {
  type Capabilities,
  type Key,
  type LockedAnswer,
  type MaybePromise,
  type Storage,
  StorageUnavailableError,
  type Transaction,
  type WriteOutcome,
} from '../storage/storage.js';
import { andThen } from './maybe-promise.js';

/** A call that a plan may spoil. */
export interface StorageCall {
  readonly method: 'read' | 'commit' | 'locked' | 'range' | 'sweep' | 'close';
  /** How many calls of this method came before it. */
  readonly index: number;
  /** What `read` and `locked` were asked for. */
  readonly keys?: readonly Key[];
  /** What `commit` was given. */
  readonly transactions?: readonly Transaction[];
}

/**
 * What becomes of a call:
 *
 * - `answered`: what becomes of it without a fault
 * - `refused`: it never reached the store, and that is known (`outcome: 'none'`)
 * - `request-lost`: it never reached the store, and nobody knows (`outcome: 'unknown'`). `locked` has called `run`.
 * - `reply-lost`: the store did it, and nobody knows (`outcome: 'unknown'`)
 * - `delivered-late`: it fails with `outcome: 'unknown'`, and reaches the store afterwards, when `before` is through;
 *   for `commit` and `locked` only (whose `run` is called before it fails)
 * - `busy`: for `locked` only
 */
export type CallFate = 'answered' | 'refused' | 'request-lost' | 'reply-lost' | 'delivered-late' | 'busy';

/** What goes wrong with one call, and what happens around it. */
export interface Fault {
  /** `answered` unless said. */
  readonly fate?: CallFate;
  /** Runs before the call reaches the store: wait here to delay it, or let somebody else write. */
  readonly before?: () => MaybePromise<void>;
  /** Runs when the store has answered and the caller does not know it yet. */
  readonly after?: () => MaybePromise<void>;
}

/** Says what goes wrong with a call, if anything. */
export type FaultPlan = (call: StorageCall) => Fault | undefined;

/** What a faulty store says of itself. */
export interface FaultyStorageOptions {
  /** What the wrapped store claims to be, where that differs. With `immediate: false` it answers by promise. */
  readonly capabilities?: Partial<Capabilities>;
}

/**
 * A store that fails as planned: replies are lost, requests arrive late, locks are busy, somebody else writes in
 * between. Without a fault it is the store it wraps.
 *
 * @param storage the store that does the work
 * @param plan asked once for every call, in the order of the calls
 * @example
 * ```ts
 * import { memoryStorage } from 'ambit/memory';
 * import { faultyStorage } from 'ambit/testing';
 * // The reply to the second commit is lost.
 * const storage = faultyStorage(memoryStorage(), ({ method, index }) =>
 *   method === 'commit' && index === 1 ? { fate: 'reply-lost' } : undefined,
 * );
 * ```
 */
export function faultyStorage(
  storage: Storage,
  plan: FaultPlan,
  options: FaultyStorageOptions = {},
): Storage {
  const capabilities = Object.freeze({ ...storage.capabilities, ...options.capabilities });
  const ask = numbering(plan);
  const underWay = new Set<Promise<void>>();
  let closed = false;

  function faultOf(call: Omit<StorageCall, 'index'>): Fault {
    // The store may still be open, for what came before the end.
    if (closed && call.method !== 'close') throw unavailable('refused', 'none');
    return ask(call) ?? {};
  }

  /** Makes `close` wait for an answer. */
  function track<A>(answer: MaybePromise<A>): MaybePromise<A> {
    if (!(answer instanceof Promise)) return answer;
    // Whether it failed is for its caller to hear.
    const settled = answer.then(noop, noop).then(() => void underWay.delete(settled));
    underWay.add(settled);
    return answer;
  }

  /** Lets transactions reach the store when the fault's `before` is through, and fails at once. */
  function deliverLate(fault: Fault, transactions: readonly Transaction[]): never {
    const deliver = async (): Promise<void> => {
      await fault.before?.();
      await storage.commit(transactions);
      await fault.after?.();
    };
    // Its caller was told long ago that nobody knows.
    void track(deliver().catch(noop));
    throw unavailable('delivered-late', 'unknown');
  }

  const faulty: Storage = {
    capabilities,
    ...untouched(storage),
    read: (keys) => track(spoil(faultOf({ method: 'read', keys }), () => storage.read(keys))),
    commit(transactions) {
      const fault = faultOf({ method: 'commit', transactions });
      if (fault.fate === 'delivered-late') return deliverLate(fault, transactions);
      return track(spoil(fault, () => storage.commit(transactions)));
    },
    locked(keys, run) {
      const fault = faultOf({ method: 'locked', keys });
      let decided: readonly Transaction[] = [];
      const decide = (): MaybePromise<LockedAnswer> =>
        storage.locked(keys, (records, nowMs) => {
          decided = run(records, nowMs);
          return [];
        });
      if (fault.fate === 'delivered-late') return track(andThen(decide(), () => deliverLate(fault, decided)));
      if (fault.fate === 'busy')
        return track(spoil({ ...fault, fate: 'answered' }, () => busyAnswer(storage)));
      return track(spoil(fault, () => storage.locked(keys, run), decide));
    },
    range: (query) => track(spoil(faultOf({ method: 'range' }), () => storage.range(query))),
    sweep: (limit) => track(spoil(faultOf({ method: 'sweep' }), () => storage.sweep(limit))),
    close() {
      closed = true;
      return spoil(faultOf({ method: 'close' }), () =>
        underWay.size === 0 ? storage.close() : Promise.all(underWay).then(() => storage.close()),
      );
    },
  };
  return capabilities.immediate ? faulty : byPromise(faulty);
}

/** A plan that need not be told how many calls came before. */
function numbering(plan: FaultPlan): (call: Omit<StorageCall, 'index'>) => Fault | undefined {
  const calls = new Map<StorageCall['method'], number>();
  return (call) => {
    const index = calls.get(call.method) ?? 0;
    calls.set(call.method, index + 1);
    return plan({ ...call, index });
  };
}

/** Does what the fault says with a call that can be answered, refused or lost. */
function spoil<A>(
  fault: Fault,
  ask: () => MaybePromise<A>,
  decide?: () => MaybePromise<unknown>,
): MaybePromise<A> {
  const { fate = 'answered' } = fault;
  return andThen(fault.before?.(), () => {
    if (fate === 'refused') throw unavailable(fate, 'none');
    if (fate === 'request-lost') {
      return andThen(decide?.(), () => {
        throw unavailable(fate, 'unknown');
      });
    }
    if (fate !== 'answered' && fate !== 'reply-lost')
      throw new TypeError(`faultyStorage: no call of this kind is ${fate}`);
    return andThen(ask(), (answer) =>
      andThen(fault.after?.(), () => {
        if (fate === 'reply-lost') throw unavailable(fate, 'unknown');
        return answer;
      }),
    );
  });
}

/** What is never spoilt. */
function untouched(storage: Storage): Pick<Storage, 'clock' | 'describe'> {
  return {
    ...(storage.clock && { clock: storage.clock }),
    ...(storage.describe && { describe: storage.describe.bind(storage) }),
  };
}

function busyAnswer(storage: Storage): MaybePromise<LockedAnswer> {
  return andThen(storage.read([]), ({ nowMs }) => ({ busy: true, nowMs }));
}

/** The same store, which answers by promise whatever it knows. */
function byPromise(storage: Storage): Storage {
  return {
    capabilities: storage.capabilities,
    ...untouched(storage),
    read: async (keys) => storage.read(keys),
    commit: async (transactions) => storage.commit(transactions),
    locked: async (keys, run) => storage.locked(keys, run),
    range: async (query) => storage.range(query),
    sweep: async (limit) => storage.sweep(limit),
    close: async () => storage.close(),
  };
}

function noop(): void {}

function unavailable(fate: CallFate, outcome: WriteOutcome): StorageUnavailableError {
  // Short, so that a caller that waits as long as it is told does not slow its tests down.
  return new StorageUnavailableError(`planned fault: ${fate}`, { outcome, retryAfterMs: 1 });
}
