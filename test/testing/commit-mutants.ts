import type { CommitAnswer, Key, Outcome, Storage, StoredRecord, Write } from 'ambit/storage';
import { type AtOnce, below, currentVersion, inHandle, mapWrites, type Mutant, rewriting } from './mutant.js';

const comparing = 'commit: compares the version of every kind of write';
const allOrNothing = 'commit: writes all of a transaction or nothing, wherever the wrong version is';

/** Takes a write's expectation for met where `choose` says so. */
function skipping(choose: (write: Write, right: AtOnce) => boolean) {
  return rewriting((transaction, right) =>
    mapWrites(transaction, (write) =>
      choose(write, right) ? { ...write, expected: currentVersion(right, write.key) } : write,
    ),
  );
}

/** Changes the outcome of each transaction. */
function mapOutcomes(map: (outcome: Outcome, writes: readonly Write[]) => Outcome) {
  return (right: AtOnce): Partial<Storage> => ({
    commit(transactions) {
      const answer = right.commit(transactions);
      const outcomes = answer.outcomes.map((outcome, index) =>
        map(outcome, transactions[index]?.writes ?? []),
      );
      return { ...answer, outcomes };
    },
  });
}

function mapCurrent(
  map: (current: readonly (StoredRecord | undefined)[], writes: readonly Write[]) => unknown[],
) {
  return mapOutcomes((outcome, writes) =>
    outcome.status === 'conflict'
      ? { ...outcome, current: map(outcome.current, writes) as (StoredRecord | undefined)[] }
      : outcome,
  );
}

/** A backend that counts versions of its own, from 1 for every new record: the mistake that ABA is about. */
function countingPerKey(right: AtOnce): Partial<Storage> {
  const generations = new Map<string, number>();
  return {
    commit(transactions) {
      const counted = transactions.map((transaction) =>
        mapWrites(transaction, (write) => {
          const current = currentVersion(right, write.key);
          const same =
            current !== null &&
            write.expected !== null &&
            generations.get(current) === generations.get(write.expected);
          return same ? { ...write, expected: current } : write;
        }),
      );
      for (const write of counted.flatMap(({ writes }) => writes)) {
        const before = currentVersion(right, write.key);
        if (write.kind === 'put')
          generations.set(write.version, before === null ? 1 : (generations.get(before) ?? 0) + 1);
      }
      return right.commit(counted);
    },
  };
}

function halving(right: AtOnce): Partial<Storage> {
  return {
    commit(transactions) {
      const answer = right.commit(transactions);
      answer.outcomes.forEach((outcome, index) => {
        if (outcome.status !== 'conflict') return;
        // One write after the other, as far as it goes.
        for (const write of transactions[index]?.writes ?? []) {
          if (right.commit([{ writes: [write] }]).outcomes[0]?.status !== 'ok') return;
        }
      });
      return answer;
    },
  };
}

function stopping(right: AtOnce): Partial<Storage> {
  return {
    commit(transactions): CommitAnswer {
      let stopped: Outcome | undefined;
      const outcomes = transactions.map((transaction) => {
        if (stopped) return { status: 'conflict', current: transaction.writes.map(() => undefined) } as const;
        const outcome = right.commit([transaction]).outcomes[0] as Outcome;
        if (outcome.status !== 'ok') stopped = outcome;
        return outcome;
      });
      return { outcomes, nowMs: right.read([]).nowMs };
    },
  };
}

function remembering(right: AtOnce): Partial<Storage> {
  const first = new Map<Key, StoredRecord | undefined>();
  return {
    commit(transactions) {
      for (const { key } of transactions.flatMap(({ writes }) => writes)) {
        const record = right.read([key]).records[0];
        if (record && !first.has(key)) first.set(key, record);
      }
      const spoilt = mapCurrent((_, writes) => writes.map(({ key }) => first.get(key)))(right);
      return spoilt.commit?.(transactions) ?? right.commit(transactions);
    },
  };
}

