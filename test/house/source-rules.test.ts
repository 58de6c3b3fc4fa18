import { describe, expect, test } from 'vitest';
import { checkSource, isRuleFile } from './source-rules.js';
import { projectFiles, readProjectFile } from './project-files.js';

const sources = projectFiles((path) => path.startsWith('src/') && path.endsWith('.ts'));

describe('the sources keep the house rules', () => {
  test('there are sources, and rule files among them', () => {
    expect(sources.length).toBeGreaterThan(5);
    expect(sources.filter(isRuleFile).length).toBeGreaterThan(3);
  });

  test('size, shape, names, purity', () => {
    expect(sources.flatMap((path) => checkSource(path, readProjectFile(path)))).toEqual([]);
  });

  test('tests, benches and examples have kebab-case names too', () => {
    const others = projectFiles((path) => /^(test|bench|examples|scripts)\/.*\.[tj]s$/.test(path));
    const odd = others.filter(
      (path) => !/^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.[tj]s$/.test(path),
    );
    expect(odd.filter((path) => !path.includes('/fixtures/'))).toEqual([]);
  });
});

describe('each rule finds what it is for', () => {
  const lines = (count: number): string => 'f();\n'.repeat(count);

  test.each([
    ['a long file', 'src/tasks/a.ts', lines(501), '501 lines'],
    ['a long function', 'src/tasks/a.ts', `function f() {\n${lines(69)}}`, 'a function of 71 lines'],
    ['a long arrow', 'src/tasks/a.ts', `export const f = () => {\n${lines(69)}};`, 'a function of 71 lines'],
    ['a long method', 'src/tasks/a.ts', `class A { m() {\n${lines(69)}} }`, 'a function of 71 lines'],
    ['a default export', 'src/tasks/a.ts', 'export default 1;', 'default export'],
    ['a default function', 'src/tasks/a.ts', 'export default function f() {}', 'default export'],
    ['an export as default', 'src/tasks/a.ts', 'const a = 1; export { a as default };', 'default export'],
    ['an enum', 'src/tasks/a.ts', 'export enum A { B }', 'enum'],
    ['any', 'src/tasks/a.ts', 'const a: any = 1;', '`any`'],
    ['as any', 'src/tasks/a.ts', 'f(a as any[]);', '`any`'],
    ['a decorator', 'src/tasks/a.ts', '@sealed class A {}', 'decorator'],
    ['camelCase', 'src/tasks/taskStore.ts', '', 'not kebab-case'],
    ['a folder that is a drawer', 'src/utils/a.ts', '', 'drawer'],
    ['a file that is a drawer', 'src/tasks/helpers.ts', '', 'drawer'],
    ['the clock', 'src/core/a.ts', 'const now = Date.now();', 'Date.now'],
    ['the clock by another name', 'src/core/a.ts', 'const now = new Date();', 'new Date()'],
    ['chance', 'src/tasks/task-rules.ts', 'const id = Math.random();', 'Math.random'],
    ['the monotonic clock', 'src/tasks/task-rules.ts', 'const now = performance.now();', 'performance'],
    ['the environment', 'src/core/a.ts', 'const home = process.env.HOME;', 'process'],
    ['a timer', 'src/core/a.ts', 'setTimeout(f, 1);', 'setTimeout'],
    ['a hidden import', 'src/core/a.ts', "const a = await import('node:fs');", 'import()'],
  ])('%s', (_what, path, text, message) => {
    const findings = checkSource(path, text);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toContain(path);
    expect(findings[0]).toContain(message);
  });

  test.each([
    ['a file of 500 lines', 'src/tasks/a.ts', lines(500)],
    ['a function of 70 lines', 'src/tasks/a.ts', `function f() {\n${lines(68)}}`],
    [
      'long SQL in a short function',
      'src/storage/sqlite/a.ts',
      `function f() { return \`\n${'SELECT\n'.repeat(90)}\`; }`,
    ],
    ['the clock outside the rules', 'src/engine/store-clock.ts', 'const now = Date.now();'],
    ['a date of a given time', 'src/core/a.ts', 'const day = new Date(ms);'],
    ['a property of that name', 'src/core/a.ts', 'const a = b.process; const c = { process: 1 };'],
    ['the word in text', 'src/core/a.ts', "const a = 'any enum'; // Date.now()"],
  ])('and lets pass: %s', (_what, path, text) => {
    expect(checkSource(path, text)).toEqual([]);
  });
});
