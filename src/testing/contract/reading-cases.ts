import assert from 'node:assert/strict';
import { Value } from '../../storage/storage.js';
import { type CaseDefinition, casesOf } from './contract-case.js';
import {
  assertRecord,
  commitOk,
  fill,
  key,
  keysOf,
  mint,
  put,
  readOne,
  transaction,
  versionsUnder,
} from './contract-words.js';

/** Values that a store which looks inside them, or joins them with others, is known to spoil. */
const awkwardValues: Record<string, unknown> = {
  null: null,
  booleans: [true, false],
  'an empty array': [],
  'an empty object': {},
  'an empty string': '',
  nested: { a: [{ b: [[], {}, [null, [{}]]] }], c: { d: { e: { f: [] } } } },
  'keys that are not sorted': { z: 1, a: 2, '10': 3, '9': 4, B: 5 },
  'a key called __proto__': JSON.parse('{"__proto__":{"polluted":true},"constructor":1}'),
  'an empty key': { '': { '': 0 } },
  NUL: '\u0000 before and after \u0000',
  'line feeds and separators': 'a\nb\r\nc\u2028d\u2029e\u001ef\tg',
  'quotes and backslashes': `"\\'\`$1 $$ %s {} \\u0000 \\n -- ; /* */`,
  'all control characters': String.fromCharCode(...Array.from({ length: 0xa0 }, (_, code) => code)),
  'unicode of 2, 3 and 4 bytes': 'é ß € 漢字 \uFFFD \uFEFF \uE000 \u{10000} 👩‍👩‍👧‍👦 \u{10FFFF}',
  'combining marks, which must not be normalised': 'e\u0301 \u00e9 \u1100\u1161 \uAC00',
  'the largest exact integers': [2 ** 53 - 1, -(2 ** 53 - 1), 2 ** 53],
  'the ends of doubles': [1e308, -1e308, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, 1e21, 1e-7],
  'numbers that are not as they are written': [1.0, -0, 100, 1e2, 123456789012345680000],
  'strings that look like numbers': ['1', '1e5', 'NaN', 'null', 'true', '0x10', '٣'],
  'a long string': 'x'.repeat(100_000),
  'many members': Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`member ${index}`, index])),
};

