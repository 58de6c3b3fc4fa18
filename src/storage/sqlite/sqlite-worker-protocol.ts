import type {
  Key,
  Outcome,
  RangeQuery,
  StoredRecord,
  Transaction,
  Version,
  WriteOutcome,
} from '../storage.js';
import { Value } from '../storage.js';

/** A record as it crosses the thread border: class instances do not. */
export interface WireRecord {
  readonly key: Key;
  readonly version: Version;
  readonly text: string;
  readonly expiresAtMs?: number;
}

export type WireWrite =
  | { readonly kind: 'put'; readonly expected: Version | null; readonly record: WireRecord }
  | { readonly kind: 'delete' | 'check'; readonly key: Key; readonly expected: Version | null };

export interface WireTransaction {
  readonly writes: readonly WireWrite[];
  readonly notAfterMs?: number;
}

export type WireOutcome =
  | { readonly status: 'ok' | 'late' }
  | { readonly status: 'conflict'; readonly current: readonly (WireRecord | undefined)[] };

/** What the main thread asks; `nowMs` is the clock to judge by, where it is not the machine's. */
export type Question = { readonly id: number; readonly nowMs?: number } & (
  | { readonly kind: 'read'; readonly keys: readonly Key[] }
  | { readonly kind: 'commit'; readonly transactions: readonly WireTransaction[] }
  | { readonly kind: 'lock'; readonly keys: readonly Key[] }
  | { readonly kind: 'decided'; readonly transactions: readonly WireTransaction[] | 'nothing' }
  | { readonly kind: 'range'; readonly query: RangeQuery }
  | { readonly kind: 'sweep'; readonly limit: number }
  | { readonly kind: 'close' }
);

/** What the worker answers: `locked` is followed by another answer to the same question, once `decided` has come. */
export type Reply = { readonly id: number } & (
  | {
      readonly kind: 'records';
      readonly records: readonly (WireRecord | undefined)[];
      readonly nowMs: number;
    }
  | { readonly kind: 'locked'; readonly records: readonly (WireRecord | undefined)[]; readonly nowMs: number }
  | { readonly kind: 'outcomes'; readonly outcomes: readonly WireOutcome[]; readonly nowMs: number }
  | { readonly kind: 'busy'; readonly nowMs: number }
  | { readonly kind: 'keys'; readonly keys: readonly Key[]; readonly nowMs: number }
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly message: string; readonly outcome: WriteOutcome }
);

export function toWire(record: StoredRecord | undefined): WireRecord | undefined {
  if (!record) return undefined;
  const { key, version, value, expiresAtMs } = record;
  return expiresAtMs === undefined
    ? { key, version, text: value.text }
    : { key, version, text: value.text, expiresAtMs };
}

export function fromWire(record: WireRecord | undefined): StoredRecord | undefined {
  if (!record) return undefined;
  const { key, version, text, expiresAtMs } = record;
  const value = Value.fromText(text);
  return expiresAtMs === undefined ? { key, version, value } : { key, version, value, expiresAtMs };
}

export function transactionToWire({ writes, notAfterMs }: Transaction): WireTransaction {
  const wire = writes.map((write): WireWrite => {
    if (write.kind !== 'put') return write;
    return { kind: 'put', expected: write.expected, record: toWire(write) as WireRecord };
  });
  return notAfterMs === undefined ? { writes: wire } : { writes: wire, notAfterMs };
}

export function transactionFromWire({ writes, notAfterMs }: WireTransaction): Transaction {
  const full = writes.map((write) => {
    if (write.kind !== 'put') return { kind: write.kind, key: write.key, expected: write.expected };
    return { kind: write.kind, expected: write.expected, ...(fromWire(write.record) as StoredRecord) };
  });
  return notAfterMs === undefined ? { writes: full } : { writes: full, notAfterMs };
}

export function outcomeToWire(outcome: Outcome): WireOutcome {
  return outcome.status === 'conflict'
    ? { status: 'conflict', current: outcome.current.map(toWire) }
    : outcome;
}

export function outcomeFromWire(outcome: WireOutcome): Outcome {
  return outcome.status === 'conflict'
    ? { status: 'conflict', current: outcome.current.map(fromWire) }
    : { status: outcome.status };
}
