/**
 * Runs LangGraph's own tests of its stores against ours. They are in LangGraph.js's repository and not on npm.
 *
 *   npm run suite:langgraph-store -- --checkout DIR [--storage URL]
 *
 * Without a storage it runs on every backend: in memory, in files of a temporary folder, and on private servers. Exits
 * with 0 if all that were not left out passed on all of them, with 1 if not, and with 75 without a checkout.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { everyStore } from './every-store.js';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { redactStorageUrl } from '../../src/core/storage-url.js';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';

const release = '@langchain/langgraph-checkpoint@1.1.5';
/** Of that release, without those left out. Fewer would mean that some were not found, and pass in silence. */
const testsExpected = 93;
const notHad = 75;

/** Tests that are not run, by how their names begin, and why. A name that begins no test any more is an error. */
const leftOut: readonly (readonly [names: readonly string[], reason: string])[] = [
  [['AsyncBatchedStore', 'BaseStore'], "they test LangGraph's own classes, with stores of their own"],
  [
    [
      'PostgresStore CRUD Operations should support index: false',
      'PostgresStore CRUD Operations should support specific fields to index',
      'PostgresStore CRUD Operations should support both TTL and indexing options',
      'PostgresStore Hybrid Search',
      'PostgresStore Vector Search',
      'RedisStore RedisStore with Vector Search',
      'RedisStore Vector Search with Distance Metrics',
      'MongoDBStore Integration Tests vector search',
    ],
    'vectors, which our store does not have',
  ],
  [
    ['PostgresStore Error Handling', 'RedisStore Comprehensive Tests fromConnString'],
    'connection strings and search modes of the other store; ours takes an open Ambit',
  ],
  [
    [
      'PostgresStore Migration System',
      'PostgresStore Statistics',
      'RedisStore Advanced Features Store Statistics',
    ],
    'methods of the other store that BaseStore does not have; ours has scopes.summary',
  ],
  [
    ['RedisStore Advanced Features FilterBuilder', 'Operation Type Guards'],
    'functions inside the other store',
  ],
  [
    [
      'PostgresStore CRUD Operations should support TTL options',
      'PostgresStore TTL',
      'RedisStore TTL Support should refresh TTL on read',
    ],
    'a lifetime given with a put, or made longer by reading; ours is given to the store and counts from the put',
  ],
  [
    ['RedisStore Basic Operations should update an existing item'],
    "it reads updated_at, which BaseStore's items do not have; the same test of PostgresStore reads updatedAt",
  ],
];

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: 'passed' | 'failed' | 'skipped' | 'pending' | 'todo';
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { storage: { type: 'string' }, checkout: { type: 'string' } } });
  const checkout = values.checkout === undefined ? undefined : resolve(values.checkout);
  if (checkout === undefined || !existsSync(join(checkout, 'libs/checkpoint/src/tests/store.test.ts'))) {
    console.error(
      `LangGraph's tests of stores: not run. They are not on npm: git clone --depth 1 --branch '${release}' ` +
        'https://github.com/langchain-ai/langgraphjs DIR, then npm run suite:langgraph-store -- --checkout DIR',
    );
    return notHad;
  }
  let failed = false;
  const test = (name: string, url: string): void => {
    const findings = judge(name, runTests(checkout, url));
    for (const finding of findings) console.log(`  ✗ ${finding}`);
    failed ||= findings.length > 0;
  };
  if (values.storage === undefined) await everyStore(test);
  else test(redactStorageUrl(values.storage), values.storage);
  for (const [names, reason] of leftOut) console.log(`left out: ${names.join('; ')}: ${reason}`);
  return failed ? 1 : 0;
}

/** Prints how many passed, and says what is wrong. */
function judge(name: string, { testResults }: Report): string[] {
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  const out = (fullName: string): boolean =>
    leftOut.some(([names]) => names.some((start) => fullName.startsWith(start)));
  const wanted = tests.filter(({ fullName }) => !out(fullName));
  const passed = wanted.filter(({ status }) => status === 'passed');
  console.log(
    `LangGraph's tests of stores on ${name}: ${passed.length} of ${wanted.length} passed, ${tests.length - wanted.length} left out`,
  );
  const findings = wanted
    .filter(({ status }) => status !== 'passed')
    .map(
      ({ fullName, status, failureMessages = [] }) =>
        `${fullName} ${status}: ${failureMessages[0]?.split('\n')[0] ?? ''}`,
    );
  for (const { name: file, assertionResults, message } of testResults)
    if (assertionResults.length === 0) findings.push(`${file}: ${message ?? 'it holds no test'}`);
  if (wanted.length !== testsExpected)
    findings.push(`${wanted.length} tests, and ${testsExpected} were expected`);
  for (const start of leftOut.flatMap(([names]) => names)) {
    if (!tests.some(({ fullName }) => fullName.startsWith(start)))
      findings.push(`left out, and not found: ${start}`);
  }
  return findings;
}

function runTests(checkout: string, url: string): Report {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-suite-'));
  try {
    const output = join(folder, 'report.json');
    const starts = leftOut.flatMap(([names]) =>
      names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')),
    );
    const { status, stderr } = spawnSync(
      process.execPath,
      [
        fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url)),
        'run',
        `--config=${fileURLToPath(new URL('langgraph-store-config.ts', import.meta.url))}`,
        `--testNamePattern=^(?!${starts.join('|')})`,
        '--reporter=json',
        `--outputFile=${output}`,
      ],
      {
        env: { ...process.env, AMBIT_SUITE_CHECKOUT: checkout, AMBIT_SUITE_STORAGE: url },
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