/** Bugs in what a commit does. */
export const commitMutants: readonly Mutant[] = [
  below(
    'no version is compared',
    [comparing, allOrNothing],
    skipping(() => true),
  ),
  below(
    'versions of checks are not compared',
    [comparing, 'group: of checks alone answers each of them'],
    skipping((write) => write.kind === 'check'),
  ),
  below(
    'versions of deletes are not compared',
    [comparing],
    skipping((write) => write.kind === 'delete'),
  ),
  below(
    'versions of puts are not compared',
    [comparing],
    skipping((write) => write.kind === 'put'),
  ),
  below(
    'what should be absent may be there',
    [comparing, 'commit: takes a delete of what is expected absent as a check'],
    skipping((write) => write.expected === null),
  ),
  below(
    'what should be there may be absent',
    [comparing],
    skipping((write, right) => currentVersion(right, write.key) === null),
  ),
  below(
    'only the first write of a transaction is compared',
    [allOrNothing],
    rewriting((transaction, right) => {
      const [first, ...others] = transaction.writes;
      const blind = others.map((write) => ({ ...write, expected: currentVersion(right, write.key) }));
      return { ...transaction, writes: first ? [first, ...blind] : [] };
    }),
  ),
  below(
    'versions are compared without regard to case',
    [comparing],
    skipping(
      (write, right) => currentVersion(right, write.key)?.toLowerCase() === write.expected?.toLowerCase(),
    ),
  ),
  below(
    'versions are compared as numbers',
    ['version: is compared as it is, whatever it looks like'],
    skipping(
      (write, right) => Number(currentVersion(right, write.key)) === Number(write.expected ?? Number.NaN),
    ),
  ),
  below(
    'versions start again with a new record (ABA)',
    ['commit: does not take a record that was deleted and created again for the old one'],
    countingPerKey,
  ),
  below('a transaction that loses is written by half', [allOrNothing, 'conflict: hands over'], halving),
  below(
    'a conflict stops the group',
    ['group: tries each transaction by itself, and answers in order'],
    stopping,
  ),
  below(
    'a conflict undoes the group',
    ['group: tries each transaction by itself, and answers in order'],
    (right) => ({
      commit(transactions) {
        const tried = transactions.map(({ writes }) => ({
          writes: writes.map((w) => ({ ...w, kind: 'check' as const })),
        }));
        const { outcomes, nowMs } = right.commit(tried);
        if (outcomes.every(({ status }) => status === 'ok')) return right.commit(transactions);
        const all = transactions.map(({ writes }) => ({
          status: 'conflict' as const,
          current: right.read(writes.map(({ key }) => key)).records,
        }));
        return { outcomes: all, nowMs };
      },
    }),
  ),
  below(
    'outcomes come in another order',
    ['group: lets no conflict or lateness of one reach another, in any order'],
    (right) => ({
      commit(transactions) {
        const answer = right.commit(transactions);
        return { ...answer, outcomes: answer.outcomes.toSorted((a, b) => a.status.localeCompare(b.status)) };
      },
    }),
  ),
  below(
    'a put is acknowledged and not written',
    ['commit: creates what was absent'],
    rewriting((transaction) =>
      mapWrites(transaction, ({ key, expected }) => ({ kind: 'check', key, expected })),
    ),
  ),
  below(
    'a delete is acknowledged and not done',
    ['commit: deletes what has the expected version'],
    rewriting((transaction) =>
      mapWrites(transaction, (write) => (write.kind === 'delete' ? { ...write, kind: 'check' } : write)),
    ),
  ),
  below(
    'a check deletes',
    ['commit: changes nothing by checks that hold'],
    rewriting((transaction) =>
      mapWrites(transaction, (write) => (write.kind === 'check' ? { ...write, kind: 'delete' } : write)),
    ),
  ),
  below(
    'an empty transaction is a conflict',
    ['commit: takes an empty group and an empty transaction'],
    mapOutcomes((outcome, writes) => (writes.length === 0 ? { status: 'conflict', current: [] } : outcome)),
  ),
  below('an empty group fails', ['commit: takes an empty group and an empty transaction'], (right) => ({
    commit(transactions) {
      if (transactions.length === 0) throw new RangeError('VALUES ()');
      return right.commit(transactions);
    },
  })),
  below(
    'a group of checks alone is not looked at',
    ['group: of checks alone answers each of them'],
    (right) => ({
      commit(transactions) {
        const writes = transactions.flatMap((transaction) => transaction.writes);
        if (writes.some(({ kind }) => kind !== 'check')) return right.commit(transactions);
        return { outcomes: transactions.map(() => ({ status: 'ok' as const })), nowMs: right.read([]).nowMs };
      },
    }),
  ),
  inHandle(
    'what was sent twice is taken for done',
    ['commit: answers a group that was sent twice'],
    (right) => ({
      async commit(transactions) {
        const answer = await right.commit(transactions);
        const outcomes = answer.outcomes.map((outcome, index): Outcome => {
          const puts = transactions[index]?.writes.filter((write) => write.kind === 'put') ?? [];
          const done =
            outcome.status === 'conflict' &&
            puts.some(({ key, version }) =>
              outcome.current.some((r) => r?.key === key && r.version === version),
            );
          return done ? { status: 'ok' } : outcome;
        });
        return { ...answer, outcomes };
      },
    }),
  ),
];

