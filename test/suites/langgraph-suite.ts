/**
 * Runs LangGraph's validation of checkpoint savers (`@langchain/langgraph-checkpoint-validation`) against ours.
 *
 *   npm run suite:langgraph [-- --storage URL]
 *
 * Without a storage it runs on every backend: in memory, in files of a temporary folder, and on private servers. Exits
 * with 0 if all tests passed on all of them.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { everyStore } from './every-store.js';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { redactStorageUrl } from '../../src/core/storage-url.js';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';

/** Of the release that is installed. Fewer would mean that some were not found, and pass in silence. */
const testsExpected = 718;
const beyondExpected = 8;

interface Report {
  readonly testResults: readonly {
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { storage: { type: 'string' } } });
  let failed = false;
  const test = (name: string, url: string): void => {
    const findings = judge(name, runTests(url));
    for (const finding of findings) console.log(`  ✗ ${finding}`);
    failed ||= findings.length > 0;
  };
  if (values.storage === undefined) await everyStore(test);
  else test(redactStorageUrl(values.storage), values.storage);
  return failed ? 1 : 0;
}

/** Prints how many passed, and says what is wrong. */
function judge(name: string, { testResults }: Report): string[] {
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  const isBeyond = ({ fullName }: { fullName: string }): boolean => fullName.trim().startsWith('beyond');
  const passed = tests.filter(({ status }) => status === 'passed');
  const validated = passed.filter((one) => !isBeyond(one)).length;
  const beyond = passed.filter(isBeyond).length;
  console.log(`LangGraph's validation of savers on ${name}: ${validated} of ${testsExpected} passed`);
  console.log(`  and ${beyond} of ${beyondExpected} of its tests of channels of deltas`);
  const findings = tests
    .filter(({ status }) => status !== 'passed')
    .map(
      ({ fullName, status, failureMessages = [] }) =>
        `${fullName} ${status}: ${failureMessages[0]?.split('\n')[0] ?? ''}`,
    );
  for (const { message, assertionResults } of testResults)
    if (assertionResults.length === 0) findings.push(message ?? 'the file holds no test');
  if (tests.length !== testsExpected + beyondExpected)
    findings.push(`${tests.length} tests, and ${testsExpected + beyondExpected} were expected`);
  return findings;
}

function runTests(url: string): Report {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-suite-'));
  const root = fileURLToPath(new URL('../../', import.meta.url));
  try {
    const output = join(folder, 'report.json');
    const { status, stderr } = spawnSync(
      process.execPath,
      [
        join(root, 'node_modules/vitest/vitest.mjs'),
        'run',
        'test/transcripts/langgraph-validation.test.ts',
        '--reporter=json',
        `--outputFile=${output}`,
      ],
      {
        cwd: root,
        env: { ...process.env, AMBIT_SUITE_STORAGE: url },
        encoding: 'utf8',
        stdio: ['ignore', 'ignore', 'pipe'],
        // They take seconds: past this they hang.
        timeout: 300_000,
      },
    );
    if (!existsSync(output)) throw new Error(`vitest ended with ${status} and no report: ${stderr.trim()}`);
    return JSON.parse(readFileSync(output, 'utf8')) as Report;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main();
