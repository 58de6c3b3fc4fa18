import { defineConfig } from 'vitest/config';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import own from '../../vitest.config.js';

const checkout = process.env['AMBIT_SUITE_CHECKOUT'] ?? '';
const adapter = fileURLToPath(new URL('langgraph-store-adapter.ts', import.meta.url));

/** What their tests import, by the ends of the names, and our store stands in for. */
const replaced = [
  'mongodb',
  './redis-container.js',
  '../store',
  '../store.js',
  '../store/index.js',
  '../store/memory.js',
];

const pgModule = '\0pg';

/** LangGraph's tests of its stores, from a checkout, with our store in the place of each of theirs. */
// oxlint-disable-next-line import/no-default-export -- the form vitest asks of a configuration
export default defineConfig({
  root: checkout,
  resolve: own.resolve ?? {},
  plugins: [
    {
      name: 'our-store',
      enforce: 'pre',
      load: (id) =>
        id === pgModule
          ? `import { Pool } from ${JSON.stringify(adapter)}; export default { Pool };`
          : undefined,
      resolveId(source, importer) {
        if (!importer?.startsWith(join(checkout, 'libs'))) return undefined;
        if (replaced.includes(source)) return adapter;
        // Theirs is imported as a default.
        if (source === 'pg') return pgModule;
        // The published package, as our store has it, and not its sources: its errors are then the same classes.
        if (source === '../store/base.js' || source === '../store/batch.js')
          return this.resolve('@langchain/langgraph-checkpoint', adapter);
        // A checkout has no packages of its own.
        return source.startsWith('.') ? undefined : this.resolve(source, adapter);
      },
    },
  ],
  test: {
    include: [
      'libs/checkpoint/src/tests/store.test.ts',
      'libs/checkpoint-postgres/src/tests/store.int.test.ts',
      'libs/checkpoint-redis/src/tests/store.int.test.ts',
      'libs/checkpoint-mongodb/src/tests/store.int.test.ts',
    ],
    // The tests of PostgreSQL refuse to start without one; what it names is never opened.
    env: { TEST_POSTGRES_URL: 'postgres://unused/unused' },
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
