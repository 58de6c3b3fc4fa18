import { expect, test } from 'vitest';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { join } from 'node:path';
import { mirrorFileName } from '../../src/mirror/mirror-names.js';
import { tmpdir } from 'node:os';

const hostile = [
  '../x',
  '..',
  '.',
  '',
  '/etc/passwd',
  'a/b',
  'a\\b',
  'C:\\x',
  'CON',
  'con',
  'Con',
  'nul',
  'NUL',
  'com1',
  'lpt9',
  'aux.json',
  '\0',
  'a\0b',
  'x'.repeat(300),
  'X'.repeat(300),
  `${'x'.repeat(299)}y`,
  '漢'.repeat(300),
  'é',
  'e\u0301',
  'a',
  'A',
  '=41',
  '-rf',
  '~',
  ' a ',
  'a.',
  'a\nb',
  '$(reboot)',
  'a.json.new',
  '__proto__',
];

test('every name is a plain one', () => {
  for (const id of hostile) {
    const name = mirrorFileName(id);
    expect(name, JSON.stringify(id)).toMatch(/^[a-z0-9_=-]{1,120}\.json$/);
    expect(name).not.toMatch(/^(?:con|prn|aux|nul|com\d|lpt\d)\./);
  }
  expect(mirrorFileName('0199-a_b')).toBe('0199-a_b.json');
});

test('names that look dangerous are files in their folder, each its own', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-mirror-'));
  try {
    for (const id of hostile)
      writeFileSync(join(folder, mirrorFileName(id)), JSON.stringify(id), { flag: 'wx' });
    expect(readdirSync(folder)).toHaveLength(hostile.length);
    for (const id of hostile)
      expect(JSON.parse(readFileSync(join(folder, mirrorFileName(id)), 'utf8'))).toBe(id);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('no two ids share a name, not even where capitals are taken for others', () => {
  const id = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 200 }),
    fc.string({ unit: fc.constantFrom('a', 'A', '=', '4', '1', '.', '/'), maxLength: 8 }),
  );
  fc.assert(
    fc.property(id, id, (one, other) => {
      fc.pre(one !== other);
      expect(mirrorFileName(one)).not.toBe(mirrorFileName(other));
      expect(mirrorFileName(one)).toBe(mirrorFileName(one).toLowerCase());
    }),
    { numRuns: 2_000 },
  );
});
