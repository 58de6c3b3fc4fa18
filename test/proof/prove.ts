/**
 * `npm run prove`: runs the long forms of the proofs, part by part, and prints what each of them tried and how often a
 * promise was broken. Its exit code is 0 only if none was, and every part did something.
 */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { type Figures, type ReportedFigures, worded } from './figures.js';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { mutationVerdict } from './mutation-verdict.js';
import { spawn } from 'node:child_process';

interface Part {
  readonly about: string;
  /** Test files, as vitest takes them: pieces of their paths, of which none begins with a dash. */
  readonly tests?: readonly string[];
  /** Longer than this and it hangs. */
  readonly minutesMax: number;
}

const parts: Readonly<Record<string, Part>> = {
  contract: {
    about: 'one suite of contracts and random commands against a model, on every backend',
    tests: ['storage.test.ts', 'test/model/', 'test/testing/contract-catches.test.ts'],
    minutesMax: 10,
  },
  hammer: {
    about: 'processes that call at once: exactly the budget is granted',
    tests: [
      'test/proof/hammer.test.ts',
      'test/proof/components.test.ts',
      'test/storage/sqlite-processes.test.ts',
      'test/network/processes.test.ts',
      'test/storage/postgres-concurrency.test.ts',
    ],
    minutesMax: 10,
  },
  crash: {
    about: 'kills, failing disks and lost connections: nothing acknowledged is lost, nothing else is charged',
    tests: [
      'crash.test.ts',
      'faults.test.ts',
      'test/storage/file-corruption.test.ts',
      'test/network/away.test.ts',
      'test/network/lost-replies.test.ts',
      'test/network/postgres-away.test.ts',
      'test/network/redis-away.test.ts',
    ],
    minutesMax: 15,
  },
  clocks: {
    about:
      'clocks that step, clocks minutes apart, processes that stand still: nothing is granted too long or too often',
    tests: ['test/clocks/', 'test/tasks/clock-steps.test.ts'],
    minutesMax: 15,
  },
  copy: {
    about: '100,000 records between each pair of backends, stopped in the middle: equal',
    tests: ['test/copy/'],
    minutesMax: 30,
  },
  simulation: {
    about: 'engines over a simulated store, network and clock, by seed',
    tests: ['test/simulation/simulation.test.ts'],
    minutesMax: 30,
  },
  history: {
    about:
      'recorded runs of several processes: their answers are those of one caller after the other (linearizable)',
    tests: ['test/history/'],
    minutesMax: 15,
  },
  bugs: {
    about:
      'bugs put in on purpose: a test turns red for each, and the simulation finds those that schedules bring out',
    tests: ['test/proof/mutants.test.ts', 'test/simulation/simulation-catches.test.ts'],
    minutesMax: 20,
  },
  sweep: {
    about: 'a million web sessions of which 10,000 expire: a sweep in bounded batches, requests in between',
    tests: ['test/web/million-sweep.test.ts'],
    minutesMax: 45,
  },
  mutation: {
    about: 'every rule changed in every small way: the tests of the rules notice',
    minutesMax: 30,
  },
};

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
  const ended = await run(
    ['node_modules/vitest/vitest.mjs', 'run', ...tests, '--reporter=json', `--outputFile=${result}`],
    { ...env, AMBIT_PROOF_FIGURES: figures },
    log,
    part.minutesMax,
  );
  const violations: string[] = [];
  let [passed, skipped] = [0, 0];
  if (existsSync(result)) {
    const report = JSON.parse(readFileSync(result, 'utf8')) as VitestReport;
    for (const file of report.testResults) {
      for (const test of file.assertionResults) {
        if (test.status === 'passed') passed++;
        else if (test.status === 'failed')
          violations.push(`${test.fullName}: ${firstLine(test.failureMessages?.[0])}`);
        else skipped++;
      }
      const ran = file.assertionResults.some(({ status }) => status === 'failed');
      if (file.status === 'failed' && !ran) violations.push(`${file.name}: ${firstLine(file.message)}`);
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
  const ended = await run(['node_modules/@stryker-mutator/core/bin/stryker.js', 'run'], {}, log, minutesMax);
  if (!existsSync(result))
    return { figures: [], passed: 0, skipped: 0, violations: [`it ended with ${ended}; see ${log}`] };
  return mutationVerdict(readFileSync(result, 'utf8'));
}

function firstLine(text = 'no reason was given'): string {
  return text.split('\n')[0] ?? '';
}

/** Runs a program of Node's to its end, or ends it and all that it started; what it prints goes into a file. */
async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  log: string,
  minutesMax: number,
): Promise<number | string> {
  const file = openSync(log, 'w');
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', file, file],
    detached: true,
  });
  closeSync(file);
  const signalGroup = (signal: NodeJS.Signals): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // It is gone.
    }
  };
  const onInterrupt = (): void => {
    signalGroup('SIGTERM');
    process.exit(130);
  };
  process.once('SIGINT', onInterrupt);
  const giveUp = setTimeout(() => signalGroup('SIGKILL'), minutesMax * 60_000);
  const ended = await new Promise<number | string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) =>
      resolve(code ?? `${signal ?? 'no code'} (after ${minutesMax} minutes it is ended)`),
    );
  });
  clearTimeout(giveUp);
  process.off('SIGINT', onInterrupt);
  return ended;
}
