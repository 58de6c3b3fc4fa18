import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { greet, oneLine, openDesk, program, type Session, stubServer } from './cli-processes.js';
import { join } from 'node:path';

const all = ['--tools', '*'];

/** Waits until a process is gone; the test's own limit ends a wait in vain. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
      // Where nobody reaps orphans a killed one stays as a zombie.
      if (process.platform === 'linux' && /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')))
        return;
    } catch {
      // Not even its entry is there any more.
      return;
    }
    await new Promise((next) => setTimeout(next, 20));
  }
}

test('the secrets of the session are not in the environment of COMMAND, and the rest of it is', async () => {
  const desk = openDesk();
  const { token } = await desk.sessions<{ token: string }>('create', ...all);
  const running = await greet(desk.run(stubServer(), { AMBIT_SESSION: token, AMBIT_OTHER: 'kept' }));
  expect(await running.call('env')).toBe('["AMBIT_OTHER"]');
  await running.leave();
});

test("COMMAND's stderr and exit code pass through, and stdout carries protocol only", async () => {
  const desk = openDesk();
  const running = await greet(desk.run([...all, ...stubServer('--say', 'words of the server')]));
  running.say(
    JSON.stringify({
      jsonrpc: '2.0',
      id: 'q',
      method: 'tools/call',
      params: { name: 'quit', arguments: { code: 42 } },
    }),
  );
  // Its stdin is still open: the end of COMMAND is the end of the run.
  const { code, stdout, stderr } = await running.ended;
  expect(code).toBe(42);
  expect(stderr).toContain('words of the server\n');
  for (const line of stdout.trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ jsonrpc: '2.0' });

  expect(await desk.run([...all, ...stubServer('--die', '3')]).ended).toMatchObject({ code: 3, stdout: '' });
  const { sessions } = await desk.sessions<{ sessions: Session[] }>('list', '--status', 'active');
  expect(sessions).toEqual([]);
});

test('a COMMAND that is not there, or may not be executed: one line, and the exit code of a shell', async () => {
  const desk = openDesk();
  const script = join(desk.folder, 'server.sh');
  writeFileSync(script, '#!/bin/sh\n');
  chmodSync(script, 0o644);
  const task = ['--task', 'quiet', ...all];
  for (const [command, exitCode] of [
    ['/no/such/server', 127],
    ['no-such-server-in-path', 127],
    [script, 126],
    [desk.folder, 126],
  ] as const) {
    const ended = await desk.run([...task, '--', command]).ended;
    expect(ended).toMatchObject({ code: exitCode, stdout: '', stderr: expect.stringMatching(oneLine) });
    expect(ended.stderr).toContain(command);
  }
});

test('SIGTERM to the run ends the whole group of the server, one that does not listen too', async () => {
  const desk = openDesk();
  const running = await greet(desk.run([...all, ...stubServer('--offspring')]));
  const offspring = Number(await running.call('pid'));
  running.kill('SIGTERM');
  // 128 + 15: what a shell answers for a program that SIGTERM ended.
  expect((await running.ended).code).toBe(143);
  await gone(offspring);
  const stubborn = await greet(desk.run([...all, ...stubServer('--stay')]));
  const pid = Number(await stubborn.call('pid'));
  stubborn.kill('SIGTERM');
  expect((await stubborn.ended).code).toBe(137);
  await gone(pid);
  // However it ends, a one-shot session is closed.
  const { sessions } = await desk.sessions<{ sessions: Session[] }>('list');
  expect(sessions.map(({ status }) => status)).toEqual(['closed', 'closed']);
});

test('a client that leaves ends a server that would stay', async () => {
  const desk = openDesk();
  const running = await greet(desk.run([...all, ...stubServer('--stay')]));
  const pid = Number(await running.call('pid'));
  expect((await running.leave()).code).toBe(137);
  await gone(pid);
});

test('a client that leaves with calls in flight still gets their answers', async () => {
  const desk = openDesk();
  const running = await greet(desk.run([...all, ...stubServer('--finish')]));
  // Longer than the grace that a server has which is not asked for anything any more.
  const call = running.call('wait', { ms: 2_500 });
  const ended = running.leave();
  expect(await call).toBe('wait was called');
  expect((await ended).code).toBe(0);
});

test('garbage on stdin is answered, and the run goes on', async () => {
  const desk = openDesk();
  const running = await greet(desk.run([...all, ...stubServer()]));
  for (const line of [
    'not JSON',
    '{"jsonrpc":"2.0",',
    '[]',
    '17',
    '{"jsonrpc":"1.0","id":1,"method":"ping"}',
    '\u0000\u0001',
    '{}',
  ]) {
    running.say(line);
    const answer = await running.hear();
    expect(answer?.error?.code, line).toBeLessThanOrEqual(-32_600);
    expect(await running.call('read_file')).toBe('read_file was called');
  }
  expect((await running.leave()).code).toBe(0);
});

test('--log appends one JSON line a decision to a private file: when, who, tool, code, remaining, no arguments', async () => {
  const desk = openDesk();
  const file = join(desk.folder, 'audit.jsonl');
  const limits = ['--task', 'logged', '--tools', 'read_*', '--calls', '2', '--log', file];
  for (let run = 0; run < 2; run++) {
    const running = await greet(desk.run([...limits, ...stubServer()]));
    await running.call('read_file', { path: 'planted-argument' });
    await running.call('write_file', { path: 'planted-argument' });
    expect((await running.leave()).code).toBe(0);
  }
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const text = readFileSync(file, 'utf8');
  expect(text).not.toContain('planted-argument');
  const decisions = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(decisions).toMatchObject([
    { tool: 'read_file', code: 'GRANTED', remaining: { calls: 1 }, agentId: 'local' },
    { tool: 'write_file', code: 'TOOL_NOT_AUTHORIZED' },
    { tool: 'read_file', code: 'GRANTED', remaining: { calls: 0 } },
    // The budget is looked at before the tool.
    { tool: 'write_file', code: 'BUDGET_EXCEEDED' },
  ]);
  const { sessions } = await desk.sessions<{ sessions: Session[] }>('list');
  for (const decision of decisions) {
    expect(decision['at']).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(decision).toMatchObject({ sessionId: sessions[0]?.sessionId });
    const known = ['at', 'decisionId', 'tool', 'code', 'remaining', 'agentId', 'sessionId'];
    expect(known).toEqual(expect.arrayContaining(Object.keys(decision)));
  }
  const unwritable = await desk.ambit([
    'run',
    ...limits.slice(0, -1),
    '/no/such/folder/log',
    ...stubServer(),
  ]);
  expect(unwritable).toMatchObject({ code: 64, stdout: '', stderr: expect.stringMatching(oneLine) });
});

test('flags of COMMAND are its own, also those that ambit knows', async () => {
  const desk = openDesk();
  // The program itself as COMMAND: its --help is not ours.
  const { code, stdout, stderr } = await desk.run([...all, '--', process.execPath, program, 'wrap', '--help'])
    .ended;
  expect(code).toBe(0);
  // What is not protocol does not reach the client.
  expect(stdout).toBe('');
  expect(stderr).toContain('one-shot');
});
