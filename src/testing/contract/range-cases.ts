import assert from 'node:assert/strict';
import {
  encodeKey,
  type Key,
  type KeyPart,
  keysBelow,
  type RangeQuery,
  type Storage,
} from '../../storage/storage.js';
import { type CaseDefinition, casesOf } from './contract-case.js';
import { assertRecord, commitOk, fill, key, keysOf, put, remove } from './contract-words.js';

async function keysIn(storage: Storage, query: RangeQuery): Promise<Key[]> {
  const { records } = await storage.range(query);
  return records.map((record) => record.key);
}

function shuffled<T>(items: readonly T[]): T[] {
  // Any order that is not sorted; the same at every run.
  return [
    ...items.filter((_, index) => index % 2 === 1),
    ...items.filter((_, index) => index % 2 === 0).toReversed(),
  ];
}

/** Tuples in the order they must have: numbers by size, then strings by code point, a tuple before what it begins. */
const inOrder: readonly KeyPart[][] = [
  [],
  [0],
  [0, 0],
  [0, 'a'],
  [1],
  [9],
  [10],
  [99],
  [100],
  [Number.MAX_SAFE_INTEGER],
  [''],
  ['', 0],
  ['', ''],
  ['\u0000'],
  ['\u0000', 'z'],
  ['\u0001'],
  ['\n'],
  [' '],
  ['!'],
  ['"'],
  ['#'],
  ['$'],
  ['%'],
  ['0'],
  ['10'],
  ['9'],
  ['A'],
  ['B'],
  ['_'],
  ['a'],
  ['a', 0],
  ['a', 'b'],
  ['a\u0000'],
  ['a '],
  ['a b'],
  ['aa'],
  ['b'],
  ['~'],
  ['\u007f'],
  ['ß'],
  ['é'],
  ['漢'],
  ['\uD7FF'],
  ['\uE000'],
  ['\uFFFD'],
  ['\uFFFF'],
  ['\u{10000}'],
  ['👩'],
  ['\u{10FFFF}'],
];

/** Pages of records in key order. */
export const rangeCases: CaseDefinition[] = casesOf('range', {
  async 'answers nothing where nothing is'({ storage }) {
    const { start, end } = keysBelow(['contract']);
    assert.deepEqual(await keysIn(storage, { start, end, limit: 10 }), []);
    await commitOk(storage, put(encodeKey(['another']), null, 1));
    assert.deepEqual(await keysIn(storage, { start, end, limit: 10 }), []);
    assert.deepEqual(await keysIn(storage, { start, end, limit: 10, reverse: true }), []);
  },

  async 'answers whole records'({ storage }) {
    const writes = [
      put(key('a'), null, { a: 1 }, { expiresAtMs: Date.now() + 3_600_000 }),
      put(key('b'), null, { b: 1 }),
    ];
    await commitOk(storage, ...writes);
    const { records } = await storage.range({ ...keysBelow(['contract']), limit: 10 });
    assert.equal(records.length, 2);
    writes.forEach((write, index) => assertRecord(records[index], write));
  },

  async 'goes by code point: numbers before strings, U+E000 before U+10000'({ storage }) {
    const keys = inOrder.map((parts) => key('order', ...parts));
    await fill(storage, shuffled(keys));
    const query = { start: keys[0] as Key, end: key('order2'), limit: 1_000 };
    assert.deepEqual(await keysIn(storage, query), keys);
    assert.deepEqual(await keysIn(storage, { ...query, reverse: true }), keys.toReversed());
  },

  async 'includes its start and not its end, wherever they are'({ storage }) {
    const keys = inOrder.map((parts) => key('order', ...parts));
    await fill(storage, shuffled(keys));
    for (let from = 0; from < keys.length; from += 3) {
      for (let to = 0; to < keys.length; to += 4) {
        const query = { start: keys[from] as Key, end: keys[to] as Key, limit: 1_000 };
        const expected = keys.slice(from, Math.max(from, to));
        assert.deepEqual(await keysIn(storage, query), expected);
        assert.deepEqual(await keysIn(storage, { ...query, reverse: true }), expected.toReversed());
      }
    }
  },

  async 'takes bounds that are no keys'({ storage }) {
    const keys = inOrder.map((parts) => key('order', ...parts));
    await fill(storage, [...shuffled(keys), key('orde'), key('order '), key('order!'), key('ordes')]);
    const { start, end } = keysBelow(['contract', 'order']);
    assert.deepEqual(await keysIn(storage, { start, end, limit: 1_000 }), keys.slice(1));
    assert.deepEqual(
      await keysIn(storage, { start, end, limit: 1_000, reverse: true }),
      keys.slice(1).toReversed(),
    );
  },

  async 'stops at its limit, from either end'({ storage }) {
    const keys = keysOf('k', 30);
    await fill(storage, shuffled(keys));
    const { start, end } = keysBelow(['contract', 'k']);
    for (const limit of [1, 2, 29, 30, 31, 1_000]) {
      assert.deepEqual(await keysIn(storage, { start, end, limit }), keys.slice(0, limit));
      const reversed = await keysIn(storage, { start, end, limit, reverse: true });
      assert.deepEqual(reversed, keys.toReversed().slice(0, limit));
    }
    assert.deepEqual(await keysIn(storage, { start, end, limit: 5, reverse: false }), keys.slice(0, 5));
  },

  async 'gives every record once to who walks in pages, in both directions'({ storage }) {
    const keys = keysOf('k', 2_500);
    await fill(storage, shuffled(keys));
    const { start, end } = keysBelow(['contract', 'k']);
    const forwards: Key[] = [];
    for (let from = start, pages = 0; pages < 10; pages++) {
      const page = await keysIn(storage, { start: from, end, limit: 1_000 });
      forwards.push(...page.slice(from === start ? 0 : 1));
      const last = page.at(-1);
      if (last === undefined || page.length < 1_000) break;
      from = last;
    }
    assert.deepEqual(forwards, keys);
    const backwards: Key[] = [];
    for (let to = end, pages = 0; pages < 10; pages++) {
      const page = await keysIn(storage, { start, end: to, limit: 700, reverse: true });
      backwards.push(...page);
      const last = page.at(-1);
      if (last === undefined || page.length < 700) break;
      to = last;
    }
    assert.deepEqual(backwards, keys.toReversed());
  },

  async 'follows what is created and deleted, and not what is only replaced'({ storage }) {
    const keys = keysOf('k', 10);
    const versions = await fill(storage, keys);
    await commitOk(
      storage,
      ...keys.map((at, index) =>
        index % 3 === 0 ? remove(at, versions[index] ?? null) : put(at, versions[index] ?? null, 'replaced'),
      ),
    );
    const between = key('k', 3, 'between');
    await commitOk(storage, put(between, null, 1));
    const expected = keys.filter((_, index) => index % 3 !== 0).toSpliced(2, 0, between);
    assert.deepEqual(await keysIn(storage, { ...keysBelow(['contract', 'k']), limit: 100 }), expected);
  },
});
