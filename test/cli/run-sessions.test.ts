import { expect, test } from 'vitest';
import { greet, oneLine, openDesk, type Session, stubServer } from './cli-processes.js';
import { openAmbit } from 'ambit';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';

const task = ['--task', 'work', '--tools', 'read_*', '--calls', '3', '--for', '10m', '--rate', '100/1m'];

test('a task is joined: what is left of it goes on, through kill -9 too', async () => {
  const desk = openDesk();
  const first = await greet(desk.run([...task, ...stubServer()]));
  const { result } = await first.ask('tools/list');
  expect(result?.tools?.map(({ name }) => name)).toEqual(['read_file']);
  expect(await first.call('read_file')).toBe('read_file was called');
  expect(await first.call('write_file')).toBe('Unknown tool: write_file');
  expect(await first.call('read_file')).toBe('read_file was called');
  first.kill('SIGKILL');
  expect((await first.ended).signal).toBe('SIGKILL');

  const second = await greet(desk.run([...task, ...stubServer()]));
  expect(await second.call('read_file')).toBe('read_file was called');
  expect(await second.call('read_file')).toBe('BUDGET_EXCEEDED');
  expect(await second.leave()).toMatchObject({ code: 0, stderr: expect.not.stringContaining('one-shot') });
  expect(await desk.sessions<{ sessions: Session[] }>('list')).toMatchObject({
    sessions: [{ taskName: 'work', agentId: 'local', status: 'active', callsMade: 3, callBudget: 3 }],
  });
});

test('limits that differ are named, with exit code 78; an extension is no difference', async () => {
  const desk = openDesk();
  expect(await desk.ambit(['run', ...task, ...stubServer()])).toMatchObject({ code: 0, stdout: '' });
  const { sessions } = await desk.sessions<{ sessions: Session[] }>('list');
  await desk.sessions('extend', sessions[0]?.sessionId ?? '', '--calls', '7', '--for', '5m');
  expect(await desk.ambit(['run', ...task, ...stubServer()])).toMatchObject({ code: 0, stdout: '' });
  const fewer = ['--task', 'work', '--tools', 'read_*'];
  expect(await desk.ambit(['run', ...fewer, ...stubServer()])).toMatchObject({ code: 0 });

  const other = ['--tools', 'read_*,write_*', '--calls', '10', '--for', '600001ms', '--rate', '5/1s'];
  const differ = await desk.ambit(['run', '--task', 'work', ...other, ...stubServer()]);
  expect(differ).toMatchObject({ code: 78, stdout: '', stderr: expect.stringMatching(oneLine) });
  expect(differ.stderr).toContain('--tools is read_*, not read_*,write_*');
  expect(differ.stderr).toContain('--calls is 3, not 10');
  expect(differ.stderr).toContain('--for is 10m, not 600001ms');
  expect(differ.stderr).toContain('--rate is 100/1m, not 5/1s');
  const one = await desk.ambit(['run', ...fewer, '--calls', '4', ...stubServer()]);
  expect(one).toMatchObject({ code: 78 });
  expect(one.stderr).not.toMatch(/--tools|--for|--rate/);
});

test('a rate of another algorithm, which only a program can choose, is another limit', async () => {
  const desk = openDesk();
  const ambit = await openAmbit({ storage: desk.storage });
  const rateLimit = { calls: 10, perMs: 60_000, algorithm: 'sliding' } as const;
  const terms = {
    agentId: 'local',
    declaredIntent: 'x',
    authorizedTools: ['*'],
    taskName: 'work',
    rateLimit,
  };
  expect(await ambit.tasks.create(terms)).toMatchObject({ ok: true });
  await ambit.close();
  const joined = ['--task', 'work', '--tools', '*'];
  const differs = await desk.ambit(['run', ...joined, '--rate', '10/1m', ...stubServer()]);
  expect(differs).toMatchObject({ code: 78, stderr: expect.stringContaining('10/1m (sliding)') });
  expect(await desk.ambit(['run', ...joined, ...stubServer()])).toMatchObject({ code: 0 });
});

