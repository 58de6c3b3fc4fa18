import { memoryStorage } from 'ambit/memory';
import {
  type Key,
  type MaybePromise,
  type Storage,
  StorageUnavailableError,
  Value,
  type Write,
} from 'ambit/storage';
import { sharedMemoryStore } from '../storage/shared-memory-store.js';
import { below, inHandle, mapWrites, type Mutant, type Run, rewriting } from './mutant.js';

/** Changes the time of every answer, and leaves the clock alone. */
function mapNow(map: (nowMs: number) => number) {
  const mapped = async <A extends { nowMs: number }>(answer: MaybePromise<A>): Promise<A> => {
    const { nowMs, ...others } = await answer;
    return { ...others, nowMs: map(nowMs) } as A;
  };
  return (right: Storage): Partial<Storage> => ({
    read: (keys) => mapped(right.read(keys)),
    commit: (transactions) => mapped(right.commit(transactions)),
    locked: (keys, run) => mapped(right.locked(keys, (records, nowMs) => run(records, map(nowMs)))),
    range: (query) => mapped(right.range(query)),
    sweep: (limit) => mapped(right.sweep(limit)),
  });
}

/** Locks key after key in the order given: two callers who name them in opposite orders wait for each other for ever. */
function lockingInTheOrderGiven(right: Storage, locks: Map<Key, Promise<void>>): Partial<Storage> {
  return {
    async locked(keys, run) {
      const releases: (() => void)[] = [];
      for (const key of keys) {
        for (let held = locks.get(key); held; held = locks.get(key)) await held;
        locks.set(
          key,
          new Promise((resolve) => {
            releases.push(() => {
              locks.delete(key);
              resolve();
            });
          }),
        );
        // Taking a lock is a round trip.
        await new Promise((resolve) => void setImmediate(resolve));
      }
      try {
        return await right.locked(keys, run);
      } finally {
        for (const release of releases) release();
      }
    },
  };
}

function withoutQueue(right: Storage): Partial<Storage> {
  return {
    async locked(keys, run) {
      const { records, nowMs } = await right.read(keys);
      return right.commit(run(records, nowMs));
    },
  };
}

/** A handle that trusts what it saw last. */
function cachingReads(right: Storage): Partial<Storage> {
  const seen = new Map<Key, Awaited<ReturnType<Storage['read']>>>();
  return {
    async read(keys) {
      const name = keys.join() as Key;
      const answer = seen.get(name) ?? (await right.read(keys));
      seen.set(name, answer);
      return answer;
    },
    async commit(transactions) {
      seen.clear();
      return right.commit(transactions);
    },
    async locked(keys, run) {
      seen.clear();
      return right.locked(keys, run);
    },
  };
}

/** A handle that compares versions, and then writes in another round trip. */
function comparingFirst(right: Storage): Partial<Storage> {
  return {
    async commit(transactions) {
      const checks = transactions.map((transaction) =>
        mapWrites(transaction, ({ key, expected }) => ({ kind: 'check', key, expected })),
      );
      const { outcomes, nowMs } = await right.commit(checks);
      await new Promise((resolve) => void setImmediate(resolve));
      for (const [index, outcome] of outcomes.entries()) {
        if (outcome.status !== 'ok') continue;
        for (const write of transactions[index]?.writes ?? []) {
          const { records } = await right.read([write.key]);
          await right.commit([{ writes: [{ ...write, expected: records[0]?.version ?? null }] }]);
        }
      }
      return { outcomes, nowMs };
    },
  };
}

const callers = 'locked: lets in one caller after the other';

