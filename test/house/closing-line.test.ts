import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { projectFolder } from './project-files.js';
import { spawnSync } from 'node:child_process';

const scratch = join(projectFolder, '.build');
mkdirSync(scratch, { recursive: true });
// Inside the project, so that the files below find vitest.
const folder = mkdtempSync(join(scratch, 'closing-line-'));
const vitest = fileURLToPath(new URL('node_modules/vitest/vitest.mjs', new URL('../../', import.meta.url)));
const begin = "import { expect, test } from 'vitest';\n";

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs vitest with the project's reporter on a project of one file, or of none. */
function run(text: string | undefined): { status: number | null; lastLine: string; lines: string[] } {
  const root = mkdtempSync(join(folder, 'project-'));
  if (text !== undefined) writeFileSync(join(root, 'a.test.ts'), text);
  const reporter = join(projectFolder, 'scripts', 'closing-line-reporter.js');
  writeFileSync(
    join(root, 'vitest.config.js'),
    `export default { test: { reporters: ['default', ${JSON.stringify(reporter)}] } };`,
  );
  const { status, stdout } = spawnSync(process.execPath, [vitest, 'run', '--root', root], {
    encoding: 'utf8',
  });
  const lines = stdout.split('\n');
  expect(lines.at(-1)).toBe('');
  return { status, lastLine: lines.at(-2) ?? '', lines };
}

test.each([
  ['all pass', `${begin}test('a', () => expect(1).toBe(1)); test('b', () => {});`, '2 passed, 0 failed', 0],
  ['one fails', `${begin}test('a', () => expect(1).toBe(2)); test('b', () => {});`, '1 passed, 1 failed', 1],
  [
    'one is skipped',
    `${begin}test('a', () => {}); test.skip('b', () => {});`,
    '1 passed, 0 failed, 1 skipped',
    0,
  ],
  ['a file does not load', `import './not-there.js';\n${begin}test('a', () => {});`, '0 passed, 1 failed', 1],
  ['a file holds no test', begin, '0 passed, 1 failed', 1],
  ['there is no file', undefined, '0 passed, 1 failed', 1],
  [
    'an error nobody caught',
    `${begin}test('a', async () => { void Promise.reject(new Error('x')); await new Promise((r) => setTimeout(r, 50)); });`,
    '1 passed, 1 failed',
    1,
  ],
  // The test that never ended, and what the runner says of its worker.
  [
    'its process dies',
    `${begin}test('a', () => { process.kill(process.pid, 'SIGKILL'); });`,
    '0 passed, 2 failed',
    1,
  ],
] as const)('the closing line when %s', (_when, text, lastLine, status) => {
  expect(run(text)).toMatchObject({ lastLine, status });
});

test('before it, why tests were skipped', () => {
  const { lines } = run(
    `${begin}test('a', ({ skip }) => skip('no such server')); test('b', ({ skip }) => skip('no such server')); test.skip('c');`,
  );
  expect(lines.slice(-4, -1)).toEqual([
    'skipped 2: no such server',
    'skipped 1: no reason given: c',
    // A run in which nothing ran proves nothing.
    '0 passed, 1 failed, 3 skipped',
  ]);
});

test('before it, how many tests each backend passed and skipped', () => {
  const { lines } = run(`import { describe, test } from 'vitest';
    describe('tasks on memory', () => { test('a', () => {}); test.skip('b', () => {}); });
    test('sqlite fast: c', () => {});
    test('the contract (sqlite free)', () => { throw new Error('d'); });
    test('a file of sqlite', () => {});
    test.each(['sqlite:./e.db', 'postgres://h'])('%s', () => {});`);
  expect(lines).toContain('on memory: 1 passed, 0 failed, 1 skipped');
  expect(lines).toContain('on sqlite: 1 passed, 1 failed, 0 skipped');
  expect(lines.filter((line) => line.startsWith('on '))).toHaveLength(2);
  expect(lines.at(-2)).toBe('5 passed, 1 failed, 1 skipped');
});
