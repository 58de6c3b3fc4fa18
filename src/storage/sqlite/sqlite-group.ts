import type { Head, SqliteRecords } from './sqlite-records.js';
import type { Key, Outcome, StoredRecord, Transaction, Write } from '../storage.js';
import { recordOf } from './sqlite-records.js';

/** Heads that were read inside the lock at hand, `undefined` for what is absent. */
export type KnownHeads = ReadonlyMap<Key, Head | undefined>;

const nothingKnown: KnownHeads = new Map();
const ok: Outcome = Object.freeze({ status: 'ok' });
const late: Outcome = Object.freeze({ status: 'late' });

/**
 * Tries each transaction of a group by itself: compares all its versions, then the clock, and only then writes. The
 * caller holds the lock, or a snapshot if nothing is written. No two of them name the same key, so what was known
 * before the group is still so when its turn comes.
 */
export function tryGroup(
  records: SqliteRecords,
  transactions: readonly Transaction[],
  clock: () => number,
  known: KnownHeads = nothingKnown,
): Outcome[] {
  return transactions.map(({ writes, notAfterMs }) => {
    const heads: (Head | undefined)[] = [];
    for (const { key, expected } of writes) {
      const head = known.get(key) ?? (known.has(key) ? undefined : records.head(key));
      if ((head === undefined ? null : head[1]) !== expected) return conflict(records, writes);
      heads.push(head);
    }
    if (notAfterMs !== undefined && clock() > notAfterMs) return late;
    writes.forEach((write, index) => {
      apply(records, write, heads[index]);
    });
    return ok;
  });
}

/** Whether a group only looks, so that a snapshot will do for it. */
export function onlyChecks(transactions: readonly Transaction[]): boolean {
  return transactions.every(({ writes }) =>
    writes.every(({ kind, expected }) => kind === 'check' || (kind === 'delete' && expected === null)),
  );
}

/** The record under a key, within the transaction at hand. */
export function recordUnder(records: SqliteRecords, key: Key): StoredRecord | undefined {
  const row = records.row(key);
  return row && recordOf(key, row);
}

function apply(records: SqliteRecords, write: Write, head: Head | undefined): void {
  if (write.kind === 'put') {
    if (head) records.update(head, write);
    else records.insert(write);
  } else if (write.kind === 'delete' && head) {
    records.remove(head);
  }
}

function conflict(records: SqliteRecords, writes: readonly Write[]): Outcome {
  return { status: 'conflict', current: writes.map(({ key }) => recordUnder(records, key)) };
}