test('what is closed stays closed, with --renew too; what expired starts anew with --renew only', async () => {
  const desk = openDesk();
  expect(await desk.ambit(['run', ...task, ...stubServer()])).toMatchObject({ code: 0 });
  const { sessions } = await desk.sessions<{ sessions: Session[] }>('list');
  await desk.sessions('close', sessions[0]?.sessionId ?? '');
  for (const renew of [[], ['--renew']]) {
    const closed = await desk.ambit(['run', ...task, ...renew, ...stubServer()]);
    expect(closed).toMatchObject({ code: 77, stdout: '', stderr: expect.stringMatching(oneLine) });
    expect(closed.stderr).toContain('"work"');
    expect(closed.stderr).toContain('closed');
  }

  const short = ['--task', 'short', '--tools', '*', '--for', '1s'];
  const running = await greet(desk.run([...short, ...stubServer()]));
  // Its time passes at its own pace; a call says when it is over.
  while ((await running.call('read_file')) !== 'SESSION_EXPIRED')
    await new Promise((next) => setTimeout(next, 50));
  await running.leave();
  const expired = await desk.ambit(['run', ...short, ...stubServer()]);
  expect(expired).toMatchObject({ code: 77, stdout: '', stderr: expect.stringMatching(oneLine) });
  expect(expired.stderr).toContain('--renew');
  const anew = await greet(desk.run([...short.slice(0, 4), '--for', '10m', '--renew', ...stubServer()]));
  expect(await anew.call('read_file')).toBe('read_file was called');
  // Active: there is nothing to renew, and what was made stays made.
  const joined = await greet(desk.run([...short.slice(0, 4), '--renew', ...stubServer()]));
  expect(await joined.call('read_file')).toBe('read_file was called');
  await Promise.all([anew.leave(), joined.leave()]);
  const { sessions: all } = await desk.sessions<{ sessions: Session[] }>('list', '--status', 'active');
  expect(all).toMatchObject([{ taskName: 'short', callsMade: 2 }]);
});

test('a token leads to its session, from the environment or a file; limits with it are wrong usage', async () => {
  const desk = openDesk();
  const create = ['create', '--tools', 'read_*', '--calls', '2'];
  const { session, token } = await desk.sessions<{ session: Session; token: string }>(...create);
  const byEnvironment = await greet(desk.run(stubServer(), { AMBIT_SESSION: token }));
  expect(await byEnvironment.call('read_file')).toBe('read_file was called');
  expect((await byEnvironment.leave()).code).toBe(0);

  const file = join(desk.folder, 'token');
  writeFileSync(file, `${token}\n`);
  // The file is what was said last: it goes before the environment.
  const byFile = await greet(
    desk.run(['--session-file', file, ...stubServer()], { AMBIT_SESSION: 'ambit_of_another_one' }),
  );
  expect(await byFile.call('read_file')).toBe('read_file was called');
  expect(await byFile.call('read_file')).toBe('BUDGET_EXCEEDED');
  expect((await byFile.leave()).code).toBe(0);
  // It is the agent's, not the run's: it is not closed at exit.
  expect(await desk.sessions('show', session.sessionId)).toMatchObject({ status: 'active', callsMade: 2 });

  const limits = [
    ['--tools', '*'],
    ['--calls', '5'],
    ['--for', '1m'],
    ['--rate', '1/1s'],
    ['--agent', 'a'],
    ['--intent', 'i'],
    ['--task', 't'],
    ['--renew'],
  ];
  for (const limit of limits) {
    const both = await desk.ambit(['run', ...limit, ...stubServer()], { AMBIT_SESSION: token });
    expect(both).toMatchObject({ code: 64, stdout: '', stderr: expect.stringMatching(oneLine) });
    expect(both.stderr).toContain(limit[0]);
  }
  const wrong = await desk.ambit(['run', ...stubServer()], { AMBIT_SESSION: `${token.slice(0, -3)}abc` });
  expect(wrong).toMatchObject({ code: 77, stdout: '', stderr: expect.stringMatching(oneLine) });
  await desk.sessions('close', session.sessionId);
  const closed = await desk.ambit(['run', '--session-file', file, ...stubServer()]);
  expect(closed).toMatchObject({ code: 77, stdout: '', stderr: expect.stringMatching(oneLine) });
  const missing = await desk.ambit(['run', '--session-file', 'none', ...stubServer()]);
  expect(missing).toMatchObject({ code: 64, stdout: '', stderr: expect.stringMatching(oneLine) });
});

