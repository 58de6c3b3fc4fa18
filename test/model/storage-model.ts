import {
  compareKeys,
  type Expected,
  type Key,
  type Outcome,
  type Put,
  type RangeQuery,
  type StoredRecord,
  type Transaction,
  type Write,
} from 'ambit/storage';

/** A record as the model and the store are compared on: its value by its text. */
export interface PlainRecord {
  readonly key: Key;
  readonly version: string;
  readonly text: string;
  readonly expiresAtMs: number | undefined;
}

export type PlainOutcome =
  | { readonly status: 'ok' | 'late' }
  | { readonly status: 'conflict'; readonly current: (PlainRecord | undefined)[] };

/** What `ambit/storage` promises, in the fewest words: a map, and no thought of speed. */
export class StorageModel {
  readonly records: Map<Key, PlainRecord> = new Map();
  /** Every version a key ever had, the lost ones too. */
  readonly versions: Map<Key, string[]> = new Map();

  read(keys: readonly Key[]): (PlainRecord | undefined)[] {
    return keys.map((key) => this.records.get(key));
  }

  versionOf(key: Key): Expected {
    return this.records.get(key)?.version ?? null;
  }

  commit(transactions: readonly Transaction[], nowMs: number): PlainOutcome[] {
    return transactions.map(({ writes, notAfterMs }) => {
      if (writes.some(({ key, expected }) => this.versionOf(key) !== expected)) {
        return { status: 'conflict', current: this.read(writes.map(({ key }) => key)) };
      }
      if (notAfterMs !== undefined && nowMs > notAfterMs) return { status: 'late' };
      for (const write of writes) this.#apply(write);
      return { status: 'ok' };
    });
  }

  range({ start, end, limit, reverse }: RangeQuery): PlainRecord[] {
    const inside = [...this.records.values()]
      .filter(({ key }) => compareKeys(key, start) >= 0 && compareKeys(key, end) < 0)
      .toSorted((a, b) => compareKeys(a.key, b.key));
    return (reverse ? inside.toReversed() : inside).slice(0, limit);
  }

  expired(nowMs: number): Key[] {
    return [...this.records.values()]
      .filter(({ expiresAtMs = Infinity }) => expiresAtMs <= nowMs)
      .map(({ key }) => key);
  }

  #apply(write: Write): void {
    if (write.kind === 'delete') this.records.delete(write.key);
    if (write.kind !== 'put') return;
    this.records.set(write.key, plainPut(write));
    this.versions.set(write.key, [...(this.versions.get(write.key) ?? []), write.version]);
  }
}

function plainPut({ key, version, value, expiresAtMs }: Put): PlainRecord {
  return { key, version, text: value.text, expiresAtMs };
}

export function plainRecord(record: StoredRecord | undefined): PlainRecord | undefined {
  if (!record) return undefined;
  const { key, version, value, expiresAtMs } = record;
  return { key, version, text: value.text, expiresAtMs };
}

export function plainOutcome(outcome: Outcome): PlainOutcome {
  return outcome.status === 'conflict' ? { ...outcome, current: outcome.current.map(plainRecord) } : outcome;
}
