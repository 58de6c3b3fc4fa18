import { compileExamples, deadLinks, examplesOf } from './docs-rules.js';
import { describe, expect, test } from 'vitest';
import { existsSync, statSync } from 'node:fs';
import { projectFiles, projectFolder, readProjectFile } from './project-files.js';
import { join } from 'node:path';

const pages = projectFiles((path) => path.endsWith('.md'));
const sources = projectFiles((path) => path.startsWith('src/') && path.endsWith('.ts'));

/** The text of a project file; a folder reads as an empty one. */
function read(path: string): string | undefined {
  if (!existsSync(join(projectFolder, path))) return undefined;
  return statSync(join(projectFolder, path)).isFile() ? readProjectFile(path) : '';
}

describe('the pages', () => {
  test('are found', () => {
    expect(pages).toEqual(
      expect.arrayContaining(['README.md', 'ARCHITECTURE.md', 'AGENTS.md', 'CHANGELOG.md']),
    );
  });

  test.each(pages)('%s: every link leads somewhere', (page) => {
    expect(deadLinks(page, readProjectFile(page), read)).toEqual([]);
  });

  test('and the docstrings: every example compiles', () => {
    const examples = [...pages, ...sources]
      // The leash has no door of its own: its examples show calls that only the command line makes.
      .filter((path) => !path.startsWith('src/mcp/'))
      .flatMap((path) => examplesOf(path, readProjectFile(path)));
    expect(examples.length).toBeGreaterThan(15);
    expect(examples.filter(({ where }) => where.startsWith('README.md'))).not.toEqual([]);
    expect(examples.filter(({ where }) => where.startsWith('src/'))).not.toEqual([]);
    expect(compileExamples(examples)).toEqual([]);
  });
});

describe('each check of the pages finds what it is for', () => {
  const files: Record<string, string> = { 'docs/b.md': '# The Title: `one`\n', 'README.md': '' };
  const find = (text: string): string[] => deadLinks('docs/a.md', text, (path) => files[path]);

  test.each([
    ['a file that is not there', 'see [c](c.md)'],
    ['a file in the wrong folder', 'see [readme](README.md)'],
    ['a heading that is not there', 'see [b](b.md#the-end)'],
    ['a heading of its own that is not there', '# A\nsee [above](#b)'],
    ['a link by reference', 'see [b]\n\n[b]: c.md\n'],
    ['an image', '![b](b.png)'],
  ])('%s', (_what, text) => {
    expect(find(text)).toHaveLength(1);
  });

  test.each([
    ['links that lead somewhere', '# A\n[b](b.md) [c](b.md#the-title-one) [d](../README.md) [e](#a)'],
    ['the web', '[b](https://example.org/c.md)'],
    ['code', '`a[0](b)`\n```\n[b](c.md)\n```'],
  ])('and lets pass: %s', (_what, text) => {
    expect(find(text)).toEqual([]);
  });

  test('examples are found in pages and in docstrings, where they stand', () => {
    expect(examplesOf('a.md', 'x\n\n```ts\na;\nb;\n```\n\n```sh\nc\n```\n')).toEqual([
      { where: 'a.md:3', code: 'a;\nb;\n' },
    ]);
    expect(examplesOf('src/a.ts', '/**\n * @example\n * ```ts\n * a;\n * ```\n */')).toEqual([
      { where: 'src/a.ts:3', code: 'a;\n' },
    ]);
  });

  test('an example that does not compile', () => {
    const findings = compileExamples([
      { where: 'a.md:1', code: "import { openAmbit } from 'ambit';\nawait openAmbit({ storage: 7 });" },
      { where: 'a.md:9', code: "import { nothing } from 'ambit';\nnothing();" },
      {
        where: 'a.md:12',
        code: "import { openAmbit } from 'ambit';\nawait openAmbit({ storage: 'memory:' });",
      },
    ]);
    expect(findings).toHaveLength(2);
    expect(findings[0]).toContain('a.md:1: ');
    expect(findings[1]).toContain('a.md:9: ');
  });
});
