/**
 * Ends a test run with one line for people and programs: `12 passed, 0 failed`, and `, 3 skipped` where some were. The
 * reasons of those that were skipped come before it, and before these a line for each backend that was tested.
 *
 * What failed without being a test (a file that does not load, an error nobody caught, no test found) counts as failed,
 * so that the line never says 0 where the exit code says otherwise.
 */
import { existsSync, readdirSync, writeSync } from 'node:fs';
import { basename } from 'node:path';

/** @import { Reporter, TestCase, TestModule, Vitest } from 'vitest/node' */

/** The folders of src/storage: what a test must name to be a test of a backend. */
const storageFolder = new URL('../src/storage/', import.meta.url);
const backends = existsSync(storageFolder)
  ? readdirSync(storageFolder, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? entry.name : [],
    )
  : [];

/**
 * At the start of a title (`sqlite fast is exact`), or after a colon, an "on" or a bracket; vitest quotes it. What goes on
 * as a URL does is one: a test of URLs, which asks no backend.
 */
const named = new RegExp(`(?:^|: | on |\\()'?(${backends.join('|')})\\b(?!:[^\\s')])`);

/**
 * The backend that a test, or a suite around it, or its file (`redis-faults.test.ts`) is named after.
 *
 * @param {TestCase} test
 * @returns {string | undefined}
 */
function backendOf(test) {
  const titles = test.fullName.split(' > ');
  const inTitles = titles.map((title) => named.exec(title)?.[1]).find((found) => found !== undefined);
  const [first = ''] = basename(test.module.moduleId).split('-');
  return inTitles ?? (backends.includes(first) ? first : undefined);
}

/** @implements {Reporter} */
// oxlint-disable-next-line import/no-default-export -- the form vitest asks of a reporter
export default class ClosingLineReporter {
  #someChosen = false;

  /** @param {Vitest} vitest */
  onInit(vitest) {
    this.#someChosen = vitest.config.testNamePattern !== undefined;
  }

  /**
   * @param {readonly TestModule[]} modules
   * @param {readonly unknown[]} unhandledErrors
   */
  onTestRunEnd(modules, unhandledErrors) {
    const count = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    /** @type {Map<string, number>} */
    const skips = new Map();
    /** @type {Map<string, typeof count>} */
    const byBackend = new Map(
      backends.map((name) => [name, { passed: 0, failed: 0, skipped: 0, pending: 0 }]),
    );
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const result = test.result();
        count[result.state]++;
        const tested = byBackend.get(backendOf(test) ?? '');
        if (tested) tested[result.state]++;
        if (result.state !== 'skipped') continue;
        const none = this.#someChosen
          ? 'not chosen by --testNamePattern'
          : `no reason given: ${test.fullName}`;
        const why = result.note ?? none;
        skips.set(why, (skips.get(why) ?? 0) + 1);
      }
      count.failed += module.errors().length;
      for (const suite of module.children.allSuites()) count.failed += suite.errors().length;
    }
    // A test that never ended (its process died) did not pass.
    count.failed += count.pending + unhandledErrors.length;
    if (count.passed + count.failed === 0) count.failed = 1;
    if (count.failed > 0) process.exitCode = 1;
    const tested = [...byBackend].flatMap(([name, { passed, failed, skipped, pending }]) => {
      const all = passed + failed + skipped + pending;
      return all === 0
        ? []
        : `on ${name}: ${passed} passed, ${failed + pending} failed, ${skipped} skipped\n`;
    });
    const reasons = [...skips].map(([why, times]) => `skipped ${times}: ${why}\n`).join('');
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
    // At exit, and written at once: nothing that vitest still prints comes after it.
    process.on('exit', () =>
      writeSync(1, `${tested.join('')}${reasons}${count.passed} passed, ${count.failed} failed${skipped}\n`),
    );
  }
}
