import { closeSync, existsSync, openSync, readFileSync, statSync } from 'node:fs';
import { execFileSync, spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { greet, oneLine, openDesk, program, type Session, stubServer } from './cli-processes.js';
import { join } from 'node:path';

const all = ['--tools', '*'];
const task = ['--task', 'full', '--tools', '*'];

// Only Linux has a file that is always full.
test.runIf(existsSync('/dev/full'))('a log that is full is told of once, and the run goes on', async () => {
  const desk = openDesk();
  const running = await greet(desk.run([...task, '--log', '/dev/full', ...stubServer()]));
  for (let call = 0; call < 3; call++) expect(await running.call('read_file')).toBe('read_file was called');
  const { code, stderr } = await running.leave();
  expect(code).toBe(0);
  expect(stderr.match(/--log \/dev\/full: a decision could not be written \(ENOSPC\)/g)).toHaveLength(1);
});

test('when nobody reads its stderr any more, the run goes on and its session is closed at the end', async () => {
  const desk = openDesk();
  const running = await greet(desk.run([...all, ...stubServer()]));
  running.closeStderr();
  // Each of them is told on stderr. The first write after the other end has gone is the one that fails.
  for (let count = 0; count < 3; count++) {
    running.say('not JSON');
    expect((await running.hear())?.error?.code).toBe(-32_700);
    expect(await running.call('read_file')).toBe('read_file was called');
  }
  expect((await running.leave()).code).toBe(0);
  const { sessions } = await desk.sessions<{ sessions: Session[] }>('list');
  expect(sessions).toMatchObject([{ status: 'closed', callsMade: 3 }]);
});

test.runIf(existsSync('/dev/full'))(
  'a stdout that cannot be written is told, with exit code 70',
  async () => {
    const desk = openDesk();
    const full = openSync('/dev/full', 'w');
    const ambit = (args: readonly string[], input: string): { status: number | null; stderr: string } =>
      spawnSync(process.execPath, [program, ...args], {
        env: { ...process.env, AMBIT_STORAGE: desk.storage },
        input,
        stdio: ['pipe', full, 'pipe'],
        encoding: 'utf8',
      });
    expect(ambit(['sessions', 'list'], '')).toMatchObject({
      status: 70,
      stderr: expect.stringMatching(oneLine),
    });
    const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}\n';
    const run = ambit(['run', ...all, ...stubServer()], ping);
    expect(run).toMatchObject({
      status: 70,
      stderr: expect.stringContaining('stdout cannot be written (ENOSPC)'),
    });
    closeSync(full);
  },
);

// Only Linux can change the limits of another process.
test.runIf(existsSync('/usr/bin/prlimit'))('a log line cut short spoils no line after it', async () => {
  const desk = openDesk();
  const log = join(desk.folder, 'audit.jsonl');
  // In memory: the limit is for all files of the process.
  const running = await greet(desk.run([...all, '--storage', 'memory:', '--log', log, ...stubServer()]));
  const limit = (bytes: string): void =>
    void execFileSync('prlimit', ['--pid', String(running.pid), `--fsize=${bytes}:unlimited`]);
  await running.call('read_file');
  limit(String(statSync(log).size + 50));
  await running.call('read_file');
  limit('unlimited');
  await running.call('read_file');
  await running.call('read_file');
  expect((await running.leave()).stderr).toContain(`--log ${log}: a decision could not be written (EFBIG)`);
  const [first = '', torn, ...whole] = readFileSync(log, 'utf8').trimEnd().split('\n');
  expect(torn).toHaveLength(50);
  expect([first, ...whole].map((line) => (JSON.parse(line) as { code: string }).code)).toEqual(
    Array.from({ length: 3 }, () => 'GRANTED'),
  );
});

/** Runs a program whose writes into files fail as on a full disk, from one of them on. */
const onFullDisk = (when: string): string[] => [
  'strace',
  '-f',
  '-qq',
  '-o',
  '/dev/null',
  '-e',
  'trace=pwrite64',
  '-e',
  `inject=pwrite64:error=ENOSPC:when=${when}`,
];

test('while the disk is full, calls are refused and none is lost or called; then the run goes on', async () => {
  const desk = openDesk();
  await desk.sessions('create', ...task);
  const running = await greet(desk.through(onFullDisk('30..39'), ['run', ...task, ...stubServer()]));
  const heard: string[] = [];
  while (heard.length < 200 && !heard.join(' ').endsWith('UNAVAILABLE read_file was called'))
    heard.push(await running.call('read_file'));
  expect((await running.leave()).code).toBe(0);
  const granted = heard.filter((text) => text === 'read_file was called').length;
  // Each call that was refused met the fault at its first write.
  expect(heard.filter((text) => text === 'STORAGE_UNAVAILABLE')).toHaveLength(10);
  expect(granted).toBe(heard.length - 10);
  expect(heard.indexOf('STORAGE_UNAVAILABLE')).toBeGreaterThan(0);
  const { sessions } = await desk.sessions<{ sessions: Session[] }>('list');
  expect(sessions).toMatchObject([{ callsMade: granted }]);
});

test('commands on a full disk: one line that says so, exit code 69, and nothing is lost', async () => {
  const desk = openDesk();
  const { session } = await desk.sessions<{ session: Session }>('create', ...task);
  for (const command of [
    ['sessions', 'create', ...all],
    ['sessions', 'close', session.sessionId],
    ['run', ...task, ...stubServer()],
  ]) {
    const { code, stdout, stderr } = await desk.through(onFullDisk('1+'), command).leave();
    expect({ code, stdout }, stderr).toEqual({ code: 69, stdout: '' });
    expect(stderr).toMatch(oneLine);
    expect(stderr).toContain('the disk is full; free some space');
  }
  const { sessions } = await desk.sessions<{ sessions: Session[] }>('list');
  expect(sessions).toMatchObject([{ sessionId: session.sessionId, status: 'active' }]);
});
