import assert from 'node:assert/strict';
import type { Key, LockedAnswer, Storage, StoredRecord, Transaction } from '../../storage/storage.js';
import { type CaseDefinition, casesOf } from './contract-case.js';
import {
  assertRecord,
  check,
  commitOk,
  currentOf,
  fill,
  key,
  keysOf,
  mint,
  put,
  readOne,
  remove,
  statusesOf,
  transaction,
  versionsUnder,
} from './contract-words.js';

/** Turns a `busy` answer may come before a case gives up: each has waited the backend's own bound. */
const busyTurnsMax = 20;

type Run = (records: readonly (StoredRecord | undefined)[], nowMs: number) => readonly Transaction[];

/** Calls `locked` until it is not busy; a busy answer must not have called `run`. */
export async function lockedAgain(
  storage: Storage,
  keys: readonly Key[],
  run: Run,
): Promise<LockedAnswer & { readonly busy?: false }> {
  for (let turn = 0; turn < busyTurnsMax; turn++) {
    let runs = 0;
    const answer = await storage.locked(keys, (records, nowMs) => {
      runs++;
      return run(records, nowMs);
    });
    if (!answer.busy) {
      assert.equal(runs, 1, `run was called ${runs} times`);
      return answer;
    }
    assert.equal(runs, 0, 'run was called, and yet the answer is busy');
  }
  return assert.fail(`locked was busy ${busyTurnsMax} times in a row`);
}

/** Adds one to the numbers under these keys, which are 0 where nothing is. */
export async function addOne(storage: Storage, keys: readonly Key[]): Promise<void> {
  const answer = await lockedAgain(storage, keys, (records) => [
    transaction(
      ...keys.map((at, index) => {
        const record = records[index];
        return put(at, record?.version ?? null, Number(record?.value.text ?? '0') + 1);
      }),
    ),
  ]);
  assert.deepEqual(
    statusesOf(answer),
    ['ok'],
    'what was decided on the records handed over lost to somebody else',
  );
}

async function numbersUnder(storage: Storage, keys: readonly Key[]): Promise<number[]> {
  const { records } = await storage.read(keys);
  return records.map((record) => Number(record?.value.text ?? '0'));
}

