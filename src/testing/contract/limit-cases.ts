import assert from 'node:assert/strict';
import {
  encodeKey,
  groupBytesMax,
  groupTransactionsMax,
  type Key,
  keyBytesMax,
  transactionKeysMax,
  valueBytesMax,
} from '../../storage/storage.js';
import { type CaseDefinition, casesOf } from './contract-case.js';
import {
  assertRecord,
  check,
  commitOk,
  commitOne,
  currentOf,
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

/** A JSON text of exactly so many bytes, two of them its quotes. */
function textOfBytes(bytes: number, character = 'x'): string {
  const each = Buffer.byteLength(character);
  const whole = character.repeat(Math.floor((bytes - 2) / each));
  return whole + 'x'.repeat(bytes - 2 - Buffer.byteLength(whole));
}

/** A key of exactly so many bytes, two of them the marks around its text. */
function keyOfBytes(bytes: number, character: string, first = ''): Key {
  return encodeKey([first + textOfBytes(bytes - Buffer.byteLength(first), character)]);
}

/** Everything at the size that storage.ts promises its callers, and not smaller. */
export const limitCases: CaseDefinition[] = casesOf('limits', {
  async 'takes as many transactions in a group as it says'({ storage }) {
    const most = storage.capabilities.groupTransactionsMax;
    assert.ok(
      Number.isInteger(most) && most >= 1 && most <= groupTransactionsMax,
      `groupTransactionsMax: ${most}`,
    );
    const keys = keysOf('k', most);
    const puts = keys.map((at) => put(at, null, at));
    const created = await storage.commit(puts.map((write) => transaction(write)));
    assert.deepEqual(new Set(statusesOf(created)), new Set(['ok']));
    assert.equal(created.outcomes.length, most);
    // Every third one loses, and takes nobody along.
    const next = keys.map((at, index) =>
      put(at, index % 3 === 0 ? mint() : (puts[index]?.version ?? null), index),
    );
    const replaced = await storage.commit(next.map((write) => transaction(write)));
    assert.deepEqual(
      statusesOf(replaced),
      keys.map((_, index) => (index % 3 === 0 ? 'conflict' : 'ok')),
    );
    assert.deepEqual(
      await versionsUnder(storage, keys),
      next.map((write, index) => (index % 3 === 0 ? puts[index] : write)?.version),
    );
  },

  async 'takes 4,096 keys in a transaction, all or nothing'({ storage }) {
    const keys = keysOf('k', transactionKeysMax);
    const puts = keys.map((at, index) => put(at, null, index));
    const wrong = [...puts.slice(1), put(keys[0] ?? key('none'), mint(), 0)];
    assert.equal(currentOf(await commitOne(storage, ...wrong)).length, transactionKeysMax);
    assert.deepEqual(new Set(await versionsUnder(storage, keys)), new Set([null]));
    await commitOk(storage, ...puts);
    const versions = puts.map((write) => write.version);
    assert.deepEqual(await versionsUnder(storage, keys), versions);
    await commitOk(storage, ...keys.map((at, index) => check(at, versions[index] ?? null)));
    await commitOk(storage, ...keys.map((at, index) => remove(at, versions[index] ?? null)));
    assert.deepEqual(new Set(await versionsUnder(storage, keys)), new Set([null]));
  },

  async 'takes a value of 1 MiB, of characters of 1 to 4 bytes'({ storage }) {
    let expected: string | null = null;
    for (const character of ['x', 'é', '漢', '👩']) {
      const write = put(key('a'), expected, textOfBytes(valueBytesMax, character));
      assert.equal(Buffer.byteLength(write.value.text), valueBytesMax);
      await commitOk(storage, write);
      assertRecord(await readOne(storage, key('a')), write);
      expected = write.version;
    }
    const current = currentOf(await commitOne(storage, check(key('a'), null)))[0];
    assert.equal(current?.version, expected);
    assert.equal(Buffer.byteLength(current.value.text), valueBytesMax);
  },

  async 'takes keys of 2,048 bytes, of characters of 1 to 4 bytes, and orders them'({ storage }) {
    const keys = ['x', 'é', '漢', '\uE000', '👩'].flatMap((character) =>
      ['0', '1'].map((first) => keyOfBytes(keyBytesMax, character, first)),
    );
    for (const at of keys) assert.equal(Buffer.byteLength(at), keyBytesMax);
    const puts = keys.map((at) => put(at, null, 1));
    await commitOk(storage, ...puts);
    assert.deepEqual(
      await versionsUnder(storage, keys),
      puts.map((write) => write.version),
    );
    const { records } = await storage.range({ start: encodeKey([]), end: '%' as Key, limit: 100 });
    assert.deepEqual(
      records.map((record) => record.key),
      keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    );
  },

  async 'takes a group of 4 MiB'({ storage }) {
    const keys = keysOf('k', 4);
    // Keys count as well; each of the four is as long as the next.
    const share = groupBytesMax / 4 - Buffer.byteLength(keys[0] ?? '');
    const puts = keys.map((at) => put(at, null, textOfBytes(share)));
    const answer = await storage.commit(puts.map((write) => transaction(write)));
    assert.deepEqual(statusesOf(answer), ['ok', 'ok', 'ok', 'ok']);
    const { records } = await storage.read(keys);
    puts.forEach((write, index) => assertRecord(records[index], write));
  },

  async 'takes a transaction of 4 MiB'({ storage }) {
    const keys = keysOf('k', 1_024);
    const share = groupBytesMax / keys.length - Buffer.byteLength(keys.at(-1) ?? '');
    const puts = keys.map((at) => put(at, null, textOfBytes(share)));
    await commitOk(storage, ...puts);
    const { records } = await storage.read(keys);
    puts.forEach((write, index) => assertRecord(records[index], write));
  },
});
