import { expect, test } from 'vitest';
import { readdirSync } from 'node:fs';

/** Those that mutation testing changes. Others would only take time there. */
const ruleFiles = ['core', 'mcp', 'tasks'].flatMap((folder) =>
  readdirSync(new URL(`../../src/${folder}/`, import.meta.url))
    .filter((name) => name.endsWith('-rules.ts'))
    .map((name) => `${folder}/${name}`),
);

test('there are rule files', () => {
  expect(ruleFiles.length).toBeGreaterThanOrEqual(10);
});

// A change that keeps a file from being loaded turns no test red that imports it: none of them is there then. Here one
// is, so that mutation testing counts it as noticed.
test.each(ruleFiles)('%s can be loaded', async (path) => {
  const rules = (await import(new URL(`../../src/${path}`, import.meta.url).href)) as object;
  expect(Object.keys(rules)).not.toEqual([]);
});
