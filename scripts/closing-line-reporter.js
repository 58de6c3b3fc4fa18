/**
 * Ends a test run with one line for people and programs: `12 passed, 0 failed`, and `, 3 skipped` where some were. The
 * reasons of those that were skipped come before it.
 *
 * What failed without being a test (a file that does not load, an error nobody caught, no test found) counts as failed,
 * so that the line never says 0 where the exit code says otherwise.
 */
import { writeSync } from 'node:fs';

/** @import { Reporter, TestModule, Vitest } from 'vitest/node' */

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
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const result = test.result();
        count[result.state]++;
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
    const reasons = [...skips].map(([why, times]) => `skipped ${times}: ${why}\n`).join('');
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
    // At exit, and written at once: nothing that vitest still prints comes after it.
    process.on('exit', () =>
      writeSync(1, `${reasons}${count.passed} passed, ${count.failed} failed${skipped}\n`),
    );
  }
}
