import { expect, test } from 'vitest';
import { looksLikeToolCall, memberNameProblem } from '../../src/mcp/frame-name-rules.js';

const decisive = [
  'jsonrpc',
  'id',
  'method',
  'params',
  'name',
  'result',
  'error',
  'requestState',
  'taskId',
  'requestId',
];

test.each(decisive)('%s is itself, and what only looks like it is not', (name) => {
  expect(memberNameProblem(name)).toBeUndefined();
  const problem = `a member that looks like "${name}" and is not`;
  const lookalikes = [
    name.toUpperCase(),
    `${name[0]?.toUpperCase()}${name.slice(1)}`,
    `${name}\u200B`,
    `${name}\u00AD`,
    `\uFEFF${name}`,
    // Written as wide letters, and with a mark above a letter.
    name.replaceAll(/[a-z]/g, (letter) => String.fromCodePoint(letter.charCodeAt(0) + 0xfe_e0)),
    `${name}\u0301`,
    `${name[0]}\u0308${name.slice(1)}`,
  ];
  for (const lookalike of lookalikes)
    expect([lookalike, memberNameProblem(lookalike)]).toEqual([lookalike, problem]);
});

test.each([
  // Dotless i, which is an I in upper case; a letter with its mark in one; Kelvin's K is a k in lower case.
  ['\u0131d', 'id'],
  ['\u00EDd', 'id'],
  ['tas\u212AId', 'taskId'],
  ['re\u017Fult', 'result'],
  // A dot above, which is a letter of its own in lower case, and one that comes apart when it is upper case.
  ['\u0130d', 'id'],
  ['Par\u0345ams', 'params'],
])('%s is read as %s by somebody', (key, name) => {
  expect(memberNameProblem(key)).toBe(`a member that looks like "${name}" and is not`);
});

test.each([
  '',
  'arguments',
  '_meta',
  'identity',
  'x-id',
  'i d',
  'naïve',
  'io.example/name',
  'ids',
  'Names',
  '名前',
  '😀',
])('any other member passes: %j', (key) => {
  expect(memberNameProblem(key)).toBeUndefined();
});

test.each([
  ['id\uD800', 'a member whose name holds half of a surrogate pair'],
  ['\uDC00\u0000', 'a member whose name holds half of a surrogate pair'],
  ['id\u0000', 'a member whose name holds a control character'],
  ['a\u0085b', 'a member whose name holds a control character'],
  ['__proto__', 'a member named __proto__'],
])('no parser agrees with the next on %j', (key, problem) => {
  expect(memberNameProblem(key)).toBe(problem);
});

test.each(['proto', '__proto', '_proto_', '__proto___'])('%s is no way to a prototype', (key) => {
  expect(memberNameProblem(key)).toBeUndefined();
});

test.each([
  'Tools/call',
  'TOOLS/CALL',
  ' tools/call',
  'tools/call ',
  'tools/call\n',
  'tools\uFF0Fcall',
  'tool\u017F/call',
  'tools/c\u00E1ll',
  'tools/ca\u200Bll',
])('%j looks like a call of a tool', (method) => {
  expect(looksLikeToolCall(method)).toBe(true);
});

test.each(['tools/call', 'tools/list', 'tool/call', 'tools/calls', 'tools call', 'tools/ call', ''])(
  '%j is what it is',
  (method) => {
    expect(looksLikeToolCall(method)).toBe(false);
  },
);
