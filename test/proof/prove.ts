/**
 * `npm run prove`: runs the long forms of the proofs, part by part, and prints what each of them tried and how often a
 * promise was broken. Its exit code is 0 only if none was, and every part did something.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { type Figures, type ReportedFigures, worded } from './figures.js';
import { filesOf, type Part, parts } from './proof-parts.js';
import { fileURLToPath } from 'node:url';
import { join, relative } from 'node:path';
import { mutationVerdict } from './mutation-verdict.js';
import { parseArgs } from 'node:util';
import { runToItsEnd } from './run-to-its-end.js';
import { survivingMutants } from './surviving-mutants.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, '.build', 'proof');

interface PartResult {
  readonly figures: readonly ReportedFigures[];
  readonly passed: number;
  readonly skipped: number;
  /** What was broken, a line each. */
  readonly violations: readonly string[];
}

interface VitestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly message?: string;
    readonly status: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

process.exitCode = await prove();

async function prove(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      storage: { type: 'string' },
      seed: { type: 'string' },
      seconds: { type: 'string' },
    },
  });
  const chosen = values.only?.split(',') ?? Object.keys(parts);
  const unknown = chosen.find((name) => !Object.hasOwn(parts, name));
  if (unknown !== undefined) {
    console.error(`prove: there is no part "${unknown}"; give some of ${Object.keys(parts).join(', ')}`);
    return 2;
  }
  // One that is spelled wrong would leave out all of them.
  const stores = readdirSync(join(root, 'src', 'storage'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  const unknownStore = values.storage?.split(',').find((name) => !stores.includes(name));
  if (unknownStore !== undefined) {
    console.error(`prove: there is no store "${unknownStore}"; give some of ${stores.join(', ')}`);
    return 2;
  }
  const env: Record<string, string> = {
    AMBIT_PROOF: 'long',
    AMBIT_SIMULATION_SECONDS: values.seconds ?? '120',
    ...(values.seed !== undefined && { AMBIT_SIMULATION_SEED: values.seed }),
    ...(values.storage !== undefined && { AMBIT_TEST_BACKENDS: values.storage }),
  };
  mkdirSync(folder, { recursive: true });
  let broken = 0;
  for (const name of chosen) {
    const part = parts[name] as Part;
    console.log(`\n${name}: ${part.about}`);
    const startMs = performance.now();
    const result = part.tests ? await runTests(name, part, part.tests, env) : await runMutation(part);
    for (const { what, figures } of result.figures) console.log(`  ${what}: ${worded(figures)}`);
    for (const violation of result.violations) console.log(`  VIOLATION ${violation}`);
    const skipped = result.skipped > 0 ? `, ${result.skipped} skipped` : '';
    const seconds = Math.round((performance.now() - startMs) / 1_000);
    const sum = worded(sumOf(result.figures));
    console.log(
      `  ${sum === '' ? '' : `in all ${sum}; `}${result.passed} checks passed${skipped}; violations: ${result.violations.length} (${seconds} s)`,
    );
    broken += result.violations.length;
  }
  console.log(`\n${chosen.join(', ')}: violations: ${broken}`);
  return broken === 0 ? 0 : 1;
}

/** Calls and faults of all its tests; other figures mean something only where they stand. */
function sumOf(reported: readonly ReportedFigures[]): Figures {
  const sums: Record<string, number> = {};
  for (const { figures } of reported)
    for (const name of ['calls', 'faults'])
      if (figures[name] !== undefined) sums[name] = (sums[name] ?? 0) + figures[name];
  return sums;
}

async function runTests(
  name: string,
  part: Part,
  tests: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<PartResult> {
  const [figures, result, log] = ['figures', 'json', 'log'].map((kind) =>
    join(folder, `${name}.${kind}`),
  ) as [string, string, string];
  for (const file of [figures, result]) rmSync(file, { force: true });
  const files = filesOf(tests);
  const violations: string[] = [...files]
    .filter(([, found]) => found.length === 0)
    .map(([pattern]) => `no test file is called "${pattern}": what it was to prove is not proven`);
  const ended = await runToItsEnd({
    args: ['node_modules/vitest/vitest.mjs', 'run', ...tests, '--reporter=json', `--outputFile=${result}`],
    cwd: root,
    env: { ...env, AMBIT_PROOF_FIGURES: figures },
    log,
    minutesMax: part.minutesMax,
  });
  let [passed, skipped] = [0, 0];
  if (existsSync(result)) {
    const report = JSON.parse(readFileSync(result, 'utf8')) as VitestReport;
    const ran = new Set(report.testResults.map(({ name: file }) => relative(root, file)));
    for (const file of new Set([...files.values()].flat()))
      if (!ran.has(file)) violations.push(`${file} was not run; see ${log}`);
    for (const file of report.testResults) {
      for (const test of file.assertionResults) {
        if (test.status === 'passed') passed++;
        else if (test.status === 'failed')
          violations.push(`${test.fullName}: ${firstLine(test.failureMessages?.[0])}`);
        else skipped++;
      }
      const someFailed = file.assertionResults.some(({ status }) => status === 'failed');
      if (file.status === 'failed' && !someFailed)
        violations.push(`${file.name}: ${firstLine(file.message)}`);
    }
  }
  // A proof that did nothing proves nothing.
  if (passed === 0) violations.push(`no test of it passed; see ${log}`);
  if (ended !== 0 && violations.length === 0) violations.push(`it ended with ${ended}; see ${log}`);
  const lines = existsSync(figures) ? readFileSync(figures, 'utf8').split('\n').filter(Boolean) : [];
  return { figures: lines.map((line) => JSON.parse(line) as ReportedFigures), passed, skipped, violations };
}

async function runMutation({ minutesMax }: Part): Promise<PartResult> {
  const log = join(folder, 'mutation.log');
  const result = join(root, '.build', 'mutation.json');
  rmSync(result, { force: true });
  const ended = await runToItsEnd({
    args: ['node_modules/@stryker-mutator/core/bin/stryker.js', 'run'],
    cwd: root,
    env: {},
    log,
    minutesMax,
  });
  if (!existsSync(result))
    return { figures: [], passed: 0, skipped: 0, violations: [`it ended with ${ended}; see ${log}`] };
  return mutationVerdict(readFileSync(result, 'utf8'), survivingMutants);
}

function firstLine(text = 'no reason was given'): string {
  return text.split('\n')[0] ?? '';
}
