import { expect, test } from 'vitest';
import { greet, openDesk, stubServer } from './cli-processes.js';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const password = 'pl4nted-p4ssword';

test('no password of a storage URL and no token is printed or logged, by what works and by what fails', async () => {
  const desk = openDesk();
  const file = join(desk.folder, 'token');
  await desk.ambit(['sessions', 'create', '--tools', 'read_*', '--calls', '1', '--session-file', file]);
  const token = readFileSync(file, 'utf8').trim();
  const secret = token.split('_').slice(2).join('_');
  expect(secret.length).toBeGreaterThanOrEqual(43);
  const printed: [typed: string, text: string][] = [];
  const log = join(desk.folder, 'audit.jsonl');
  writeFileSync(join(desk.folder, 'mcp.json'), '{"mcpServers":{"a":{"command":"x"}}}');

  // What works: the run of a token, to its refusals and its end.
  const running = await greet(
    desk.run(['--log', log, ...stubServer('--say', 'ready')], { AMBIT_SESSION: token }),
  );
  await running.call('read_file', { secret: password });
  await running.call('read_file', { secret: password });
  await running.call(token, { secret: password });
  running.say(`garbage ${password} {"id":`);
  await running.hear();
  const { stdout: protocol, stderr } = await running.leave();
  // What the client itself said comes back to the client alone.
  printed.push(['run, stderr', stderr], ['run, log', readFileSync(log, 'utf8').replaceAll(token, '')]);
  expect(protocol).not.toContain(password);
  expect(
    protocol
      .split('\n')
      .filter((line) => !line.includes('Unknown tool') && !line.includes('ambit/refusal'))
      .join('\n'),
  ).not.toContain(secret);

  const urls = [
    `redis://user:${password}@127.0.0.1:1/0`,
    `postgres://user:${password}@127.0.0.1:1/db?sslmode=require`,
    `postgres://user:a/b@${password}@127.0.0.1:1/db`,
    `redis://user:a?${password}@127.0.0.1:1/0`,
    `mysql://:${password}@h/d`,
    `redis://127.0.0.1:1/0?password=${password}`,
    `sqlite://user:${password}@host/a.db`,
    `sqlite:a.db?key=${password}`,
    `://user:${password}@h`,
  ];
  for (const url of urls) {
    for (const typed of [
      ['sessions', 'list', '--storage', url],
      ['sessions', 'list', `--storag=${url}`],
      ['run', '--tools', '*', '--storage', url, ...stubServer()],
    ])
      printed.push([typed.join(' '), await everything(desk.ambit(typed))]);
    printed.push([
      `AMBIT_STORAGE=${url}`,
      await everything(desk.ambit(['sessions', 'list'], { AMBIT_STORAGE: url })),
    ]);
  }
  for (const typed of [
    ['sessions', 'show', token],
    ['sessions', 'close', token],
    ['sessions', 'extend', token, '--calls', '1'],
    ['sessions', 'close-agent', token],
    ['sessions', 'create', '--tools', '*', '--parent', token],
    ['sessions', 'list', '--cursor', token],
    ['sessions', 'list'],
    ['sessions', 'list', '--json'],
    ['sessions', token],
    ['run', `--session=${token}`, ...stubServer()],
    ['run', '--session-file', token, ...stubServer()],
    ['run', '--tools', '*', '--calls', token, ...stubServer()],
    ['run', '--tools', '*', '--', token],
    ['wrap', 'mcp.json', '--tools', '*', '--server', token],
    ['wrap', token, '--tools', '*'],
  ])
    printed.push([typed.join(' '), await everything(desk.ambit(typed))]);
  for (const wrong of [`${token}x`, token.slice(0, -1), `x${token}`])
    printed.push([
      'a wrong token',
      await everything(desk.ambit(['run', ...stubServer()], { AMBIT_SESSION: wrong })),
    ]);

  for (const [typed, text] of printed) {
    expect(text, typed).not.toContain(password);
    expect(text, typed).not.toContain(secret.slice(0, -1));
  }
});

async function everything(ended: Promise<{ stdout: string; stderr: string }>): Promise<string> {
  const { stdout, stderr } = await ended;
  return stdout + stderr;
}
