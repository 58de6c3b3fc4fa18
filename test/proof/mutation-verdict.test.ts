import { expect, test } from 'vitest';
import { mutationVerdict } from './mutation-verdict.js';

const source = 'const a = 1;\nif (b < c) d();\n';
const named = 'src/x-rules.ts: if (b < c) d();  //  b < c  becomes  true';

function reported(...statuses: string[]): string {
  const location = { start: { line: 2, column: 5 }, end: { line: 2, column: 10 } };
  const mutants = statuses.map((status) => ({ status, mutatorName: 'C', replacement: 'true', location }));
  return JSON.stringify({ files: { 'src/x-rules.ts': { source, mutants } } });
}

const killed = Array.from({ length: 40 }, () => 'Killed');
const violationsOf = (...given: Parameters<typeof mutationVerdict>): readonly string[] =>
  mutationVerdict(...given).violations;

test('a mutant that nothing notices is a violation, however good the score is', () => {
  expect(violationsOf(reported(...killed), [])).toEqual([]);
  const nothing = [`nothing notices, and nothing says why: ${named}`];
  expect(violationsOf(reported(...killed, 'Survived'), [])).toEqual(nothing);
  expect(violationsOf(reported(...killed, 'NoCoverage'), [])).toEqual(nothing);
  expect(violationsOf(reported(...killed, 'Survived'), [{ why: 'the same', mutants: [named] }])).toEqual([]);
  // Another one of the same line.
  expect(violationsOf(reported(...killed, 'Survived', 'Survived'), [{ why: '', mutants: [named] }])).toEqual(
    nothing,
  );
});

test('an explanation of what is noticed by now is out of date', () => {
  expect(violationsOf(reported(...killed), [{ why: 'the same', mutants: [named] }])).toEqual([
    `explained, and noticed after all: ${named}`,
  ]);
  // Its file was not looked at.
  const other = { why: 'the same', mutants: [named.replace('/x-', '/y-')] };
  expect(violationsOf(reported(...killed), [other])).toEqual([]);
});

test('what a test did not end for is noticed only where it is said why it cannot end', () => {
  const text = reported(...killed, 'Timeout');
  const endless = [`a test did not end, and nothing says why it cannot: ${named}`];
  expect(violationsOf(text, [])).toEqual(endless);
  expect(mutationVerdict(text, []).passed).toBe(40);
  expect(violationsOf(text, [{ why: 'the same', mutants: [named] }])).toEqual([
    ...endless,
    `explained, and noticed after all: ${named}`,
  ]);
  const why = [{ why: 'the loop has no end', doesNotEnd: true, mutants: [named] }] as const;
  expect(violationsOf(text, why)).toEqual([]);
  expect(mutationVerdict(text, why).passed).toBe(41);
});

test('explained or not, too many are too many', () => {
  const survivors = ['Survived', 'Survived', 'Survived'];
  const explained = [{ why: 'the same', mutants: [named, named, named] }];
  expect(violationsOf(reported(...killed, ...survivors), explained)).toEqual([
    '93.0 % were noticed, 95 % are asked for',
  ]);
  expect(violationsOf(JSON.stringify({ files: {} }), [])).toEqual(['0.0 % were noticed, 95 % are asked for']);
});
