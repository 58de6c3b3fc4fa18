import type {
  CommitAnswer,
  Key,
  LockedAnswer,
  MaybePromise,
  Storage,
  Transaction,
} from '../storage/storage.js';

/** The same store, which tells what was written through it once that is as durable as it will be. */
export function watchedStorage(storage: Storage, onWritten: (key: Key) => void): Storage {
  function told<T extends CommitAnswer | LockedAnswer>(answer: T, transactions: readonly Transaction[]): T {
    if (!('outcomes' in answer)) return answer;
    for (let index = 0; index < transactions.length; index++) {
      if (answer.outcomes[index]?.status !== 'ok') continue;
      for (const { kind, key } of transactions[index]?.writes ?? []) if (kind !== 'check') onWritten(key);
    }
    return answer;
  }

  const { clock, peek, describe } = storage;
  return {
    capabilities: storage.capabilities,
    ...(clock && { clock: () => clock.call(storage) }),
    ...(peek && { peek: (key: Key) => peek.call(storage, key) }),
    ...(describe && { describe: () => describe.call(storage) }),
    read: (keys) => storage.read(keys),
    range: (query) => storage.range(query),
    commit: (transactions) => then(storage.commit(transactions), (answer) => told(answer, transactions)),
    locked(keys, run) {
      let decided: readonly Transaction[] = [];
      const answer = storage.locked(keys, (records, nowMs) => (decided = run(records, nowMs)));
      return then(answer, (locked) => told(locked, decided));
    },
    sweep: (limit) =>
      then(storage.sweep(limit), (answer) => {
        for (const key of answer.keys) onWritten(key);
        return answer;
      }),
    close: () => storage.close(),
  };
}

/** At once where the store answers at once: an engine on such a store waits for nothing. */
function then<T>(answer: MaybePromise<T>, use: (answer: T) => T): MaybePromise<T> {
  return answer instanceof Promise ? answer.then(use) : use(answer);
}
