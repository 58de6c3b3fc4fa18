/** The words the cases are written in: keys, writes and what is asserted of answers. */
import assert from 'node:assert/strict';
import {
  type Check,
  type CommitAnswer,
  type Delete,
  encodeKey,
  type Expected,
  type Key,
  type LockedAnswer,
  type Outcome,
  type Put,
  type Storage,
  type StoredRecord,
  type Transaction,
  Value,
  type Version,
  type Write,
} from '../../storage/storage.js';

let minted = 0;

/** A version nobody used before, of every character a version may hold and as long as it may be. */
export function mint(): Version {
  minted++;
  return `${'Az09.-_'.repeat(8)}${String(minted).padStart(8, '0')}`;
}

export function key(...parts: (string | number)[]): Key {
  return encodeKey(['contract', ...parts]);
}

/** Keys `['contract', prefix, 0…count - 1]`, in order. */
export function keysOf(prefix: string, count: number): Key[] {
  return Array.from({ length: count }, (_, index) => key(prefix, index));
}

export function put(
  at: Key,
  expected: Expected,
  json: unknown,
  options: { expiresAtMs?: number; version?: Version } = {},
): Put {
  const { version = mint(), ...expiry } = options;
  return { kind: 'put', key: at, expected, version, value: Value.of(json), ...expiry };
}

export function remove(at: Key, expected: Expected): Delete {
  return { kind: 'delete', key: at, expected };
}

export function check(at: Key, expected: Expected): Check {
  return { kind: 'check', key: at, expected };
}

export function transaction(...writes: Write[]): Transaction {
  return { writes };
}

export function statusesOf(answer: CommitAnswer | LockedAnswer): string[] {
  return 'outcomes' in answer ? answer.outcomes.map((outcome) => outcome.status) : ['busy'];
}

/** Commits one transaction and answers its outcome. */
export async function commitOne(storage: Storage, ...writes: Write[]): Promise<Outcome> {
  const { outcomes } = await storage.commit([transaction(...writes)]);
  assert.equal(outcomes.length, 1, 'one outcome for one transaction');
  return outcomes[0] as Outcome;
}

/** Commits one transaction that must hold. */
export async function commitOk(storage: Storage, ...writes: Write[]): Promise<void> {
  assertStatus(await commitOne(storage, ...writes), 'ok');
}

/** Creates records, one for each key, and answers their versions. Goes in pieces that every store takes. */
export async function fill(storage: Storage, keys: readonly Key[], expiresAtMs?: number): Promise<Version[]> {
  const versions: Version[] = [];
  for (let start = 0; start < keys.length; start += 1_000) {
    const puts = keys
      .slice(start, start + 1_000)
      .map((at) => put(at, null, { key: at }, expiresAtMs === undefined ? {} : { expiresAtMs }));
    await commitOk(storage, ...puts);
    versions.push(...puts.map((write) => write.version));
  }
  return versions;
}

export async function readOne(storage: Storage, at: Key): Promise<StoredRecord | undefined> {
  const { records } = await storage.read([at]);
  assert.equal(records.length, 1, 'one record, or undefined, for one key');
  return records[0];
}

/** The keys and versions of what the store holds under these keys. */
export async function versionsUnder(storage: Storage, keys: readonly Key[]): Promise<(Version | null)[]> {
  const { records } = await storage.read(keys);
  return records.map((record) => record?.version ?? null);
}

export function assertStatus(outcome: Outcome | undefined, status: Outcome['status']): void {
  assert.equal(outcome?.status, status);
}

/** The current records that a conflict hands over. */
export function currentOf(outcome: Outcome | undefined): readonly (StoredRecord | undefined)[] {
  if (outcome?.status !== 'conflict') assert.fail(`expected a conflict, got ${String(outcome?.status)}`);
  return outcome.current;
}

/** Asserts that a record is what a put wrote: all of it, and nothing else. */
export function assertRecord(record: StoredRecord | undefined, written: Put): void {
  assert.ok(record, `no record under ${written.key}`);
  assert.equal(record.key, written.key);
  assert.equal(record.version, written.version, 'version');
  assert.equal(record.value.text, written.value.text, 'value');
  assert.equal(record.expiresAtMs, written.expiresAtMs, 'expiry');
}
