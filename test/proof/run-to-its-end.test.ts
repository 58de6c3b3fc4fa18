import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { constants, tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { runToItsEnd } from './run-to-its-end.js';
import { spawn } from 'node:child_process';

const runner = new URL('run-to-its-end.ts', import.meta.url).href;
const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Starts what a run of tests starts: a process that does not want to end, one that is stopped, and, in a group of its own, a
 * guard that ends a little after whoever started it; and waits.
 */
const tree = `
  import { spawn } from 'node:child_process';
  import { renameSync, writeFileSync } from 'node:fs';
  const file = process.argv[1];
  const start = (code, options) => spawn(process.execPath, ['-e', code], options);
  const stubborn = start("process.on('SIGTERM', () => 0); process.stdout.write('.'); setInterval(() => 0, 1000)", {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const stopped = start('setInterval(() => 0, 1000)', { stdio: 'ignore' });
  const guard = start("process.stdin.resume().on('end', () => setTimeout(() => process.exit(), 300))", {
    stdio: ['pipe', 'inherit', 'inherit'],
    detached: true,
  });
  stubborn.stdout.once('data', () => {
    stopped.kill('SIGSTOP');
    writeFileSync(file + '.new', JSON.stringify([process.pid, stubborn.pid, stopped.pid, guard.pid]));
    renameSync(file + '.new', file);
  });
  setInterval(() => 0, 1000);
`;

/** Runs that tree as `prove` runs its parts; answers the process that does, once all of it is there, and their pids. */
async function running() {
  const directory = mkdtempSync(join(tmpdir(), 'ambit-proof-'));
  const file = join(directory, 'pids');
  const run = {
    args: ['--input-type=module', '-e', tree, file],
    cwd: root,
    env: {},
    log: `${file}.log`,
    minutesMax: 5,
  };
  const code = `
    const { runToItsEnd } = await import(${JSON.stringify(runner)});
    console.log(await runToItsEnd(${JSON.stringify(run)}));
  `;
  const proving = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  proving.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<{ code: number | null; signal: string | null; said: string }>((resolve) =>
    proving.once('close', (exitCode, signal) => resolve({ code: exitCode, signal, said })),
  );
  for (const endMs = performance.now() + 50_000; !existsSync(file);) {
    if (performance.now() > endMs) throw new Error('it did not start');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const pids = JSON.parse(readFileSync(file, 'utf8')) as number[];
  const cleanUp = (): void => {
    for (const pid of [proving.pid ?? 0, ...pids]) if (pid > 0 && isAlive(pid)) process.kill(pid, 'SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  };
  return { proving, ended, pids, cleanUp };
}

function isAlive(pid: number): boolean {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text[text.lastIndexOf(')') + 2] !== 'Z';
  } catch {
    return false;
  }
}

// At once: they mostly wait for the one that does not want to end.
test.concurrent.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  'told to end by %s, it ends all that was started, and says so in its exit code',
  async (signal) => {
    const { proving, ended, pids, cleanUp } = await running();
    try {
      expect(pids.filter((pid) => !isAlive(pid))).toEqual([]);
      proving.kill(signal);
      expect(await ended).toEqual({ code: 128 + constants.signals[signal], signal: null, said: '' });
      expect(pids.filter(isAlive)).toEqual([]);
    } finally {
      cleanUp();
    }
  },
);

test('it answers the exit code, and of what does not end that it was ended', async () => {
  const program = (code: string) =>
    runToItsEnd({ args: ['-e', code], cwd: root, env: {}, log: '/dev/null', minutesMax: 0.02 });
  expect(await program('process.exit(3)')).toBe(3);
  expect(await program('setInterval(() => 0, 1000)')).toBe('no end: it was ended after 0.02 minutes');
});
