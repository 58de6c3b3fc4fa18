import { afterAll, expect, test } from 'vitest';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from './project-files.js';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';

// Outside the project: what it ignores would not be linted.
const folder = mkdtempSync(join(tmpdir(), 'ambit-lint-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The codes of the rules that a file breaks, by the project's configuration. */
function rulesBroken(name: string, text: string): string[] {
  const root = mkdtempSync(join(folder, 'project-'));
  writeFileSync(join(root, name), text);
  writeFileSync(
    join(root, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: { strict: true, target: 'es2023', module: 'nodenext', types: [] },
      include: ['*.ts'],
    }),
  );
  const oxlint = join(projectFolder, 'node_modules', 'oxlint', 'bin', 'oxlint');
  const args = [oxlint, '-c', join(projectFolder, '.oxlintrc.json'), '--format', 'json', '.'];
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { code: string }[] };
  expect(status).toBe(diagnostics.length > 0 ? 1 : 0);
  return diagnostics.map(({ code }) => code);
}

test.each([
  // These need types: without oxlint-tsgolint they find nothing, in silence.
  ['no-floating-promises', 'export function f(g: () => Promise<void>): void { g(); }'],
  ['no-misused-promises', 'export function f(g: () => Promise<boolean>): number { return g() ? 1 : 2; }'],
  ['no-unsafe-return', 'export function f(text: string): string { return JSON.parse(text); }'],
  [
    'switch-exhaustiveness-check',
    "export function f(a: 'b' | 'c'): void { switch (a) { case 'b': break; } }",
  ],
  ['only-throw-error', "export function f(): void { throw 'no'; }"],
  // These do not.
  ['no-explicit-any', 'export const a: any = 1;'],
  ['no-default-export', 'export default 1;'],
  ['no-console', "console.log('a');"],
  ['no-unused-vars', 'const a = 1;'],
  ['prefer-node-protocol', "export { readFileSync } from 'fs';"],
  ['no-non-null-assertion', 'export const a = (b: number | undefined): number => b!;'],
])('%s is found', (rule, text) => {
  expect(rulesBroken('a.ts', text).join(' ')).toContain(rule);
});

test('and nothing is found in a file that breaks no rule', () => {
  expect(
    rulesBroken('a.ts', 'export async function f(g: () => Promise<void>): Promise<void> { await g(); }'),
  ).toEqual([]);
});
