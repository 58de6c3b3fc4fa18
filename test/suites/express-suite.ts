/**
 * Runs express-session's own tests against our store. Its npm package holds no tests, and they are not ours to copy.
 *
 *   npm run suite:express -- [--storage URL] [--checkout DIR]
 *
 * Without a storage it runs on every backend: in memory, in files of a temporary folder, and on private servers. Without
 * a checkout it clones the sources. Exits with 0 if all tests passed on all of them, with 1 if not, and with 75 if the
 * sources cannot be had, so that nothing was tested.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from '../../scripts/build.js';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { redactStorageUrl } from '../../src/core/storage-url.js';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { everyStore } from './every-store.js';

const release = 'v1.19.0';
/** Of that release. Fewer would mean that some were not found, and pass in silence. */
const testsExpected = 160;
const root = fileURLToPath(new URL('../..', import.meta.url));
const notHad = 75;

interface Report {
  readonly stats: { readonly tests: number; readonly passes: number; readonly failures: number };
  readonly failures: readonly { readonly fullTitle: string; readonly err: { readonly message?: string } }[];
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { storage: { type: 'string' }, checkout: { type: 'string' } } });
  const checkout = values.checkout === undefined ? clone() : resolve(values.checkout);
  const missing = checkout === undefined ? 'its sources cannot be cloned' : prepare(checkout);
  if (checkout === undefined || missing !== undefined) {
    console.error(
      `express-session's tests: not run, ${missing}. They are not on npm: git clone --branch ${release} ` +
        'https://github.com/expressjs/session DIR, then npm run suite:express -- --checkout DIR',
    );
    return notHad;
  }
  build({ check: false });
  let failed = false;
  const test = (name: string, url: string): void => {
    const report = runTests(checkout, url);
    const { tests, passes } = report.stats;
    const all = passes === tests && tests === testsExpected;
    failed ||= !all;
    const wanted = tests === testsExpected ? '' : `, and ${testsExpected} were expected`;
    console.log(`express-session ${release} on ${name}: ${passes} of ${tests}${wanted}`);
    for (const { fullTitle, err } of report.failures) console.log(`  ✗ ${fullTitle}: ${err.message ?? ''}`);
  };
  if (values.storage === undefined) await everyStore(test);
  else test(redactStorageUrl(values.storage), values.storage);
  return failed ? 1 : 0;
}

function runTests(checkout: string, url: string): Report {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-suite-'));
  try {
    const output = join(folder, 'report.json');
    const { status, stderr } = spawnSync(
      process.execPath,
      [
        join(checkout, 'node_modules', 'mocha', 'bin', 'mocha.js'),
        `--require=${join(checkout, 'test', 'support', 'env')}`,
        `--require=${fileURLToPath(new URL('express-suite-store.js', import.meta.url))}`,
        '--check-leaks',
        '--no-exit',
        '--reporter=json',
        `--reporter-option=output=${output}`,
        'test/',
      ],
      {
        cwd: checkout,
        env: { ...process.env, AMBIT_SUITE_CHECKOUT: checkout, AMBIT_SUITE_STORAGE: url },
        encoding: 'utf8',
        stdio: ['ignore', 'ignore', 'pipe'],
        // They take seconds: past this they hang.
        timeout: 300_000,
      },
    );
    if (!existsSync(output)) throw new Error(`mocha ended with ${status} and no report: ${stderr.trim()}`);
    return JSON.parse(readFileSync(output, 'utf8')) as Report;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The sources as somebody cloned them before, or freshly cloned; undefined where that fails. */
function clone(): string | undefined {
  const checkout = join(root, '.build', `express-session-${release}`);
  if (existsSync(join(checkout, 'test', 'session.js'))) return checkout;
  rmSync(checkout, { recursive: true, force: true });
  const source = 'https://github.com/expressjs/session';
  const { status } = spawnSync(
    'git',
    ['clone', '--quiet', '--depth', '1', '--branch', release, source, checkout],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, GIT_TERMINAL_PROMPT: '0' },
      timeout: 120_000,
    },
  );
  return status === 0 ? checkout : undefined;
}

/** Sees to what its tests need, packages of their own and a certificate, and says what cannot be had. */
function prepare(checkout: string): string | undefined {
  if (!existsSync(join(checkout, 'test', 'session.js'))) return `${checkout} does not hold them`;
  const run = (command: string, args: readonly string[]): string | undefined => {
    const { status, stderr } = spawnSync(command, args, {
      cwd: checkout,
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
      timeout: 300_000,
    });
    if (status === 0) return undefined;
    return `${command} ${args.join(' ')} failed in ${checkout}: ${stderr.trim()}`;
  };
  const hasPackages = existsSync(join(checkout, 'node_modules', 'mocha'));
  const hasCertificate = existsSync(join(checkout, 'test', 'fixtures', 'server.crt'));
  const quietly = ['--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  return (
    (hasPackages ? undefined : run('npm', ['install', ...quietly])) ??
    (hasCertificate ? undefined : run('sh', [join('test', 'support', 'gencert.sh')]))
  );
}

process.exitCode = await main();