/** What `read` answers, and that values come back as they went. */
export const readingCases: CaseDefinition[] = [
  ...casesOf('read', {
    async 'answers undefined for what is absent'({ storage }) {
      assert.deepEqual((await storage.read([key('a'), key('b')])).records, [undefined, undefined]);
    },

    async 'shows one by one what read answers, where it can'({ storage }) {
      if (!storage.peek) return;
      await commitOk(storage, put(key('a'), null, 'first'));
      const before = (await storage.read([key('a')])).records[0];
      assert.equal(storage.peek(key('a'))?.version, before?.version);
      await commitOk(storage, put(key('a'), before?.version ?? null, { is: 'second' }));
      const after = (await storage.read([key('a')])).records[0];
      const seen = storage.peek(key('a'));
      assert.notEqual(seen?.version, before?.version);
      assert.equal(seen?.version, after?.version);
      assert.deepEqual(seen?.value.json, after?.value.json);
      assert.equal(storage.peek(key('b')), undefined);
    },

    async 'answers in the order asked, duplicates and absent ones included'({ storage }) {
      const a = put(key('a'), null, 'a');
      const b = put(key('b'), null, 'b', { expiresAtMs: Date.now() + 3_600_000 });
      await commitOk(storage, a, b);
      const asked = [key('b'), key('none'), key('a'), key('b'), key('none'), key('a')];
      const { records } = await storage.read(asked);
      assert.equal(records.length, asked.length);
      [b, undefined, a, b, undefined, a].forEach((written, index) => {
        if (written) assertRecord(records[index], written);
        else assert.equal(records[index], undefined);
      });
    },

    async 'answers the time alone when asked for nothing'({ storage }) {
      const answer = await storage.read([]);
      assert.deepEqual(answer.records, []);
      assert.equal(typeof answer.nowMs, 'number');
    },

    async 'finds thousands of keys at once'({ storage }) {
      const keys = keysOf('many', 4_096);
      const versions = await fill(storage, keys);
      const shuffled = keys.map((_, index) => (index * 2_731) % keys.length);
      const found = await versionsUnder(
        storage,
        shuffled.map((index) => keys[index] ?? key('none')),
      );
      assert.deepEqual(
        found,
        shuffled.map((index) => versions[index]),
      );
    },

    async 'tells keys apart that are nearly the same'({ storage }) {
      const keys = [
        key('a'),
        key('A'),
        key('a '),
        key(' a'),
        key('a', ''),
        key('a', 0),
        key('a', '0'),
        key('ä'),
        key('a\u0308'),
        key('\u0000'),
        key('a\u0000'),
        key('\n'),
        key('%'),
        key('_'),
        key("'"),
        key('"'),
        key('{'),
        key('\\'),
      ];
      const versions = await fill(storage, keys);
      assert.equal(new Set(versions).size, keys.length);
      assert.deepEqual(await versionsUnder(storage, keys), versions);
    },

    async 'sees no transaction by half while others commit'({ storage }) {
      const [left, right] = [key('left'), key('right')];
      const first = [put(left, null, 0), put(right, null, 0)];
      await commitOk(storage, ...first);
      let versions = first.map((write) => write.version);
      const under = [];
      for (let round = 1; round <= 100; round++) {
        const next = [put(left, versions[0] ?? null, round), put(right, versions[1] ?? null, round)];
        versions = next.map((write) => write.version);
        under.push(storage.read([left, right]), storage.commit([transaction(...next)]));
        under.push(storage.read([right, left, left]));
        if (round % 10 === 0) await under.at(-1);
      }
      for (const asked of under) {
        const answer = await asked;
        if (!('records' in answer)) continue;
        const values = new Set(answer.records.map((record) => record?.value.text));
        assert.equal(values.size, 1, `torn: ${[...values].join(' and ')}`);
      }
    },
  }),

  ...casesOf(
    'value',
    Object.fromEntries(
      Object.entries(awkwardValues).map(([name, json]) => [
        name,
        async ({ storage }) => {
          const text = JSON.stringify(json);
          // A value may come as an object or as text, beside others, and replace another.
          const writes = [put(key('before'), null, 'before'), put(key('of'), null, json)];
          const fromText = { ...put(key('text'), null, null), value: Value.fromText(text) };
          await commitOk(storage, ...writes, fromText, put(key('zafter'), null, 'after'));
          for (const at of [key('of'), key('text')]) {
            const record = await readOne(storage, at);
            assert.equal(record?.value.text, text);
            assert.deepEqual(JSON.parse(record.value.text), JSON.parse(text));
          }
          assert.deepEqual((await readOne(storage, key('text')))?.value.json, JSON.parse(text));
          assert.equal((await readOne(storage, key('zafter')))?.value.text, '"after"');
        },
      ]),
    ),
  ),

  ...casesOf('version', {
    async 'is compared as it is, whatever it looks like'({ storage }) {
      const unique = mint();
      const versions = [
        '0',
        '00',
        '1',
        '1.0',
        '1e0',
        '-1',
        '9007199254740993',
        '9007199254740992',
        'NaN',
        '-',
        '.',
        '_',
      ];
      versions.push('a', 'A', 'null', 'undefined', unique, unique.toUpperCase());
      let expected: string | null = null;
      for (const version of versions) {
        const write = put(key('a'), expected, version, { version });
        await commitOk(storage, write);
        assertRecord(await readOne(storage, key('a')), write);
        for (const other of versions) {
          if (other === version) continue;
          const { outcomes } = await storage.commit([transaction(put(key('a'), other, 'lost'))]);
          assert.equal(outcomes[0]?.status, 'conflict', `${other} was taken for ${version}`);
        }
        expected = version;
      }
    },
  }),
];
