import {
  type CommitAnswer,
  type Key,
  type Outcome,
  type RangeAnswer,
  type RangeQuery,
  type StoredRecord,
  type SweepAnswer,
  type Transaction,
  Value,
  type Write,
} from '../storage.js';
import type { PostgresBounds, Question } from './postgres-connections.js';
import type { PostgresRow } from './postgres-driver.js';
import { schemaVersion } from './postgres-schema.js';

/** What the questions of one store have in common. */
export interface QuestionContext {
  /** The namespace, as a quoted identifier. */
  readonly schema: string;
  readonly bounds: PostgresBounds;
  /** The time to be taken for the store's, in tests; else null, and the store's own is. */
  readonly clockMs: () => number | null;
}

/** Marks a delete where others have the version that they put. No version holds this character. */
const deletes = '!';

const ok: Outcome = Object.freeze({ status: 'ok' });
const late: Outcome = Object.freeze({ status: 'late' });

/** Whether a group only looks: then it locks nothing and flushes nothing. */
export function onlyChecks(transactions: readonly Transaction[]): boolean {
  return transactions.every(({ writes }) =>
    writes.every(({ kind, expected }) => kind === 'check' || (kind === 'delete' && expected === null)),
  );
}

/** The one statement that commits a group which writes: the leanest that will do. */
export function writeQuestion(
  transactions: readonly Transaction[],
  context: QuestionContext,
  lockMsMax: number,
): Question {
  if (transactions.every(isReplacement)) return putQuestion(transactions, context, lockMsMax);
  const { name, values } = commitQuestion(transactions, [], context, lockMsMax);
  return named(context, name, values);
}

/** As `writeQuestion`, but as text with its values in it: to be sent with other statements, or after them. */
export function textToCommit(
  transactions: readonly Transaction[],
  placeholders: readonly Key[],
  context: QuestionContext,
): string {
  const { name, values } = commitQuestion(transactions, placeholders, context, context.bounds.lockMsMax);
  return textOf(context, name, values);
}

export function checkQuestion(transactions: readonly Transaction[], context: QuestionContext): Question {
  const keys: Key[] = [];
  const owners: number[] = [];
  const expected: string[] = [];
  transactions.forEach(({ writes }, index) => {
    for (const write of writes) {
      keys.push(write.key);
      owners.push(index + 1);
      expected.push(write.expected ?? '');
    }
  });
  return named(context, 'check_group', [
    textOfKeys(keys),
    owners.join(','),
    expected.join(','),
    context.clockMs(),
  ]);
}

export function readQuestion(keys: readonly Key[], context: QuestionContext): Question {
  return named(context, 'read_records', [textOfKeys(keys), context.clockMs()]);
}

/** Text that reads nothing but the time. */
export function textOfTime(context: QuestionContext): string {
  return textOf(context, 'read_records', [null, context.clockMs()]);
}

/** The time in what `textOfTime` is answered with. */
export function timeOf(rows: readonly PostgresRow[]): number {
  return recordsOf([], rows).nowMs;
}

/** A page of records, in the order of keys. */
export function rangeQuestion(query: RangeQuery, context: QuestionContext): Question {
  const { start, end, limit, reverse = false } = query;
  return named(context, 'range_records', [start, end, limit, reverse ? 'true' : 'false', context.clockMs()]);
}

export function rangeAnswerOf(rows: readonly PostgresRow[]): RangeAnswer {
  const records: StoredRecord[] = [];
  let nowMs = Number.NaN;
  for (const [key, version, text, expiresAtMs] of rows) {
    const record = key === null ? undefined : recordOf(key as Key, version, text, expiresAtMs);
    if (record) records.push(record);
    else nowMs = Number(expiresAtMs);
  }
  return { records, nowMs };
}

export function sweepQuestion(limit: number, context: QuestionContext): Question {
  return named(context, 'sweep_records', [limit, context.clockMs()]);
}