export const lockedMutants: readonly Mutant[] = [
  inHandle('run is called twice', ['locked: hands over the current records'], (right) => ({
    locked: (keys, run) =>
      right.locked(keys, (records, nowMs) => {
        run(records, nowMs);
        return run(records, nowMs);
      }),
  })),
  inHandle('a lock hands over records in key order', ['locked: hands over the current records'], (right) => ({
    locked: (keys, run) => right.locked(keys.toSorted(), run),
  })),
  inHandle(
    'a lock hands over no records',
    ['locked: takes puts, deletes and checks of what it locked'],
    (right) => ({
      locked: (keys, run) =>
        right.locked(keys, (records, nowMs) =>
          run(
            records.map(() => undefined),
            nowMs,
          ),
        ),
    }),
  ),
  inHandle('a lock hands over no time', ['locked: hands over the current records'], (right) => ({
    locked: (keys, run) => right.locked(keys, (records) => run(records, 0)),
  })),
  inHandle('a lock commits the first transaction only', ['locked: commits what run returns'], (right) => ({
    locked: (keys, run) => right.locked(keys, (records, nowMs) => run(records, nowMs).slice(0, 1)),
  })),
  inHandle('a lock trusts keys it did not lock', ['locked: compares keys it did not lock'], (right) => ({
    async locked(keys, run) {
      const { records: all } = await right.range({ start: '' as Key, end: '%' as Key, limit: 1_000 });
      return right.locked(keys, (records, nowMs) =>
        run(records, nowMs).map((transaction) =>
          mapWrites(transaction, (write) =>
            keys.includes(write.key)
              ? write
              : { ...write, expected: all.find(({ key }) => key === write.key)?.version ?? null },
          ),
        ),
      );
    },
  })),
  inHandle('a lock refuses keys it did not lock', ['locked: compares keys it did not lock'], (right) => ({
    locked: (keys, run) =>
      right.locked(keys, (records, nowMs) =>
        run(records, nowMs).filter(({ writes }) => writes.every(({ key }) => keys.includes(key))),
      ),
  })),
  inHandle('a lock of no keys fails', ['locked: writes nothing when run decides on nothing'], (right) => ({
    locked(keys, run) {
      if (keys.length === 0) throw new RangeError('IN ()');
      return right.locked(keys, run);
    },
  })),
  inHandle(
    'a lock leaves a placeholder',
    ['locked: writes nothing when run decides on nothing'],
    (right) => ({
      async locked(keys, run) {
        const answer = await right.locked(keys, run);
        const writes = keys.map((key) => ({ kind: 'check', key, expected: null }) as const);
        if ('outcomes' in answer && answer.outcomes.length === 0 && keys.length === 2)
          await right.commit([
            {
              writes: writes.map((write) => ({
                ...write,
                kind: 'put',
                version: 'placeholder',
                value: Value.of(null),
              })),
            },
          ]);
        return answer;
      },
    }),
  ),
  inHandle('what run throws is swallowed', ['locked: throws on what run throws'], (right) => ({
    locked: (keys, run) =>
      right.locked(keys, (records, nowMs) => {
        try {
          return run(records, nowMs);
        } catch {
          return [];
        }
      }),
  })),
  inHandle('what run throws is wrapped', ['locked: throws on what run throws'], (right) => ({
    async locked(keys, run) {
      try {
        return await right.locked(keys, run);
      } catch (cause) {
        throw new Error('locked failed', { cause });
      }
    },
  })),
  lockHeldAfterThrow(),
  inHandle('a lock does not lock', [callers, 'locked: locks 1,000 keys', 'two handles: queue'], withoutQueue),
  {
    name: 'locks are taken in the order given',
    caughtBy: ['locked: does not deadlock on overlapping keys in opposite orders'],
    createStore() {
      const store = sharedMemoryStore();
      const locks = new Map<Key, Promise<void>>();
      return {
        ...store,
        async open() {
          const right = await store.open();
          return { ...right, ...lockingInTheOrderGiven(right, locks) };
        },
      };
    },
  },
  inHandle('a busy lock calls run', [callers], (right) => {
    let calls = 0;
    return {
      async locked(keys, run) {
        if (calls++ % 2 === 0) return right.locked(keys, run);
        const { records, nowMs } = await right.read(keys);
        run(records, nowMs);
        return { busy: true, nowMs };
      },
    };
  }),
  inHandle('a lock is always busy', [callers], (right) => ({
    locked: async () => ({ busy: true, nowMs: (await right.read([])).nowMs }),
  })),
  inHandle('commits go past the lock', ['locked: keeps count beside commits on the same keys'], (right) => ({
    async locked(keys, run) {
      const { records, nowMs } = await right.read(keys);
      await new Promise((resolve) => void setImmediate(resolve));
      const expectations = (await right.read(keys)).records;
      return right.commit(
        run(records, nowMs).map((transaction) =>
          mapWrites(transaction, (write) => {
            const place = keys.indexOf(write.key);
            return place < 0 ? write : { ...write, expected: expectations[place]?.version ?? null };
          }),
        ),
      );
    },
  })),
];

function lockHeldAfterThrow(): Mutant {
  return inHandle(
    'a lock is held for ever when run throws',
    ['locked: throws on what run throws'],
    (right) => {
      let held = false;
      return {
        async locked(keys: readonly Key[], run: Run) {
          if (held) return { busy: true, nowMs: (await right.read([])).nowMs };
          held = true;
          const answer = await right.locked(keys, run);
          held = false;
          return answer;
        },
      };
    },
  );
}

export const sharingMutants: readonly Mutant[] = [
  inHandle(
    'a handle reads from its own cache',
    ['two handles: see what the other wrote, at once'],
    cachingReads,
  ),
  inHandle(
    'versions are compared before the write, and not with it',
    [
      'two handles: let exactly one of conflicting commits win',
      'two handles: let exactly one create what is absent, and never half a transaction',
      'two handles: keep transactions whole that overlap in opposite orders',
      'two handles: decide each transaction of overlapping groups by itself',
    ],
    comparingFirst,
  ),
  inHandle('sweep goes by what this handle wrote', ['two handles: sweep what the other left'], (right) => {
    const mine = new Map<Key, number>();
    return {
      async commit(transactions) {
        for (const write of transactions.flatMap(({ writes }) => writes))
          if (write.kind === 'put') mine.set(write.key, write.expiresAtMs ?? Infinity);
        return right.commit(transactions);
      },
      async sweep(limit) {
        const { nowMs } = await right.read([]);
        const keys: Key[] = [];
        for (const [key, expiresAtMs] of mine) {
          if (expiresAtMs > nowMs || keys.length >= limit) continue;
          mine.delete(key);
          const expected = (await right.read([key])).records[0]?.version;
          if (expected === undefined) continue;
          await right.commit([{ writes: [{ kind: 'delete', key, expected }] }]);
          keys.push(key);
        }
        return { keys, nowMs };
      },
    };
  }),
  {
    name: 'closing one handle closes all',
    caughtBy: ['two handles: are closed one by one'],
    createStore() {
      const store = sharedMemoryStore();
      const handles: Storage[] = [];
      return {
        ...store,
        async open() {
          const right = await store.open();
          handles.push(right);
          return {
            ...right,
            async close() {
              for (const handle of handles) await handle.close();
            },
          };
        },
      };
    },
  },
];

