import { characterProblem, nameProblem, quoted, utf8Bytes } from '../../src/core/text-rules.js';
import { expect, test } from 'vitest';
import fc from 'fast-check';

test('a name has a least and a greatest length', () => {
  expect(nameProblem('', 3)).toBe('is empty');
  expect(nameProblem('abc', 3)).toBeUndefined();
  expect(nameProblem('abcd', 3)).toBe('is longer than 3 characters');
  expect(nameProblem('a\n', 3)).toBe('holds a control character');
});

const control = 'holds a control character';
const half = 'holds half of a surrogate pair';

test.each<[string, string | undefined]>([
  ['', undefined],
  [' ~', undefined],
  ['\u001f', control],
  ['\u007f', control],
  ['\u009f', control],
  ['\u00a0', undefined],
  ['\u2027\u202a', undefined],
  ['\u2028', control],
  ['\u2029', control],
  ['\ud7ff\ue000', undefined],
  ['\ud83d\ude00', undefined],
  ['\ud800', half],
  ['\udfff', half],
  ['\ude00\ud83d', half],
  // The first that is wrong is named.
  ['é\u0007\ud800', control],
  ['\ue000\u0007\ud800', control],
])('characters (%#)', (text, problem) => {
  expect(characterProblem(text)).toBe(problem);
});

test('bytes are those of UTF-8', () => {
  const edges = [
    'a',
    '\u007f',
    '\u0080',
    '\u07ff',
    '\u0800',
    '\ud7ff',
    '\ue000',
    '\uffff',
    '\ud800\udc00',
    '😀',
  ];
  for (const text of ['', ...edges]) expect([text, utf8Bytes(text)]).toEqual([text, Buffer.byteLength(text)]);
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...edges)), (pieces) => {
      const text = pieces.join('');
      return utf8Bytes(text) === Buffer.byteLength(text);
    }),
  );
});

test.each([
  ['plain', '"plain"'],
  ['say "hi"', '"say \\"hi\\""'],
  ['a\\b', '"a\\\\b"'],
  ['é😀', '"é😀"'],
  ['a\nb', '"a\\u{a}b"'],
  ['\u202e', '"\\u{202e}"'],
  ['\u2028\u2029', '"\\u{2028}\\u{2029}"'],
  ['\ud800', '"\\u{d800}"'],
  ['😀'.repeat(64), `"${'😀'.repeat(64)}"`],
  ['x'.repeat(65), `"${'x'.repeat(64)}…"`],
])('quoted (%#)', (text, shown) => {
  expect(quoted(text)).toBe(shown);
});
