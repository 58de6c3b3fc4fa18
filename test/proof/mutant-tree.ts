import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { Mutant, Patch } from './mutants.js';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import { spawn } from 'node:child_process';
import ts from 'typescript';

const root: string = fileURLToPath(new URL('../..', import.meta.url));
/** Below the project, so that the copies find its node_modules; another for each run, as there may be two at once. */
export const treesFolder: string = join(root, '.build', `mutants-${process.pid}`);

/** What tests are given here: some ask for a server as the first, on a machine that is busy. */
const testMsMax = 60_000;
/** Longer than any test and its hooks together are given; what goes on then hangs, and has noticed nothing. */
export const runMsMax = 240_000;

export interface Verdict {
  readonly passed: readonly string[];
  /** Those that found something to be wrong. */
  readonly failed: readonly string[];
  /** Those that did not end in time: a slow machine does the same, so they have noticed nothing. */
  readonly timedOut: readonly string[];
  /** What the first of those that failed said. */
  readonly said: string;
  /** What vitest printed: the reason where no test ran at all. */
  readonly printed: string;
  readonly seconds: number;
}

/** Copies sources and tests into a folder of their own, and puts the bug into the copy. */
export function plant(name: string, patches: readonly Patch[], built: boolean): string {
  const tree = join(treesFolder, name);
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(tree, { recursive: true });
  for (const part of ['src', 'test', 'package.json']) {
    cpSync(join(root, part), join(tree, part), { recursive: true });
  }
  for (const { file, right, wrong } of patches) {
    const path = join(tree, file);
    const source = readFileSync(path, 'utf8');
    const pieces = source.split(right);
    if (pieces.length !== 2) {
      throw new Error(
        `${file} holds ${pieces.length - 1} times what the bug "${name}" is to replace; bring its patch up to date: ${right}`,
      );
    }
    writeFileSync(path, pieces.join(wrong));
  }
  if (built) compile(tree);
  writeFileSync(join(tree, 'vitest.config.mjs'), configuration(tree));
  return tree;
}

/** Runs of tests that are under way. More than two at once would only wait for one another on a small machine. */
const underWay = new Set<Promise<unknown>>();

/** Runs the tests that are to catch a bug, in a tree. Resolves with what they said. */
export async function runTests(...given: Parameters<typeof runTestsNow>): Promise<Verdict> {
  while (underWay.size >= 2) await Promise.race(underWay);
  const run = runTestsNow(...given);
  underWay.add(run);
  return run.finally(() => underWay.delete(run));
}

async function runTestsNow(
  tree: string,
  { test, caughtBy }: Mutant,
  settings: Readonly<Record<string, string>> = {},
): Promise<Verdict> {
  const startMs = performance.now();
  const result = join(tree, 'result.json');
  rmSync(result, { force: true });
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const args = [
    vitest,
    'run',
    test,
    '-t',
    caughtBy,
    '--root',
    tree,
    '--config',
    join(tree, 'vitest.config.mjs'),
  ];
  args.push('--reporter=json', `--outputFile=${result}`);
  const env: Record<string, string | undefined> = { ...process.env, ...settings };
  // A run of its own, and the short form: it has to fail, not to prove.
  for (const name of ['VITEST', 'VITEST_POOL_ID', 'VITEST_WORKER_ID', 'AMBIT_PROOF', 'AMBIT_PROOF_FIGURES'])
    delete env[name];
  const child = spawn(process.execPath, args, { cwd: tree, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const giveUp = setTimeout(() => void child.kill('SIGKILL'), runMsMax);
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(giveUp);
  const seconds = Math.round((performance.now() - startMs) / 100) / 10;
  return { ...readVerdict(result), printed, seconds };
}

interface Assertion {
  readonly fullName: string;
  readonly status: string;
  readonly failureMessages?: readonly string[];
}

/** As vitest says it of a test, and of a hook. */
const timeOut = /^Error: (?:Test|Hook) timed out in \d+ms/;

function readVerdict(result: string): Omit<Verdict, 'printed' | 'seconds'> {
  let report: { testResults: { assertionResults: Assertion[] }[] };
  try {
    report = JSON.parse(readFileSync(result, 'utf8')) as typeof report;
  } catch {
    // Killed, or never begun: nothing passed and nothing failed.
    return { passed: [], failed: [], timedOut: [], said: '' };
  }
  const all = report.testResults.flatMap((file) => file.assertionResults);
  const named = (list: readonly Assertion[]): string[] => list.map((one) => one.fullName);
  const red = all.filter(({ status }) => status === 'failed');
  const onlyTimedOut = ({ failureMessages = [] }: Assertion): boolean =>
    failureMessages.length > 0 && failureMessages.every((message) => timeOut.test(message));
  const failed = red.filter((one) => !onlyTimedOut(one));
  const [said = ''] = failed[0]?.failureMessages ?? [];
  return {
    passed: named(all.filter(({ status }) => status === 'passed')),
    failed: named(failed),
    timedOut: named(red.filter(onlyTimedOut)),
    said,
  };
}

/** As the project's own configuration, for one tree: doors lead to its sources, and nothing is built first. */
function configuration(tree: string): string {
  const { exports } = JSON.parse(readFileSync(join(tree, 'package.json'), 'utf8')) as {
    exports: Record<string, { default: string } | string>;
  };
  const alias = Object.entries(exports).flatMap(([door, target]) => {
    if (typeof target === 'string') return [];
    const source = target.default.replace('./dist/', './src/').replace(/\.js$/, '.ts');
    const find = `new RegExp(${JSON.stringify(`^ambit${door.slice(1)}$`)})`;
    return [`{ find: ${find}, replacement: ${JSON.stringify(join(tree, source))} }`];
  });
  const test = {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // The same with a bug and without.
    testTimeout: testMsMax,
    hookTimeout: testMsMax,
    // The servers of this run are those of the runs within it.
    provide: { serversUrl: inject('serversUrl') },
  };
  return `export default { resolve: { alias: [${alias.join(', ')}] }, test: ${JSON.stringify(test)} };\n`;
}

/** Makes dist/ of src/, file by file and without checking types: a bug need not please the compiler. */
function compile(tree: string): void {
  const sources = join(tree, 'src');
  const options = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.ESNext,
    verbatimModuleSyntax: true,
  };
  for (const entry of readdirSync(sources, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    const path = join(entry.parentPath, entry.name);
    const target = join(tree, 'dist', relative(sources, path).replace(/\.ts$/, '.js'));
    mkdirSync(dirname(target), { recursive: true });
    const { outputText } = ts.transpileModule(readFileSync(path, 'utf8'), { compilerOptions: options });
    writeFileSync(target, outputText);
  }
}
