/**
 * Makes dist/ from src/ with tsc.
 *
 *   node scripts/build.js              compile, type-check, replace dist/
 *   node scripts/build.js --no-check   compile without type-checking, and only if src/ changed (what tests start with)
 *
 * It compiles beside dist/ and then moves over what changed, file by file: a program or a test that runs from dist/ at
 * that moment never meets a missing or half-written file, and a failed build leaves the last good one in place.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const stamp = join(root, '.build', 'built-from');

/** @param {{ check: boolean }} options */
export function build({ check }) {
  const sources = fingerprint();
  if (!check && existsSync(dist) && existsSync(stamp) && readFileSync(stamp, 'utf8') === sources) return;
  // A sibling of dist/, so that the relative paths in source maps are the same.
  const fresh = `${dist}.${process.pid}`;
  const compiled = compile(fresh, check);
  if (compiled) moveOver(fresh);
  rmSync(fresh, { recursive: true, force: true });
  if (!compiled) fail('build: src/ does not compile; the errors are above, dist/ was left as it was');
  const main = join(dist, 'cli', 'main.js');
  if (existsSync(main)) chmodSync(main, 0o755);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, sources);
}

/**
 * @param {string} outDir
 * @param {boolean} check
 */
function compile(outDir, check) {
  const args = [typescript(), '-p', join(root, 'tsconfig.build.json'), '--outDir', outDir];
  args.push(check ? '--noEmitOnError' : '--noCheck');
  const { status } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return status === 0;
}

function typescript() {
  try {
    return createRequire(import.meta.url).resolve('typescript/bin/tsc');
  } catch {
    return fail('build: TypeScript is not installed; run `npm install` without --omit=dev');
  }
}

/** @param {string} fresh */
function moveOver(fresh) {
  const files = filesBelow(fresh);
  for (const file of files) {
    const target = join(dist, file);
    const made = readFileSync(join(fresh, file));
    if (existsSync(target) && readFileSync(target).equals(made)) continue;
    mkdirSync(dirname(target), { recursive: true });
    renameSync(join(fresh, file), target);
  }
  const made = new Set(files);
  for (const file of filesBelow(dist)) if (!made.has(file)) rmSync(join(dist, file), { force: true });
}

/** What dist/ is made from, as one hash: modification times lie after a checkout. */
function fingerprint() {
  const hash = createHash('sha256');
  const files = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];
  for (const file of filesBelow(join(root, 'src'))) files.push(join('src', file));
  for (const file of files) {
    const path = join(root, file);
    hash.update(file).update('\0');
    if (existsSync(path)) hash.update(readFileSync(path));
    hash.update('\0');
  }
  return hash.digest('hex');
}

/**
 * @param {string} folder
 * @returns {string[]} relative paths, sorted
 */
function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  console.error(message);
  process.exit(1);
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  build({ check: !process.argv.includes('--no-check') });
