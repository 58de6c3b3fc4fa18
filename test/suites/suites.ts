/**
 * `npm run suites`: every suite that nobody here wrote and that is not on npm, on every backend. Exits with 1 if one
 * failed; one whose sources cannot be had is said aloud, and is no failure.
 */
import { fileURLToPath } from 'node:url';
import { spawnSync } from 'node:child_process';

const suites = ['express-suite.ts', 'langgraph-suite.ts', 'langgraph-store-suite.ts'] as const;
/** What a suite exits with whose sources cannot be had. */
const notHad = 75;

const words: string[] = [];
let failed = false;
for (const suite of suites) {
  const file = fileURLToPath(new URL(suite, import.meta.url));
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', file], { stdio: 'inherit' });
  failed ||= status !== 0 && status !== notHad;
  words.push(`${suite}: ${status === 0 ? 'passed' : status === notHad ? 'NOT RUN' : 'failed'}`);
}
console.log(words.join('\n'));
process.exitCode = failed ? 1 : 0;
