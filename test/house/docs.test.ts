import { dirname, join } from 'node:path';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../..', import.meta.url));

const pages = ['.', 'docs', 'docs/internals', 'bench', 'examples']
  .filter((folder) => existsSync(join(root, folder)))
  .flatMap((folder) => readdirSync(join(root, folder)).map((file) => join(folder, file)))
  .filter((file) => file.endsWith('.md'));

it('finds the pages', () => {
  expect(pages).toContain('README.md');
  expect(pages.length).toBeGreaterThan(6);
});

it.each(pages)('%s: every link leads somewhere', (page) => {
  const text = readFileSync(join(root, page), 'utf8');
  const links = [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? '');
  const dead = links.filter((link) => !/^https?:/.test(link) && !existsSync(join(root, dirname(page), link)));
  expect(dead).toEqual([]);
});

/** Examples of pages, and of the docstrings of the sources, by where they stand. */
function examples(): Map<string, string> {
  const found = new Map<string, string>();
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    // The leash has no door yet: its examples import what only the command line can.
    .filter((file) => file.endsWith('.ts') && !file.startsWith('mcp'))
    .map((file) => join('src', file));
  for (const file of [...pages, ...sources]) {
    const text = readFileSync(join(root, file), 'utf8').replace(
      /^ {0,2}\* ?/gm,
      file.endsWith('.ts') ? '' : '$&',
    );
    for (const [index, match] of [...text.matchAll(/```ts\n([\s\S]*?)```/g)].entries()) {
      found.set(`${file} example ${index + 1}`, match[1] ?? '');
    }
  }
  return found;
}

it('every example compiles', () => {
  const all = examples();
  expect(all.size).toBeGreaterThan(8);
  const folder = join(root, '.build', 'doc-examples');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const names = new Map<string, string>();
  for (const [where, code] of all) {
    const file = join(folder, `example-${names.size}.ts`);
    names.set(file, where);
    writeFileSync(file, `${code}\nexport {};\n`);
  }
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile) as { config: object };
  const { options } = ts.parseJsonConfigFileContent(
    { ...config, include: [], files: [...names.keys()] },
    ts.sys,
    root,
  );
  const program = ts.createProgram([...names.keys()], options);
  const problems = ts
    .getPreEmitDiagnostics(program)
    .map(
      (one) =>
        `${names.get(one.file?.fileName ?? '') ?? ''}: ${ts.flattenDiagnosticMessageText(one.messageText, ' ')}`,
    )
    // What an example declares and leaves for its reader to use is no mistake.
    .filter((problem) => !problem.startsWith(': '));
  expect(problems).toEqual([]);
});
