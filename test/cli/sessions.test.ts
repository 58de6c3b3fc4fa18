import { expect, test } from 'vitest';
import { greet, oneLine, openDesk, type Session, stubServer } from './cli-processes.js';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

interface Page {
  readonly sessions: readonly Session[];
  readonly cursor: string | null;
}

const tokenForm = /ambit_[0-9a-f-]{36}_[A-Za-z0-9_-]{43}/g;

test('create prints the token once, and nothing prints it again', async () => {
  const desk = openDesk();
  const terms = [
    '--tools',
    'read_*,list_*',
    '--calls',
    '9',
    '--for',
    '10m',
    '--rate',
    '5/1m',
    '--agent',
    'ada',
  ];
  const created = await desk.ambit(['sessions', 'create', ...terms, '--intent', 'tidy up', '--task', 'tidy']);
  expect(created).toMatchObject({ code: 0, stderr: '' });
  const tokens = created.stdout.match(tokenForm) ?? [];
  expect(tokens).toHaveLength(1);
  const { sessions } = await desk.sessions<Page>('list');
  expect(sessions).toMatchObject([
    { agentId: 'ada', taskName: 'tidy', callBudget: 9, callsMade: 0, status: 'active' },
  ]);
  const id = sessions[0]?.sessionId ?? '';
  const shown = await desk.ambit(['sessions', 'show', id]);
  expect(shown).toMatchObject({ code: 0, stderr: '' });
  for (const words of [id, 'ada', 'tidy up', '0 of 9', '5 per 1m', 'read_*, list_*'])
    expect(shown.stdout).toContain(words);
  for (const again of [['show', id], ['show', id, '--json'], ['list'], ['list', '--json']]) {
    const { stdout } = await desk.ambit(['sessions', ...again]);
    expect(stdout).toContain(id);
    expect(stdout).not.toMatch(tokenForm);
  }
  const twice = await desk.ambit(['sessions', 'create', ...terms, '--task', 'tidy']);
  expect(twice).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(oneLine) });
  expect(twice.stderr).toContain('"tidy"');
});

test('--session-file takes the token instead: private, new, and gone again where nothing was created', async () => {
  const desk = openDesk();
  const file = join(desk.folder, 'token');
  const refused = await desk.ambit([
    'sessions',
    'create',
    '--tools',
    '*',
    '--for',
    '99h',
    '--session-file',
    file,
  ]);
  expect(refused).toMatchObject({ code: 64, stdout: '', stderr: expect.stringMatching(oneLine) });
  expect(existsSync(file)).toBe(false);

  const created = await desk.ambit(['sessions', 'create', '--tools', '*', '--session-file', file, '--json']);
  expect(created).toMatchObject({ code: 0, stderr: '' });
  expect(created.stdout).not.toMatch(tokenForm);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const token = readFileSync(file, 'utf8');
  expect(token.trim().match(tokenForm)).toHaveLength(1);

  const existing = await desk.ambit(['sessions', 'create', '--tools', '*', '--session-file', file]);
  expect(existing).toMatchObject({ code: 64, stdout: '', stderr: expect.stringMatching(oneLine) });
  expect(readFileSync(file, 'utf8')).toBe(token);
  writeFileSync(join(desk.folder, 'empty'), '');
  const empty = await desk.ambit(['run', '--session-file', 'empty', ...stubServer()]);
  expect(empty).toMatchObject({ code: 64, stdout: '', stderr: expect.stringMatching(oneLine) });
  expect((await desk.sessions<Page>('list')).sessions).toHaveLength(1);
});

test('list: a table for people, JSON for programs, pages by cursor, filters', async () => {
  const desk = openDesk();
  expect((await desk.ambit(['sessions', 'list'])).stdout).toBe('no sessions\n');
  const ids: string[] = [];
  for (const agent of ['ada', 'bob', 'ada']) {
    const { session } = await desk.sessions<{ session: Session }>('create', '--tools', '*', '--agent', agent);
    ids.unshift(session.sessionId);
  }
  await desk.sessions('close', ids[0] ?? '');
  const table = (await desk.ambit(['sessions', 'list'])).stdout;
  // Newest first, a row each.
  const places = ids.map((id) => table.indexOf(id));
  expect(places.every((place) => place > 0)).toBe(true);
  expect(places).toEqual([...places].sort((one, other) => one - other));
  for (const head of ['SESSION', 'AGENT', 'STATUS', 'CALLS', 'TIME LEFT', 'TOOLS'])
    expect(table).toContain(head);

  const seen: string[] = [];
  let page = await desk.sessions<Page>('list', '--limit', '2');
  expect(page.sessions).toHaveLength(2);
  seen.push(...page.sessions.map(({ sessionId }) => sessionId));
  page = await desk.sessions<Page>('list', '--limit', '2', '--cursor', page.cursor ?? '');
  seen.push(...page.sessions.map(({ sessionId }) => sessionId));
  expect(page.cursor).toBeNull();
  expect(seen).toEqual(ids);
  const paged = await desk.ambit(['sessions', 'list', '--limit', '2']);
  expect(paged.stdout).toMatch(/^more: --cursor \S+$/m);

  const idsOf = async (...filters: string[]): Promise<string[]> =>
    (await desk.sessions<Page>('list', ...filters)).sessions.map(({ sessionId }) => sessionId);
  expect(await idsOf('--agent', 'ada')).toEqual([ids[0], ids[2]]);
  expect(await idsOf('--status', 'closed')).toEqual([ids[0]]);
  expect(await idsOf('--status', 'active', '--agent', 'bob')).toEqual([ids[1]]);
});

