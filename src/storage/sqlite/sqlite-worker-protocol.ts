import {
  type AmbitErrorCode,
  type Key,
  type Outcome,
  type RangeQuery,
  type StoredRecord,
  type Transaction,
  Value,
  type Version,
  type Write,
  type WriteOutcome,
} from '../storage.js';

/** Records, groups and outcomes laid end to end: class instances do not cross threads, and one flat array is cheaper to copy than many objects. */
export type Flat = readonly (string | number | null)[];

/** What the main thread asks. */
export type Question = {
  readonly id: number;
  /** What the storage's clock says, where it is not this machine's. */
  readonly nowMs: number | undefined;
} & QuestionBody;

export type QuestionBody =
  | { readonly kind: 'read'; readonly keys: readonly Key[] }
  | { readonly kind: 'commit'; readonly group: Flat }
  | { readonly kind: 'lock'; readonly keys: readonly Key[] }
  /** Follows a `locked` with the same id; null lets go of the lock with nothing written. */
  | { readonly kind: 'decide'; readonly group: Flat | null }
  | { readonly kind: 'range'; readonly query: RangeQuery }
  | { readonly kind: 'sweep'; readonly limit: number }
  | { readonly kind: 'close' };

/** What the worker answers, once for each question; `locked` is an answer to `lock`, and `decide` a question of its own. */
export type Reply = { readonly id: number } & ReplyBody;

export type ReplyBody =
  | { readonly kind: 'done'; readonly nowMs: number; readonly flat: Flat }
  | { readonly kind: 'busy'; readonly nowMs: number }
  | {
      readonly kind: 'failed';
      readonly code: AmbitErrorCode | undefined;
      readonly message: string;
      readonly outcome: WriteOutcome;
    };

/** The id under which the worker says that it is open, or why not. */
export const openingId = 0;

export function flattenRecords(records: readonly (StoredRecord | undefined)[]): Flat {
  const flat: (string | number | null)[] = [];
  for (const record of records) pushRecord(flat, record);
  return flat;
}

export function readRecords(flat: Flat): (StoredRecord | undefined)[] {
  const records: (StoredRecord | undefined)[] = [];
  const at = { index: 0 };
  while (at.index < flat.length) records.push(takeRecord(flat, at));
  return records;
}

/** For each transaction: how many writes, `notAfterMs`, then key, expected version and kind of each, and of a put the rest. */
export function flattenGroup(transactions: readonly Transaction[]): Flat {
  const flat: (string | number | null)[] = [];
  for (const { writes, notAfterMs } of transactions) {
    flat.push(writes.length, notAfterMs ?? null);
    for (const write of writes) {
      flat.push(write.key, write.expected, write.kind);
      if (write.kind === 'put') flat.push(write.version, write.value.text, write.expiresAtMs ?? null);
    }
  }
  return flat;
}

export function readGroup(flat: Flat): Transaction[] {
  const transactions: Transaction[] = [];
  const at = { index: 0 };
  while (at.index < flat.length) {
    const count = flat[at.index++] as number;
    const notAfterMs = flat[at.index++] as number | null;
    const writes: Write[] = [];
    for (let write = 0; write < count; write++) writes.push(takeWrite(flat, at));
    transactions.push(notAfterMs === null ? { writes } : { writes, notAfterMs });
  }
  return transactions;
}

/** For each outcome its status, and of a conflict how many records, and these. */
export function flattenOutcomes(outcomes: readonly Outcome[]): Flat {
  const flat: (string | number | null)[] = [];
  for (const outcome of outcomes) {
    flat.push(outcome.status);
    if (outcome.status !== 'conflict') continue;
    flat.push(outcome.current.length);
    for (const record of outcome.current) pushRecord(flat, record);
  }
  return flat;
}

export function readOutcomes(flat: Flat): Outcome[] {
  const outcomes: Outcome[] = [];
  const at = { index: 0 };
  while (at.index < flat.length) {
    const status = flat[at.index++] as Outcome['status'];
    if (status !== 'conflict') {
      outcomes.push({ status });
      continue;
    }
    const count = flat[at.index++] as number;
    outcomes.push({ status, current: Array.from({ length: count }, () => takeRecord(flat, at)) });
  }
  return outcomes;
}

function pushRecord(flat: (string | number | null)[], record: StoredRecord | undefined): void {
  if (record) flat.push(record.key, record.version, record.value.text, record.expiresAtMs ?? null);
  else flat.push(null);
}

function takeRecord(flat: Flat, at: { index: number }): StoredRecord | undefined {
  const key = flat[at.index++] as Key | null;
  if (key === null) return undefined;
  const version = flat[at.index++] as Version;
  const value = Value.fromText(flat[at.index++] as string);
  const expiresAtMs = flat[at.index++] as number | null;
  return expiresAtMs === null ? { key, version, value } : { key, version, value, expiresAtMs };
}

function takeWrite(flat: Flat, at: { index: number }): Write {
  const key = flat[at.index++] as Key;
  const expected = flat[at.index++] as Version | null;
  const kind = flat[at.index++] as Write['kind'];
  if (kind !== 'put') return { kind, key, expected };
  const version = flat[at.index++] as Version;
  const value = Value.fromText(flat[at.index++] as string);
  const expiresAtMs = flat[at.index++] as number | null;
  const put = { kind, key, expected, version, value };
  return expiresAtMs === null ? put : { ...put, expiresAtMs };
}