/** The queue for contended keys. */
export const lockedCases: CaseDefinition[] = casesOf('locked', {
  async 'hands over the current records in the order of its keys, and the time'({ storage }) {
    const a = put(key('a'), null, 'a', { expiresAtMs: Date.now() + 3_600_000 });
    const b = put(key('b'), null, 'b');
    await commitOk(storage, a, b);
    const before = await storage.read([]);
    let seen: readonly (StoredRecord | undefined)[] = [];
    let seenMs = 0;
    const answer = await lockedAgain(storage, [key('b'), key('none'), key('a')], (records, nowMs) => {
      seen = records;
      seenMs = nowMs;
      return [];
    });
    assert.deepEqual(answer.outcomes, []);
    assert.equal(seen.length, 3);
    assertRecord(seen[0], b);
    assert.equal(seen[1], undefined);
    assertRecord(seen[2], a);
    assert.ok(Math.abs(seenMs - before.nowMs) < 60_000, `${seenMs} is not the store's time`);
  },

  async 'commits what run returns, each transaction by itself'({ storage }) {
    const old = put(key('old'), null, 1);
    await commitOk(storage, old);
    const replaced = put(key('old'), old.version, 2);
    const fresh = put(key('fresh'), null, 1);
    const answer = await lockedAgain(storage, [key('old'), key('fresh'), key('wrong')], () => [
      transaction(replaced),
      transaction(put(key('wrong'), mint(), 1), put(key('beside'), null, 1)),
      transaction(fresh),
    ]);
    assert.deepEqual(statusesOf(answer), ['ok', 'conflict', 'ok']);
    assert.deepEqual(currentOf(answer.outcomes[1]), [undefined, undefined]);
    assertRecord(await readOne(storage, key('old')), replaced);
    assertRecord(await readOne(storage, key('fresh')), fresh);
    assert.deepEqual(await versionsUnder(storage, [key('wrong'), key('beside')]), [null, null]);
  },

  async 'compares keys it did not lock'({ storage }) {
    const other = put(key('other'), null, 1);
    await commitOk(storage, other);
    const answer = await lockedAgain(storage, [key('a')], () => [
      transaction(put(key('a'), null, 1), check(key('other'), mint())),
      transaction(put(key('b'), null, 1), put(key('other'), other.version, 2)),
    ]);
    assert.deepEqual(statusesOf(answer), ['conflict', 'ok']);
    assertRecord(currentOf(answer.outcomes[0])[1], other);
    assert.equal(await readOne(storage, key('a')), undefined);
    assert.notEqual(await readOne(storage, key('b')), undefined);
  },

  async 'takes puts, deletes and checks of what it locked, absent keys included'({ storage }) {
    const keys = keysOf('k', 4);
    const versions = await fill(storage, keys.slice(0, 3));
    const answer = await lockedAgain(storage, keys, (records) => [
      transaction(
        put(keys[0] as Key, records[0]?.version ?? null, 'new'),
        remove(keys[1] as Key, records[1]?.version ?? null),
        check(keys[2] as Key, records[2]?.version ?? null),
        put(keys[3] as Key, records[3]?.version ?? null, 'created'),
      ),
    ]);
    assert.deepEqual(statusesOf(answer), ['ok']);
    const { records } = await storage.read(keys);
    assert.deepEqual(
      records.map((record) => record?.value.text),
      ['"new"', undefined, JSON.stringify({ key: keys[2] }), '"created"'],
    );
    assert.equal(records[2]?.version, versions[2]);
  },

  async 'writes nothing when run decides on nothing, and locks no keys where none are named'({ storage }) {
    await lockedAgain(storage, [key('a'), key('b')], () => []);
    await lockedAgain(storage, [], () => [transaction(put(key('c'), null, 1))]);
    assert.deepEqual(
      (await versionsUnder(storage, [key('a'), key('b'), key('c')])).map((version) => version === null),
      [true, true, false],
    );
    // A lock that left something behind would make these lose.
    await commitOk(storage, put(key('a'), null, 1), check(key('b'), null));
  },

  async 'throws on what run throws, writes nothing and lets go of the keys'({ storage }) {
    const write = put(key('a'), null, 1);
    await commitOk(storage, write);
    const thrown = new RangeError('thrown by run');
    await assert.rejects(
      async () =>
        lockedAgain(storage, [key('a'), key('b')], () => {
          throw thrown;
        }),
      (error) => error === thrown,
    );
    assertRecord(await readOne(storage, key('a')), write);
    assert.equal(await readOne(storage, key('b')), undefined);
    await addOne(storage, [key('b'), key('c')]);
    await commitOk(storage, put(key('a'), write.version, 2));
  },

  async 'lets in one caller after the other'({ storage }) {
    await Promise.all(Array.from({ length: 40 }, () => addOne(storage, [key('a')])));
    assert.deepEqual(await numbersUnder(storage, [key('a')]), [40]);
  },

  async 'does not deadlock on overlapping keys in opposite orders'({ storage }) {
    const keys = keysOf('k', 5);
    await Promise.all(
      Array.from({ length: 40 }, (_, index) => {
        const some = keys.filter((_key, position) => position === 2 || (index + position) % 3 !== 0);
        return addOne(storage, index % 2 === 0 ? some : some.toReversed());
      }),
    );
    const expected = keys.map(
      (_, position) =>
        Array.from({ length: 40 }, (_key, index) => index).filter(
          (index) => position === 2 || (index + position) % 3 !== 0,
        ).length,
    );
    assert.deepEqual(await numbersUnder(storage, keys), expected);
  },

  async 'keeps count beside commits on the same keys'({ storage }) {
    const keys = keysOf('k', 2);
    const byCommit = async (): Promise<void> => {
      for (let turn = 0; turn < 1_000; turn++) {
        const { records } = await storage.read(keys);
        const puts = keys.map((at, index) => {
          const record = records[index];
          return put(at, record?.version ?? null, Number(record?.value.text ?? '0') + 1);
        });
        const { outcomes } = await storage.commit([transaction(...puts)]);
        if (outcomes[0]?.status === 'ok') return;
      }
      assert.fail('a commit lost 1,000 times');
    };
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? byCommit() : addOne(storage, keys))),
    );
    assert.deepEqual(await numbersUnder(storage, keys), [20, 20]);
  },

  async 'locks 1,000 keys'({ storage }) {
    const keys = keysOf('k', 1_000);
    await Promise.all([addOne(storage, keys), addOne(storage, keys.toReversed())]);
    assert.deepEqual(new Set(await numbersUnder(storage, keys)), new Set([2]));
  },
});
