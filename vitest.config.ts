import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** The doors by name, each to its source file: tests import the package as its users do, without a build. */
function doors(): { find: RegExp; replacement: string }[] {
  const { exports } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')) as {
    exports: Record<string, { default: string } | string>;
  };
  return Object.entries(exports).flatMap(([door, target]) => {
    if (typeof target === 'string') return [];
    const source = target.default.replace('./dist/', './src/').replace(/\.js$/, '.ts');
    const replacement = fileURLToPath(new URL(source, import.meta.url));
    return [{ find: new RegExp(`^ambit${door.slice(1)}$`), replacement }];
  });
}

export default defineConfig({
  resolve: { alias: doors() },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/house/build-first.ts', 'test/servers/start-servers.ts'],
    reporters: ['default', './scripts/closing-line-reporter.js'],
    // Processes, not threads: tests kill children, change signals and load native modules.
    pool: 'forks',
    // Real processes and real fsyncs on a busy two-core machine: a short limit would fail tests that are right.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    passWithNoTests: false,
  },
});