export function sweepAnswerOf(rows: readonly PostgresRow[]): SweepAnswer {
  const keys = rows.flatMap(([key]) => (key === null ? [] : [key as Key]));
  return { keys, nowMs: Number(rows.find(([key]) => key === null)?.[1]) };
}

/** Text that locks these keys, each named once. */
export function textToLock(keys: readonly Key[], context: QuestionContext): string {
  const values = [textOfKeys(keys), context.bounds.lockMsMax, context.clockMs()];
  return textOf(context, 'lock_records', values);
}

/** Makes outcomes of the rows of `checkQuestion`, which leaves it to the caller to tell what is late. */
export function checkAnswerOf(
  transactions: readonly Transaction[],
  rows: readonly PostgresRow[],
): CommitAnswer {
  const { outcomes, nowMs } = answerOf(transactions, rows);
  const inTime = outcomes.map((outcome, index) => {
    const { notAfterMs = Number.POSITIVE_INFINITY } = transactions[index] ?? {};
    return outcome.status === 'ok' && nowMs > notAfterMs ? late : outcome;
  });
  return { outcomes: inTime, nowMs };
}

/** Makes outcomes of the rows that the functions of a group answer. */
export function answerOf(transactions: readonly Transaction[], rows: readonly PostgresRow[]): CommitAnswer {
  let nowMs = Number.NaN;
  // Where the entries of each transaction begin, counted as the questions count them.
  const outcomes: Outcome[] = transactions.map(() => ok);
  if (rows.length === 1) return { outcomes, nowMs: Number(rows[0]?.[4]) };
  let firstEntry = 1;
  const firstEntries = transactions.map(({ writes }) => {
    const first = firstEntry;
    firstEntry += writes.length;
    return first;
  });
  const found = new Map<number, (StoredRecord | undefined)[]>();
  for (const [owner, entry, version, text, expiresAtMs] of rows) {
    if (owner === 0) {
      nowMs = Number(expiresAtMs);
      continue;
    }
    const index = Number(owner) - 1;
    if (entry === 0) {
      outcomes[index] = late;
      continue;
    }
    const writes = transactions[index]?.writes ?? [];
    const current = found.get(index) ?? writes.map(() => undefined);
    found.set(index, current);
    const position = Number(entry) - (firstEntries[index] ?? 0);
    current[position] = recordOf(writes[position]?.key ?? ('' as Key), version, text, expiresAtMs);
    outcomes[index] = { status: 'conflict', current };
  }
  return { outcomes, nowMs };
}

/** The answer where no transaction of a group could be tried: all lost, to whatever lies there now. */
export function conflictsOf(
  transactions: readonly Transaction[],
  { records, nowMs }: ReturnType<typeof recordsOf>,
): CommitAnswer {
  let next = 0;
  const outcomes = transactions.map(({ writes }): Outcome => {
    if (writes.length === 0) return ok;
    return { status: 'conflict', current: records.slice(next, (next += writes.length)) };
  });
  return { outcomes, nowMs };
}

/** The records that read_records and lock_records answer, in the order of the keys. */
export function recordsOf(
  keys: readonly Key[],
  rows: readonly PostgresRow[],
): { records: (StoredRecord | undefined)[]; nowMs: number } {
  const records: (StoredRecord | undefined)[] = keys.map(() => undefined);
  let nowMs = Number.NaN;
  for (const [entry, version, text, expiresAtMs] of rows) {
    if (entry === 0) {
      nowMs = Number(expiresAtMs);
      continue;
    }
    const index = Number(entry) - 1;
    records[index] = recordOf(keys[index] ?? ('' as Key), version, text, expiresAtMs);
  }
  return { records, nowMs };
}

/** A record of its columns; an empty version is a placeholder, and none is none. */
function recordOf(key: Key, version: unknown, text: unknown, expiresAtMs: unknown): StoredRecord | undefined {
  if (typeof version !== 'string' || version === '') return undefined;
  const record = { key, version, value: Value.fromText(String(text)) };
  return expiresAtMs === null ? record : { ...record, expiresAtMs: Number(expiresAtMs) };
}

