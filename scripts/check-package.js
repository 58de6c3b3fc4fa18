/**
 * Checks the package as its users will get it: every door leads to a built file and every door's file is in the exports,
 * publint and attw find nothing, and the command line starts.
 *
 *   node scripts/check-package.js      after `npm run build`
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { checkDoors } from './check-doors.js';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const { bin, exports } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));

const findings = [];
for (const [door, target] of Object.entries(exports)) {
  for (const file of typeof target === 'string' ? [target] : Object.values(target)) {
    if (!existsSync(root + file))
      findings.push(`package.json: "${door}" leads to ${file}, which the build did not make`);
  }
}
findings.push(...checkDoors({ bin, exports }, sourceFiles()));
if (!existsSync(root + bin.ambit))
  findings.push(`package.json: bin leads to ${bin.ambit}, which the build did not make`);
for (const finding of findings) console.error(finding);
if (findings.length > 0) process.exit(1);

run(process.execPath, [root + bin.ambit, '--version']);
run('npx', ['--no-install', 'publint', '--strict']);
run('npx', ['--no-install', 'attw', '--pack', '.', '--profile', 'esm-only']);

function sourceFiles() {
  return readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' }).map((file) => `src/${file}`);
}

/**
 * @param {string} command
 * @param {string[]} args
 */
function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status === 0) return;
  console.error(`${command} ${args.join(' ')} found something; see above`);
  process.exit(1);
}
