import { afterAll, expect, test } from 'vitest';
import { dirname, join } from 'node:path';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { checkLayers } from '../../scripts/check-layers.js';
import { projectFolder } from './project-files.js';

mkdirSync(join(projectFolder, '.build'), { recursive: true });
const folder = mkdtempSync(join(projectFolder, '.build', 'layers-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the check finds in a project of these files, by the names of the rules. */
async function findingsIn(files: Record<string, string>): Promise<string[]> {
  const root = mkdtempSync(join(folder, 'project-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  writeFileSync(
    join(root, 'package.json'),
    JSON.stringify({ type: 'module', devDependencies: { vitest: '*' } }),
  );
  const { findings } = await checkLayers(root);
  return findings;
}

test('the project keeps its layers', async () => {
  const { findings, modules, imports } = await checkLayers(projectFolder);
  expect(findings).toEqual([]);
  expect(modules).toBeGreaterThan(25);
  expect(imports).toBeGreaterThan(modules);
});

const someBackend = { 'src/storage/memory/memory-storage.ts': 'export const a = 1;' };
const someEngine = { 'src/engine/engine.ts': 'export const a = 1; export type A = number;' };
const from = (path: string): string => `import { a } from '${path}';\nexport const b: number = a;`;

test.each([
  ['core-stands-alone', { ...someEngine, 'src/core/keys.ts': from('../engine/engine.js') }],
  [
    'rules-are-pure',
    { 'src/core/keys.ts': "import { readFileSync } from 'node:fs';\nexport const a = readFileSync;" },
  ],
  ['rules-are-pure', { 'src/tasks/use-rules.ts': "import { v7 } from 'uuid';\nexport const a = v7;" }],
  ['storage-interface-knows-core', { ...someEngine, 'src/storage/storage.ts': from('../engine/engine.js') }],
  [
    'storage-parts-know-the-interface',
    { ...someBackend, 'src/storage/ordered-keys.ts': from('./memory/memory-storage.js') },
  ],
  [
    'engine-knows-no-face',
    { 'src/tasks/a.ts': 'export const a = 1;', 'src/engine/b.ts': from('../tasks/a.js') },
  ],
  [
    'backend-keeps-to-itself',
    { ...someBackend, 'src/storage/sqlite/b.ts': from('../memory/memory-storage.js') },
  ],
  ['backend-keeps-to-itself', { ...someEngine, 'src/storage/sqlite/b.ts': from('../../engine/engine.js') }],
  ['face-knows-no-other', { 'src/web/a.ts': 'export const a = 1;', 'src/tasks/b.ts': from('../web/a.js') }],
  [
    'backends-behind-the-composition-root',
    { ...someBackend, 'src/tasks/b.ts': from('../storage/memory/memory-storage.js') },
  ],
  ['mcp-stands-on-faces', { ...someEngine, 'src/mcp/b.ts': from('../engine/engine.js') }],
  ['integrations-stand-on-faces', { ...someEngine, 'src/integrations/b.ts': from('../engine/engine.js') }],
  [
    'testing-knows-no-backend',
    { ...someBackend, 'src/testing/b.ts': from('../storage/memory/memory-storage.js') },
  ],
  ['cli-is-thin', { ...someEngine, 'src/cli/b.ts': from('../engine/engine.js') }],
  ['nobody-knows-the-cli', { 'src/cli/a.ts': 'export const a = 1;', 'src/mcp/b.ts': from('../cli/a.js') }],
  ['doors-are-for-outside', { 'src/index.ts': 'export const a = 1;', 'src/tasks/b.ts': from('../index.js') }],
  ['no-cycles', { 'src/tasks/a.ts': from('./b.js'), 'src/tasks/b.ts': "export { b as a } from './a.js';" }],
  ['no-unresolvable', { 'src/tasks/b.ts': from('./not-there.js') }],
  ['no-undeclared-packages', { 'src/tasks/b.ts': "import { test } from 'vitest';\nexport const a = test;" }],
  // A type alone is an import too, although nothing is left of it at run time.
  [
    'engine-knows-no-face',
    {
      'src/tasks/a.ts': 'export type A = 1;',
      'src/engine/b.ts': "import type { A } from '../tasks/a.js';\nexport type B = A;",
    },
  ],
  ['only 0 imports seen', { 'src/tasks/a.ts': '', 'src/tasks/b.ts': '' }],
  ['no src/**/*.ts to check', {}],
] as [string, Record<string, string>][])('%s is found', async (rule, files) => {
  const findings = await findingsIn(files);
  expect(findings.filter((finding) => finding.includes(rule))).not.toEqual([]);
});

test('and what the layers allow is not', async () => {
  expect(
    await findingsIn({
      ...someBackend,
      ...someEngine,
      'src/core/keys.ts': 'export const a = 1;',
      'src/storage/storage.ts': from('../core/keys.js'),
      'src/storage/sqlite/sqlite-storage.ts': from('../storage.js'),
      'src/tasks/task-sessions.ts': from('../engine/engine.js'),
      'src/mcp/leash.ts': from('../tasks/task-sessions.js'),
      'src/open-ambit.ts': from('./storage/memory/memory-storage.js'),
      'src/cli/main.ts': from('../open-ambit.js'),
    }),
  ).toEqual([]);
});
