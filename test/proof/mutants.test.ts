import { afterAll, expect, test } from 'vitest';
import { mutants } from './mutants.js';
import { plant, runMsMax, runTests, treesFolder } from './mutant-tree.js';
import { report } from './figures.js';
import { rmSync } from 'node:fs';

afterAll(() => rmSync(treesFolder, { recursive: true, force: true }));

const slug = (bug: string): string => bug.replace(/\W+/g, '-');

// Without a bug in it a copy is green; else a test that is red for another reason would pass for one that caught something.
test('the tests that are to catch the bugs are green without them', { timeout: 300_000 }, async () => {
  const tree = plant('no-bug', [], true);
  const seen = new Set<string>();
  for (const file of new Set(mutants.map((mutant) => mutant.test))) {
    const these = mutants.filter((mutant) => mutant.test === file);
    const caughtBy = [...new Set(these.map((mutant) => mutant.caughtBy))].join('|');
    const { passed, failed, timedOut, printed } = await runTests(tree, {
      bug: 'none',
      patches: [],
      test: file,
      caughtBy,
    });
    expect([...failed, ...timedOut], printed).toEqual([]);
    for (const name of passed) seen.add(`${file} ${name}`);
  }
  const unknown = mutants.filter(({ test: file, caughtBy }) => {
    const pattern = new RegExp(caughtBy);
    return ![...seen].some((name) => name.startsWith(`${file} `) && pattern.test(name));
  });
  expect(unknown, 'bugs whose tests do not exist').toEqual([]);
});

// At once: they are processes of their own, and wait for their disks and servers.
test.concurrent.each(mutants)('$bug: a test turns red', { timeout: runMsMax + 60_000 }, async (mutant) => {
  const tree = plant(slug(mutant.bug), mutant.patches, mutant.built === true);
  const { failed, said, printed } = await runTests(tree, mutant);
  expect(failed.length, `nothing noticed the bug\n${printed}`).toBeGreaterThan(0);
  console.log(`first by "${failed[0]}": ${said.slice(0, 160).split('\n')[0]}`);
  report(mutant.bug, { 'tests turned red': failed.length });
});
