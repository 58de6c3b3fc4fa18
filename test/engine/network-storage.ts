import type {
  Capabilities,
  CommitAnswer,
  MaybePromise,
  Storage,
  Transaction,
} from '../../src/storage/storage.js';
import { memoryStorage } from '../../src/storage/memory/memory-storage.js';

/** What a test does to one commit: let it through (the default), or stand in for it. */
export type Interception = (
  transactions: readonly Transaction[],
  apply: () => CommitAnswer,
) => MaybePromise<CommitAnswer>;

export interface NetworkStorage extends Storage {
  /** Transactions of every commit, in order. */
  readonly commits: (readonly Transaction[])[];
  readonly locks: (readonly string[])[];
  /** Interceptions used up one a commit. */
  readonly intercept: Interception[];
  /** The store behind it, for another engine to share. */
  readonly inner: Storage;
}

/** Memory that answers like a server elsewhere: later, to several engines, and as a test wants it to fail. */
export function networkStorage(options: {
  readonly shared?: Storage;
  readonly clock?: () => number;
  readonly capabilities?: Partial<Capabilities>;
}): NetworkStorage {
  const inner = options.shared ?? memoryStorage(options.clock ? { clock: options.clock } : {});
  const commits: (readonly Transaction[])[] = [];
  const locks: (readonly string[])[] = [];
  const intercept: Interception[] = [];
  const later = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    capabilities: {
      ...inner.capabilities,
      sharing: 'network',
      immediate: false,
      locking: 'after-conflict',
      ...options.capabilities,
    },
    commits,
    locks,
    inner,
    intercept,
    async read(keys) {
      await later();
      return inner.read(keys);
    },
    async commit(transactions) {
      await later();
      commits.push(transactions);
      const apply = (): CommitAnswer => inner.commit(transactions) as CommitAnswer;
      const answer = await (intercept.shift() ?? ((_sent, go) => go()))(transactions, apply);
      await later();
      return answer;
    },
    async locked(keys, run) {
      await later();
      locks.push(keys);
      return inner.locked(keys, run);
    },
    async range(query) {
      await later();
      return inner.range(query);
    },
    async sweep(limit) {
      await later();
      return inner.sweep(limit);
    },
    close: async () => undefined,
  };
}
