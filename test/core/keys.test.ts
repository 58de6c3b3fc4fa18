import Database from 'better-sqlite3';
import {
  AmbitError,
  compareKeys,
  decodeKey,
  encodeKey,
  type KeyPart,
  keyBytesMax,
  keysBelow,
} from 'ambit/storage';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

// Whole code points and none of the surrogates, with those around every border of the encoding made likely.
const border = fc.mapToConstant(
  { num: 0x30, build: (offset) => String.fromCodePoint(offset) },
  { num: 0x30, build: (offset) => String.fromCodePoint(0x60 + offset) },
  { num: 2, build: (offset) => String.fromCodePoint(0x7ff + offset) },
  { num: 1, build: () => '\ud7ff' },
  { num: 1, build: () => '\ue000' },
  { num: 4, build: (offset) => String.fromCodePoint(0xfffe + offset) },
  { num: 1, build: () => '\u{10ffff}' },
);
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: border, maxLength: 6 }),
  fc.string({ unit: fc.constantFrom('a', 'b', ' ', '!', '\u0000'), maxLength: 3 }),
);
const count = fc.oneof(
  fc.maxSafeNat(),
  fc.nat({ max: 200 }),
  fc.constantFrom(0, -0, 9, 10, 99, 100, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER),
);
const tuple: fc.Arbitrary<KeyPart[]> = fc.array(fc.oneof(text, count), { maxLength: 5 });
/** Two tuples that often begin alike. */
const pair = fc.oneof(
  fc.tuple(tuple, tuple),
  fc.tuple(tuple, tuple, tuple).map(([start, a, b]): [KeyPart[], KeyPart[]] => [
    [...start, ...a],
    [...start, ...b],
  ]),
);

/** The order that is promised, written down without looking at the encoding: part by part, text by code point. */
function compareTuples(a: readonly KeyPart[], b: readonly KeyPart[]): number {
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const order = comparePart(a[index] as KeyPart, b[index] as KeyPart);
    if (order !== 0) return order;
  }
  return Math.sign(a.length - b.length);
}

function comparePart(a: KeyPart, b: KeyPart): number {
  if (typeof a === 'number' && typeof b === 'number') return Math.sign(a - b);
  if (typeof a === 'number') return -1;
  if (typeof b === 'number') return 1;
  const [left, right] = [Array.from(a, pointOf), Array.from(b, pointOf)];
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const order = Math.sign((left[index] as number) - (right[index] as number));
    if (order !== 0) return order;
  }
  return Math.sign(left.length - right.length);
}

function pointOf(character: string): number {
  return character.codePointAt(0) as number;
}

function bytesOf(key: string): Buffer {
  return Buffer.from(key, 'utf8');
}

describe('the order of keys', () => {
  test('is the order of tuples', () => {
    fc.assert(
      fc.property(pair, ([a, b]) => {
        expect(Math.sign(compareKeys(encodeKey(a), encodeKey(b)))).toBe(compareTuples(a, b));
      }),
      { numRuns: 5_000 },
    );
  });

  test('is the order of UTF-8 bytes, of any well-formed text', () => {
    fc.assert(
      fc.property(pair, text, text, ([a, b], left, right) => {
        const [x, y] = [encodeKey(a), encodeKey(b)];
        expect(Math.sign(compareKeys(x, y))).toBe(Buffer.compare(bytesOf(x), bytesOf(y)));
        expect(Math.sign(compareKeys(left, right))).toBe(Buffer.compare(bytesOf(left), bytesOf(right)));
      }),
      { numRuns: 5_000 },
    );
  });

  test('is not the order of JavaScript strings', () => {
    const [first, second] = [encodeKey(['\ue000']), encodeKey(['\u{10000}'])];
    expect(compareKeys(first, second)).toBeLessThan(0);
    expect(first < second).toBe(false);
  });

  test('is the order SQLite has', () => {
    const database = new Database(':memory:');
    try {
      database.exec('CREATE TABLE record (key TEXT PRIMARY KEY) WITHOUT ROWID');
      const insert = database.prepare('INSERT OR IGNORE INTO record VALUES (?)');
      const keys = [...new Set(fc.sample(tuple, 2_000).map((parts) => encodeKey(parts)))];
      for (const key of keys) insert.run(key);
      const stored = database.prepare('SELECT key FROM record ORDER BY key').pluck().all();
      expect(stored).toEqual(keys.toSorted(compareKeys));
    } finally {
      database.close();
    }
  });

  test('puts numbers before strings, and a tuple before what it begins', () => {
    const inOrder: KeyPart[][] = [
      [],
      [0],
      [0, 0],
      [0, ''],
      [9],
      [10],
      [Number.MAX_SAFE_INTEGER],
      [''],
      ['', 0],
      ['0'],
      ['10'],
      ['9'],
    ];
    const keys = inOrder.map((parts) => encodeKey(parts));
    expect(keys.toReversed().toSorted(compareKeys)).toEqual(keys);
  });
});