test('without a task or a token it is a one-shot session: it says so, is closed at exit and fills no cap', async () => {
  const desk = openDesk();
  // Live sessions of one agent are capped; one-shot sessions of killed runs must not count against it.
  for (let run = 0; run < 6; run++) {
    const killed = await greet(desk.run(['--tools', '*', '--agent', 'crashy', ...stubServer()]));
    killed.kill('SIGKILL');
    expect((await killed.ended).stderr).toMatch(/^ambit: one-shot session [0-9a-f-]{36}, closed at exit/);
  }
  const left = await desk.sessions<{ sessions: Session[] }>('list', '--status', 'active');
  expect(new Set(left.sessions.map(({ agentId }) => agentId)).size).toBe(6);
  const named = await desk.ambit(['sessions', 'create', '--tools', '*', '--agent', 'crashy']);
  expect(named).toMatchObject({ code: 0 });

  const running = await greet(desk.run(['--tools', 'read_*', ...stubServer()]));
  expect(await running.call('read_file')).toBe('read_file was called');
  const { sessions } = await desk.sessions<{ sessions: Session[] }>('list', '--limit', '1');
  const id = sessions[0]?.sessionId ?? '';
  expect(await desk.sessions('show', id)).toMatchObject({ status: 'active', declaredIntent: 'ambit run' });
  const { code, stderr } = await running.leave();
  expect(code).toBe(0);
  expect(stderr).toContain(`one-shot session ${id}, closed at exit`);
  expect(await desk.sessions('show', id)).toMatchObject({ status: 'closed', callsMade: 1 });
});

test('a session closed from another process refuses the very next call, and the run stays up', async () => {
  const desk = openDesk();
  const running = await greet(desk.run([...task, ...stubServer()]));
  expect(await running.call('read_file')).toBe('read_file was called');
  const { sessions } = await desk.sessions<{ sessions: Session[] }>('list');
  await desk.sessions('close', sessions[0]?.sessionId ?? '');
  expect(await running.call('read_file')).toBe('SESSION_CLOSED');
  expect(await running.call('read_file')).toBe('SESSION_CLOSED');
  expect((await running.ask('ping')).result).toEqual({});
  expect((await running.leave()).code).toBe(0);
});

test('servers share a task by their names; on the wire their tools keep theirs', async () => {
  const desk = openDesk();
  const shared = ['--task', 'both', '--tools', 'left/read_file,right/write_file', '--calls', '2'];
  const [left, right] = await Promise.all([
    greet(desk.run([...shared, '--server', 'left', ...stubServer()])),
    greet(desk.run([...shared, '--server', 'right', ...stubServer()])),
  ]);
  const namesOf = async (one: typeof left): Promise<string[] | undefined> =>
    (await one.ask('tools/list')).result?.tools?.map(({ name }) => name);
  expect(await namesOf(left)).toEqual(['read_file']);
  expect(await namesOf(right)).toEqual(['write_file']);
  expect(await left.call('left/read_file')).toBe('Unknown tool: left/read_file');
  expect(await left.call('write_file')).toBe('Unknown tool: write_file');
  expect(await left.call('read_file')).toBe('read_file was called');
  expect(await right.call('write_file')).toBe('write_file was called');
  expect(await left.call('read_file')).toBe('BUDGET_EXCEEDED');
  expect(await right.call('write_file')).toBe('BUDGET_EXCEEDED');
  await Promise.all([left.leave(), right.leave()]);
});