test('extend adds to a session while a run is at work with it', async () => {
  const desk = openDesk();
  const running = await greet(desk.run(['--task', 'long', '--tools', '*', '--calls', '1', ...stubServer()]));
  expect(await running.call('read_file')).toBe('read_file was called');
  expect(await running.call('read_file')).toBe('BUDGET_EXCEEDED');
  const { sessions } = await desk.sessions<Page>('list');
  const id = sessions[0]?.sessionId ?? '';
  const extended = await desk.ambit(['sessions', 'extend', id, '--calls', '1', '--for', '10m']);
  expect(extended).toMatchObject({ code: 0, stderr: '' });
  expect(extended.stdout).toContain('1 of 2');
  expect(extended.stdout).toMatch(/1h (9|10)m/);
  expect(await running.call('read_file')).toBe('read_file was called');
  expect(await running.call('read_file')).toBe('BUDGET_EXCEEDED');
  await running.leave();
});

test('close is for good: again, or an extension after it, is exit code 77; so is an id that is none', async () => {
  const desk = openDesk();
  const { session } = await desk.sessions<{ session: Session }>('create', '--tools', '*', '--calls', '5');
  const closed = await desk.ambit(['sessions', 'close', session.sessionId]);
  expect(closed).toMatchObject({ code: 0, stderr: '' });
  expect(closed.stdout).toContain(`closed ${session.sessionId}: 0 of 5 calls`);
  for (const again of [
    ['close', session.sessionId],
    ['extend', session.sessionId, '--calls', '1'],
    ['show', 'no-such-session'],
    ['close', 'no-such-session'],
  ]) {
    const ended = await desk.ambit(['sessions', ...again]);
    expect(ended, again.join(' ')).toMatchObject({
      code: 77,
      stdout: '',
      stderr: expect.stringMatching(oneLine),
    });
  }
  expect(await desk.sessions('show', session.sessionId)).toMatchObject({ status: 'closed', callBudget: 5 });
});

test('close-agent closes what an agent has, and --deactivate lets it have no more', async () => {
  const desk = openDesk();
  for (const agent of ['ada', 'ada', 'bob']) await desk.sessions('create', '--tools', '*', '--agent', agent);
  expect(await desk.ambit(['sessions', 'close-agent', 'ada'])).toMatchObject({
    code: 0,
    stdout: 'closed 2 sessions\n',
  });
  const { sessions } = await desk.sessions<Page>('list', '--status', 'active');
  expect(sessions.map(({ agentId }) => agentId)).toEqual(['bob']);
  await desk.sessions('create', '--tools', '*', '--agent', 'ada');
  expect(await desk.sessions('close-agent', 'ada', '--deactivate')).toEqual({ agentId: 'ada', closed: 1 });
  const refused = await desk.ambit(['sessions', 'create', '--tools', '*', '--agent', 'ada']);
  expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(oneLine) });
});

test('create --renew takes over a name that is over, also a closed one, and none that is in use', async () => {
  const desk = openDesk();
  const create = ['create', '--tools', '*', '--task', 'work'];
  const { session } = await desk.sessions<{ session: Session }>(...create);
  const active = await desk.ambit(['sessions', ...create, '--renew']);
  expect(active).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(oneLine) });
  await desk.sessions('close', session.sessionId);
  const renewed = await desk.sessions<{ session: Session; token: string }>(...create, '--renew');
  expect(renewed.session.sessionId).not.toBe(session.sessionId);
  expect(renewed.token).toMatch(/^ambit_/);
  const running = await greet(desk.run(['--task', 'work', '--tools', '*', ...stubServer()]));
  expect(await running.call('read_file')).toBe('read_file was called');
  await running.leave();
});
