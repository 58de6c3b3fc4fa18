import {
  absent,
  type Key,
  type Outcome,
  type StoredRecord,
  type Transaction,
  type Version,
} from '../storage.js';
import { entryOf, oneLine } from './file-entries.js';
import { type FileRecords, recordOf } from './file-records.js';

/** Changes that are decided, but not durable yet: they become true together, or not at all. */
export interface Batch {
  /** What goes into the journal: empty if nothing changes. */
  readonly text: string;
  /** A record as it will be. */
  record(key: Key): StoredRecord | undefined;
  /** Tries transactions, one after the other. Throws if one of them cannot be written, and then none is in. */
  commit(transactions: readonly Transaction[]): Outcome[];
  /** Removes at most `limit` records that expired, and names them. */
  sweep(limit: number, nowMs: number): Key[];
  /** Makes the changes true. */
  apply(): void;
}

type Staged = { readonly version: Version; readonly text: string; readonly expiresAtMs: number | undefined };

const ok: Outcome = Object.freeze({ status: 'ok' });
const late: Outcome = Object.freeze({ status: 'late' });

export function createBatch(records: FileRecords, clock: () => number): Batch {
  const staged = new Map<Key, Staged | typeof absent>();
  let text = '';

  function versionOf(key: Key): Version | typeof absent {
    const change = staged.size === 0 ? undefined : staged.get(key);
    if (change === undefined) return records.slot(key)?.version ?? absent;
    return change === absent ? absent : change.version;
  }

  function record(key: Key): StoredRecord | undefined {
    const change = staged.get(key);
    if (change === undefined) return records.record(key);
    return change === absent ? undefined : recordOf({ key, ...change, queuePosition: -1 });
  }

  function commitOne({ writes, notAfterMs }: Transaction): Outcome {
    for (const { key, expected } of writes)
      if (versionOf(key) !== expected)
        return { status: 'conflict', current: writes.map((one) => record(one.key)) };
    if (notAfterMs !== undefined && clock() > notAfterMs) return late;
    for (const write of writes) {
      if (write.kind === 'check' || (write.kind === 'delete' && write.expected === absent)) continue;
      if (write.kind === 'delete') {
        text += entryOf(write, '');
        staged.set(write.key, absent);
        continue;
      }
      const valueText = oneLine(write.value.text);
      text += entryOf(write, valueText);
      staged.set(write.key, { version: write.version, text: valueText, expiresAtMs: write.expiresAtMs });
    }
    return ok;
  }

  return {
    get text() {
      return text;
    },
    record,
    commit(transactions) {
      // A value makes its text once. All of them first: one that cannot fails its group before anything is staged.
      for (const { writes } of transactions)
        for (const write of writes) if (write.kind === 'put') oneLine(write.value.text);
      return transactions.map(commitOne);
    },
    sweep(limit, nowMs) {
      const swept: Key[] = [];
      for (const { key } of records.expired(limit, nowMs)) {
        // Renewed or deleted by what is decided already.
        if (staged.has(key)) continue;
        text += `-${key}\n`;
        staged.set(key, absent);
        swept.push(key);
      }
      return swept;
    },
    apply() {
      for (const [key, change] of staged) {
        if (change === absent) records.remove(key);
        else records.put(key, change.version, change.expiresAtMs, change.text);
      }
    },
  };
}