/** Bugs in what a conflict hands over, and in lateness. */
export const conflictMutants: readonly Mutant[] = [
  below('a conflict hands over stale records', ['conflict: never hands over a stale record'], remembering),
  below(
    'a conflict hands over nothing',
    ['conflict: hands over', 'conflict: can be resolved'],
    mapCurrent(() => []),
  ),
  below(
    'a conflict hands over only the records that conflict',
    ['conflict: hands over'],
    mapCurrent((current, writes) =>
      current.map((record, index) =>
        (record?.version ?? null) === writes[index]?.expected ? undefined : record,
      ),
    ),
  ),
  below(
    'a conflict hands over its records in key order',
    ['conflict: hands over'],
    mapCurrent((current) => current.toSorted((a, b) => ((a?.key ?? '') < (b?.key ?? '') ? -1 : 1))),
  ),
  below(
    'notAfterMs is ignored',
    [
      'notAfterMs: is late once the clock reads more, and nothing is written',
      'notAfterMs: holds inside locked',
    ],
    rewriting(({ writes }) => ({ writes })),
  ),
  below(
    'notAfterMs is ignored for checks',
    ['notAfterMs: holds for what only checks'],
    rewriting((transaction) =>
      transaction.writes.every(({ kind }) => kind === 'check') ? { writes: transaction.writes } : transaction,
    ),
  ),
  below(
    'the last millisecond is late',
    ['notAfterMs: is in time at the very millisecond, and late one later'],
    rewriting(({ writes, notAfterMs }) =>
      notAfterMs === undefined ? { writes } : { writes, notAfterMs: notAfterMs - 1 },
    ),
  ),
  below(
    'one millisecond late is in time',
    ['notAfterMs: is in time at the very millisecond, and late one later'],
    rewriting(({ writes, notAfterMs }) =>
      notAfterMs === undefined ? { writes } : { writes, notAfterMs: notAfterMs + 1 },
    ),
  ),
  below(
    'everything with a notAfterMs is late',
    ['notAfterMs: lets through what is in time'],
    rewriting(({ writes, notAfterMs }) =>
      notAfterMs === undefined ? { writes } : { writes, notAfterMs: 0 },
    ),
  ),
  below('what is late is written', ['notAfterMs: is late once the clock reads more'], (right) => ({
    commit(transactions) {
      const answer = right.commit(transactions);
      answer.outcomes.forEach((outcome, index) => {
        if (outcome.status === 'late') right.commit([{ writes: transactions[index]?.writes ?? [] }]);
      });
      return answer;
    },
  })),
  below('late is told before conflict', ['notAfterMs: loses to a conflict'], (right) => ({
    commit(transactions) {
      const answer = right.commit(transactions);
      const outcomes = answer.outcomes.map((outcome, index): Outcome => {
        const notAfterMs = transactions[index]?.notAfterMs;
        return notAfterMs !== undefined && answer.nowMs > notAfterMs ? { status: 'late' } : outcome;
      });
      return { ...answer, outcomes };
    },
  })),
];
