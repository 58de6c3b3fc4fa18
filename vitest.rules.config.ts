import base from './vitest.config.js';
import { defineConfig } from 'vitest/config';

/** What mutation testing of the rules runs: their tests, on the memory backend alone, without a build or a server. */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: [
      'test/tasks/**/*.test.ts',
      'test/core/*-rules.test.ts',
      'test/mcp/*-rules.test.ts',
      'test/proof/rules-load.test.ts',
    ],
    // It waits for pauses of the engine, and knows nothing of a rule that others do not know sooner.
    exclude: ['test/tasks/deactivation-race.test.ts'],
    globalSetup: [],
    env: { AMBIT_TEST_BACKENDS: 'memory' },
    reporters: ['default'],
  },
});