describe('encodeKey', () => {
  test('comes back as it went', () => {
    fc.assert(
      fc.property(tuple, (parts) => {
        // -0 is 0: one thing has one name.
        expect(decodeKey(encodeKey(parts))).toEqual(parts.map((part) => (part === 0 ? 0 : part)));
      }),
      { numRuns: 5_000 },
    );
  });

  test('gives different tuples different keys', () => {
    fc.assert(
      fc.property(pair, ([a, b]) => {
        expect(encodeKey(a) === encodeKey(b)).toBe(compareTuples(a, b) === 0);
      }),
      { numRuns: 5_000 },
    );
    // An exhaustive look at the characters that are escaped, and those that escape them.
    const characters = ['\u0000', '\u0020', '!', '@', '`', 'a', '$', '#', ' '];
    const all = characters.flatMap((a) => characters.flatMap((b) => [[a + b], [a, b], [a], [`${a}${b}!`]]));
    const keys = new Map(all.map((parts) => [encodeKey(parts), JSON.stringify(parts)]));
    expect(keys.size).toBe(new Set(all.map((parts) => JSON.stringify(parts))).size);
  });

  test('leaves no control character, and can be read', () => {
    fc.assert(
      fc.property(tuple, (parts) => {
        expect(encodeKey(parts)).not.toMatch(/[\u0000-\u001f]/);
      }),
    );
    expect(encodeKey(['task', '0198-a', 7])).toBe('$task $0198-a #A7 ');
    expect(encodeKey(['a b'])).toBe('$a!`b ');
  });

  test('keeps a key that begins with another one as text apart from one that begins with it as a tuple', () => {
    expect(encodeKey(['ab']).startsWith(encodeKey(['a']))).toBe(false);
    expect(encodeKey(['a', 'b']).startsWith(encodeKey(['a']))).toBe(true);
  });

  test.each([
    ['a lone high surrogate', 'a\ud800'],
    ['a lone low surrogate', '\udc00a'],
    ['surrogates the wrong way round', '\udc00\ud800'],
    ['a negative number', -1],
    ['a fraction', 1.5],
    ['not a number', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
    ['a number too large to be exact', 2 ** 53],
  ])('refuses %s', (_what, part) => {
    expect(invalid(() => encodeKey(['task', part]))).toBe('INVALID_INPUT');
  });

  test('takes 2,048 bytes and no more, whatever they are made of', () => {
    for (const character of 'x|\u007f|\u0080|é|\u07ff|\u0800|漢|\uffff|\u{10000}|👩| |\u0000'.split('|')) {
      const each = bytesOf(encodeKey([character])).length - 2;
      const most = Math.floor((keyBytesMax - 2) / each);
      const filled = character.repeat(most) + 'x'.repeat(keyBytesMax - 2 - most * each);
      expect(bytesOf(encodeKey([filled])).length).toBe(keyBytesMax);
      expect(invalid(() => encodeKey([`${filled}x`]))).toBe('INVALID_INPUT');
      expect(invalid(() => encodeKey([filled, 0]))).toBe('INVALID_INPUT');
    }
  });
});

describe('decodeKey', () => {
  const others =
    '$a|a |$a  | |#5 |#A |#B1 |#B01 |#P9999999999999999 |#Q12345678901234567 |#A-1 |#Ax |$a #|%a |$! |$!b |$!!a |$\n |1@ ';

  test.each(others.split('|'))('refuses %j', (key) => {
    expect(invalid(() => decodeKey(key as never))).toBe('STORE_CORRUPT');
  });

  test('refuses a lone surrogate', () => {
    expect(invalid(() => decodeKey('$\ud800 ' as never))).toBe('STORE_CORRUPT');
  });

  test('refuses whatever encodeKey would not make', () => {
    const near = fc.string({
      unit: fc.constantFrom('$', '#', ' ', '!', 'A', 'B', 'P', '0', '1', '9', '@', '`', 'a', '\u0000'),
    });
    fc.assert(
      fc.property(near, (key) => {
        let parts: KeyPart[];
        try {
          parts = decodeKey(key as never);
        } catch (error) {
          expect((error as AmbitError).code).toBe('STORE_CORRUPT');
          return;
        }
        expect(encodeKey(parts)).toBe(key);
      }),
      { numRuns: 20_000 },
    );
  });
});

describe('keysBelow', () => {
  test('holds what begins with these parts and has more, and nothing else', () => {
    fc.assert(
      fc.property(pair, ([prefix, parts]) => {
        const { start, end } = keysBelow(prefix);
        const key = encodeKey(parts);
        const inside = compareKeys(key, start) >= 0 && compareKeys(key, end) < 0;
        const begins =
          parts.length > prefix.length &&
          prefix.every((part, index) => comparePart(part, parts[index] as KeyPart) === 0);
        expect(inside).toBe(begins);
      }),
      { numRuns: 5_000 },
    );
    fc.assert(
      fc.property(tuple, fc.oneof(text, count), tuple, (prefix, part, others) => {
        const { start, end } = keysBelow(prefix);
        const key = encodeKey([...prefix, part, ...others]);
        expect(compareKeys(key, start)).toBeGreaterThan(0);
        expect(compareKeys(key, end)).toBeLessThan(0);
      }),
    );
  });
});

function invalid(call: () => unknown): string {
  try {
    return `answered ${JSON.stringify(call())}`;
  } catch (error) {
    return error instanceof AmbitError ? error.code : `threw ${String(error)}`;
  }
}
