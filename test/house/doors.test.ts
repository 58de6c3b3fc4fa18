import { describe, expect, test } from 'vitest';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { projectFiles, projectFolder, readProjectFile } from './project-files.js';
import { checkDoorDocs } from './door-docs.js';
import { checkDoors } from '../../scripts/check-doors.js';
import { join } from 'node:path';
import ts from 'typescript';

interface Manifest {
  readonly bin: Record<string, string>;
  readonly exports: Record<string, string | { readonly types: string; readonly default: string }>;
}

const manifest = JSON.parse(readProjectFile('package.json')) as Manifest;
const sources = projectFiles((path) => path.startsWith('src/') && path.endsWith('.ts'));

const { config } = ts.readConfigFile(join(projectFolder, 'tsconfig.json'), (path) =>
  ts.sys.readFile(path),
) as {
  config: { compilerOptions: { paths: Record<string, string[]> } };
};
const { options } = ts.parseJsonConfigFileContent(config, ts.sys, projectFolder);

/** The doors of package.json, each with its source file. */
const doors = Object.entries(manifest.exports).flatMap(([door, target]) =>
  typeof target === 'string'
    ? []
    : [[door, target.default.replace('./dist/', 'src/').replace(/\.js$/, '.ts')] as const],
);

describe('the doors', () => {
  test('are those that the sources have, each with its types', () => {
    expect(checkDoors(manifest, sources)).toEqual([]);
  });

  test('are the names that tests and examples are type-checked with', () => {
    expect(config.compilerOptions.paths).toEqual(
      Object.fromEntries(doors.map(([door, source]) => [`ambit${door.slice(1)}`, [`./${source}`]])),
    );
  });

  test('hand out nothing without a docstring, and no function without an example', () => {
    expect(
      checkDoorDocs(
        doors.map(([, source]) => join(projectFolder, source)),
        options,
      ),
    ).toEqual([]);
  });
});

describe('each check of the doors finds what it is for', () => {
  const door = (path: string): { types: string; default: string } => ({
    types: `./dist/${path}.d.ts`,
    default: `./dist/${path}.js`,
  });
  const good: Manifest = {
    bin: { ambit: 'dist/cli/main.js' },
    exports: {
      '.': door('index'),
      './memory': door('storage/memory/memory-storage'),
      './package.json': './package.json',
    },
  };
  const goodSources = [
    'src/index.ts',
    'src/cli/main.ts',
    'src/storage/memory/memory-storage.ts',
    'src/tasks/a.ts',
  ];

  test('and nothing where all is well', () => {
    expect(checkDoors(good, goodSources)).toEqual([]);
  });

  test.each([
    ['a backend without a door', good, [...goodSources, 'src/storage/redis/redis-storage.ts'], './redis'],
    ['a door without a file', good, goodSources.filter((path) => !path.includes('memory')), './memory'],
    [
      'a program without a file',
      good,
      goodSources.filter((path) => !path.includes('cli')),
      'dist/cli/main.js',
    ],
    [
      'a door with other types',
      { ...good, exports: { ...good.exports, '.': { ...door('index'), types: './dist/a.d.ts' } } },
      goodSources,
      './dist/a.d.ts',
    ],
    [
      'a door to the inside',
      { ...good, exports: { ...good.exports, './a': door('tasks/a') } },
      goodSources,
      './a',
    ],
  ] as [string, Manifest, string[], string][])('%s', (_what, candidate, files, message) => {
    const findings = checkDoors(candidate, files);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toContain(message);
  });

  test.each([
    ['no docstring', 'export const a = 1;', 'a has no docstring'],
    ['an empty docstring', '/** */\nexport interface A {}', 'A has no docstring'],
    ['tags alone', '/** @throws Error */\nexport interface A {}', 'A has no docstring'],
    ['a function without an example', '/** Does it. */\nexport function f() {}', 'f has no @example'],
    ['an export of another file', "export { a } from './inner.js';", 'a has no docstring'],
    ['no export', 'const a = 1; void a;', 'hands out nothing'],
  ])('docs: %s', (_what, text, message) => {
    mkdirSync(join(projectFolder, '.build'), { recursive: true });
    const folder = mkdtempSync(join(projectFolder, '.build', 'doors-'));
    try {
      writeFileSync(join(folder, 'inner.ts'), 'export const a = 1;');
      writeFileSync(join(folder, 'door.ts'), text);
      const findings = checkDoorDocs([join(folder, 'door.ts')], options);
      expect(findings).toHaveLength(1);
      expect(findings[0]).toContain(message);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