/** Bugs in what a store says of itself, in its clock, and at its end. */
export const lifeMutants: readonly Mutant[] = [
  {
    name: 'capabilities can be changed',
    caughtBy: ['capabilities: are frozen'],
    createStore: () => ({
      open() {
        const right = memoryStorage();
        return { ...right, capabilities: { ...right.capabilities } };
      },
    }),
  },
  {
    name: 'a store says immediate and answers by promise',
    caughtBy: ['capabilities: say immediate only if'],
    createStore: () => ({
      open() {
        const right = memoryStorage();
        return { ...right, commit: async (transactions) => right.commit(transactions) };
      },
    }),
  },
  inHandle('a store shows where it is, password and all', ['description: is of one line a fact'], () => ({
    describe: () => ({
      server: 'Somebase 1.2.3',
      facts: { address: 'somebase://bob:secret@host/db' },
      warnings: [],
    }),
  })),
  inHandle(
    'time is in seconds',
    ['time: is read between the question and the answer', 'time: is the time of the clock it shows'],
    mapNow((nowMs) => nowMs / 1_000),
  ),
  inHandle(
    'time is missing',
    ['time: comes with every answer'],
    mapNow(() => Number.NaN),
  ),
  inHandle('time stands still', ['time: is read between the question and the answer'], (right) => {
    let first: number | undefined;
    return mapNow((nowMs) => (first ??= nowMs))(right);
  }),
  inHandle('time runs back by minutes', ['time: comes with every answer'], (right) => {
    let answers = 0;
    return mapNow((nowMs) => nowMs - 60_000 * answers++)(right);
  }),
  inHandle('closing twice fails', ['close: may be called twice'], (right) => {
    let closed = false;
    return {
      async close() {
        // As the suite itself closes once more, the third is let through.
        if (closed) {
          closed = false;
          throw new Error('already closed');
        }
        closed = true;
        await right.close();
      },
    };
  }),
  inHandle('a closed store answers', ['close: makes every method fail'], () => ({ close: () => undefined })),
  inHandle(
    'a closed store fails with an error of another kind',
    ['close: makes every method fail'],
    (right) => {
      let closed = false;
      return {
        read(keys) {
          if (closed) throw new TypeError('The database connection is not open');
          return right.read(keys);
        },
        async close() {
          closed = true;
          await right.close();
        },
      };
    },
  ),
  inHandle('a closed store says that it may have written', ['close: makes every method fail'], (right) => ({
    async commit(transactions) {
      try {
        return await right.commit(transactions);
      } catch (cause) {
        throw new StorageUnavailableError('connection ended', { cause, outcome: 'unknown' });
      }
    },
  })),
  inHandle('close does not wait', ['close: waits for what is under way'], (right) => ({
    async commit(transactions) {
      await new Promise((resolve) => void setImmediate(resolve));
      return right.commit(transactions);
    },
  })),
  inHandle(
    'what was committed last is lost in a restart',
    ['reopened: has all that was acknowledged'],
    (right) => {
      let last: Write | undefined;
      return {
        async commit(transactions) {
          const answer = await right.commit(transactions);
          if (answer.outcomes.every(({ status }) => status === 'ok'))
            last = transactions.at(-1)?.writes.at(-1) ?? last;
          return answer;
        },
        async close() {
          if (last?.kind === 'put') {
            const { key, version } = last;
            last = undefined;
            await right.commit([{ writes: [{ kind: 'delete', key, expected: version }] }]);
          }
          await right.close();
        },
      };
    },
  ),
  inHandle('expiry is lost in a restart', ['reopened: has all that was acknowledged'], (right) => ({
    async close() {
      const { records } = await right.range({ start: '' as Key, end: '%' as Key, limit: 1_000 });
      const writes = records.map(
        ({ key, version, value }) => ({ kind: 'put', key, expected: version, version, value }) as const,
      );
      await right.commit([{ writes }]);
      await right.close();
    },
  })),
  below(
    'nothing can be written to',
    [
      'commit: creates what was absent',
      'commit: replaces',
      'commit: deletes',
      'group: mixes',
      'limits: takes as many',
      'limits: takes 4,096 keys',
      'limits: takes a group of 4 MiB',
      'limits: takes a transaction of 4 MiB',
    ],
    rewriting((transaction) => mapWrites(transaction, (write) => ({ ...write, expected: 'never' }))),
  ),
];