function isReplacement({ writes }: Transaction): boolean {
  const [write] = writes;
  return writes.length === 1 && write?.kind === 'put' && write.expected !== null;
}

function putQuestion(
  transactions: readonly Transaction[],
  context: QuestionContext,
  lockMsMax: number,
): Question {
  const lists = listsOf(transactions);
  return named(context, 'put_group', [
    lists.keys.join('\n'),
    lists.expected.join(','),
    lists.versions.join(','),
    lists.values.join('\n'),
    lists.expiries.join(','),
    deadlinesOf(transactions),
    lockMsMax,
    context.clockMs(),
  ]);
}

function commitQuestion(
  transactions: readonly Transaction[],
  placeholders: readonly Key[],
  context: QuestionContext,
  lockMsMax: number,
): { name: string; values: (string | number | null)[] } {
  const lists = listsOf(transactions);
  const values = [
    lists.keys.join('\n'),
    lists.owners.join(','),
    lists.expected.join(','),
    lists.versions.join(','),
    lists.values.join('\n'),
    lists.expiries.join(','),
    deadlinesOf(transactions),
    textOfKeys(placeholders),
    lockMsMax,
    context.clockMs(),
  ];
  return { name: 'commit_group', values };
}

/** Keys joined into one text, none of which holds a line feed. The empty key is a key; no key is NULL. */
function textOfKeys(keys: readonly Key[]): string | null {
  return keys.length === 0 ? null : keys.join('\n');
}

interface Lists {
  readonly keys: string[];
  readonly owners: number[];
  readonly expected: string[];
  readonly versions: string[];
  readonly values: string[];
  readonly expiries: (number | string)[];
}

function listsOf(transactions: readonly Transaction[]): Lists {
  const lists: Lists = { keys: [], owners: [], expected: [], versions: [], values: [], expiries: [] };
  transactions.forEach(({ writes }, index) => {
    for (const write of writes) addTo(lists, write, index + 1);
  });
  return lists;
}

function addTo(lists: Lists, write: Write, owner: number): void {
  lists.keys.push(write.key);
  lists.owners.push(owner);
  lists.expected.push(write.expected ?? '');
  if (write.kind === 'put') {
    lists.versions.push(write.version);
    // JSON has no raw line feed, so the values can be told apart again.
    lists.values.push(write.value.text);
    lists.expiries.push(write.expiresAtMs ?? '');
  } else {
    lists.versions.push(write.kind === 'delete' && write.expected !== null ? deletes : '');
    lists.values.push('');
    lists.expiries.push('');
  }
}

function deadlinesOf(transactions: readonly Transaction[]): string {
  return transactions
    .map(({ notAfterMs = Number.POSITIVE_INFINITY }) => {
      // The store's clock shows whole milliseconds.
      const deadlineMs = Math.floor(notAfterMs);
      return deadlineMs > Number.MAX_SAFE_INTEGER ? '' : Math.max(deadlineMs, 0);
    })
    .join(',');
}

/** A question that is parsed once for each connection. */
function named(context: QuestionContext, name: string, values: (string | number | null)[]): Question {
  const places = values.map((_, index) => `$${index + 1}`).join(', ');
  return {
    name: `${context.schema}.${name}`,
    text: `SELECT * FROM ${context.schema}.${name}(${schemaVersion}, ${places})`,
    values,
  };
}

/** The same with the values in it. */
function textOf(context: QuestionContext, name: string, values: (string | number | null)[]): string {
  const given = values.map(literal).join(', ');
  return `SELECT * FROM ${context.schema}.${name}(${schemaVersion}, ${given})`;
}

/** A value as a literal, whatever `standard_conforming_strings` says. */
function literal(value: string | number | null): string {
  if (value === null) return 'NULL';
  if (typeof value === 'number') return String(value);
  const quoted = `'${value.replaceAll("'", "''")}'`;
  return quoted.includes('\\') ? `E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}
