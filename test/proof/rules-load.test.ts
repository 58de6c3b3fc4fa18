import { expect, test } from 'vitest';
import { readdirSync } from 'node:fs';

const source = new URL('../../src/', import.meta.url);
const ruleFiles = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('-rules.ts'))
  .toSorted();

test('there are rule files', () => {
  expect(ruleFiles.length).toBeGreaterThan(30);
});

// A change that keeps a file from being loaded turns no test red that imports it: none of them is there then. Here one
// is, so that mutation testing counts it as noticed.
test.each(ruleFiles)('%s can be loaded', async (path) => {
  const rules = (await import(new URL(path, source).href)) as object;
  expect(Object.keys(rules)).not.toEqual([]);
});
