import { expect, test } from 'vitest';
import { filesOf, parts } from './proof-parts.js';

test('every pattern of every part names tests that are there', () => {
  const patterns = Object.entries(parts).flatMap(([name, { tests = [] }]) =>
    [...filesOf(tests)].map(([pattern, files]) => ({ name, pattern, files: files.length })),
  );
  expect(patterns.length).toBeGreaterThan(20);
  expect(patterns.filter(({ files }) => files === 0)).toEqual([]);
});

test('a pattern that names nothing is seen', () => {
  expect(filesOf(['test/proof/proof-parts.test.ts', 'test/proof/no-such.test.ts'])).toEqual(
    new Map([
      ['test/proof/proof-parts.test.ts', ['test/proof/proof-parts.test.ts']],
      ['test/proof/no-such.test.ts', []],
    ]),
  );
});
