import {
  chmodSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { expect, test } from 'vitest';
import { type Desk, greet, oneLine, openDesk, program, type Running, stubServer } from './cli-processes.js';
import { join } from 'node:path';

interface Config {
  mcpServers: Record<string, { command?: string; args?: string[]; env?: object; url?: string }>;
}

const plain = `{
  "mcpServers": {
    "files": { "command": "npx", "args": ["-y", "files-server", "/data"], "env": { "A": "1" } },
    "bare": { "command": "bare-server" },
    "web": { "type": "http", "url": "https://example.com/mcp" }
  },
  "other": [1, 2.50, "\\u00e9"]
}
`;

const limits = ['--tools', 'files/*', '--calls', '5', '--for', '90m', '--rate', '10/1m', '--task', 'work'];

function fileWith(desk: Desk, text: string | Buffer): string {
  const file = join(desk.folder, 'mcp.json');
  writeFileSync(file, text);
  return file;
}

const configIn = (file: string): Config => JSON.parse(readFileSync(file, 'utf8')) as Config;

test('wrap puts the leash on what a command starts, and leaves the rest as it is', async () => {
  const desk = openDesk();
  const file = fileWith(desk, plain);
  const flags = [
    ...limits,
    '--agent',
    'ada',
    '--intent',
    'tidy',
    '--renew',
    '--log',
    'l.jsonl',
    '--storage',
    'sqlite:a b.db?eventLoop=free',
  ];
  const wrapped = await desk.ambit(['wrap', file, ...flags]);
  expect(wrapped).toMatchObject({ code: 0, stderr: '' });
  expect(wrapped.stdout).toContain('files: on the leash\nbare: on the leash\nweb: left as it is');
  const before = JSON.parse(plain) as Config;
  const { mcpServers, ...others } = configIn(file);
  const { mcpServers: _, ...othersBefore } = before;
  expect(others).toEqual(othersBefore);
  expect(mcpServers['web']).toEqual(before.mcpServers['web']);
  const { command, args = [], ...rest } = mcpServers['files'] ?? {};
  expect(command).toBe('ambit');
  expect(rest).toEqual({ env: { A: '1' } });
  expect(args[0]).toBe('run');
  expect(args.slice(args.indexOf('--server'))).toEqual([
    '--server',
    'files',
    '--',
    'npx',
    '-y',
    'files-server',
    '/data',
  ]);
  for (let at = 0; at < limits.length; at += 2)
    expect(args[args.indexOf(limits[at] ?? '') + 1]).toBe(limits[at + 1]);
  for (const flag of ['--agent', '--intent', '--renew']) expect(args).toContain(flag);
  // From whatever directory the host starts it, the same files are meant.
  expect(args[args.indexOf('--log') + 1]).toBe(join(desk.folder, 'l.jsonl'));
  expect(args[args.indexOf('--storage') + 1]).toBe(`sqlite:${desk.folder}/a%20b.db?eventLoop=free`);
  expect(mcpServers['bare']?.args?.slice(-3)).toEqual(['bare', '--', 'bare-server']);
});

test('unwrap puts it back byte for byte, whatever it was written like', async () => {
  const shapes: Record<string, string | Buffer> = {
    plain,
    'odd indents': plain.replaceAll('\n    ', '\n \t   ').replace('{ "command"', '{    "command"'),
    tabs: plain.replaceAll('  ', '\t'),
    CRLF: plain.replaceAll('\n', '\r\n'),
    'no line feed at its end': plain.trimEnd(),
    'on one line': JSON.stringify(JSON.parse(plain)),
    'byte order mark': Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(plain)]),
    'the servers form': plain.replace('mcpServers', 'servers'),
    'a key given twice': plain.replace('"other"', '"other": 0, "other"'),
  };
  for (const [shape, text] of Object.entries(shapes)) {
    const desk = openDesk();
    const file = fileWith(desk, text);
    expect(await desk.ambit(['wrap', file, ...limits]), shape).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(file, 'utf8'), shape).toContain('"ambit"');
    const unwrapped = await desk.ambit(['unwrap', file]);
    expect(unwrapped, shape).toMatchObject({ code: 0, stderr: '' });
    expect(unwrapped.stdout, shape).toContain('byte for byte');
    expect(readFileSync(file).equals(Buffer.from(text)), shape).toBe(true);
    // Nothing of ours is left lying beside it.
    expect(readdirSync(desk.folder), shape).toEqual(['mcp.json']);
  }
});

test('wrapping twice, all or one server after the other, still leads back to the first bytes', async () => {
  const desk = openDesk();
  const file = fileWith(desk, plain);
  expect(await desk.ambit(['wrap', file, '--server', 'files', ...limits])).toMatchObject({ code: 0 });
  expect(configIn(file).mcpServers['bare']?.command).toBe('bare-server');
  const once = readFileSync(file, 'utf8');
  const again = await desk.ambit(['wrap', file, '--server', 'files', ...limits]);
  expect(again).toMatchObject({ code: 0, stdout: 'files: left as it is, it is on the leash already\n' });
  expect(readFileSync(file, 'utf8')).toBe(once);
  expect(await desk.ambit(['wrap', file, ...limits])).toMatchObject({ code: 0 });
  expect(configIn(file).mcpServers['bare']?.command).toBe('ambit');
  expect(configIn(file).mcpServers['files']?.args?.filter((arg) => arg === 'run')).toHaveLength(1);
  expect(await desk.ambit(['unwrap', file])).toMatchObject({ code: 0 });
  expect(readFileSync(file, 'utf8')).toBe(plain);

  const none = await desk.ambit(['wrap', file, '--server', 'nobody', ...limits]);
  expect(none).toMatchObject({ code: 64, stdout: '', stderr: expect.stringMatching(oneLine) });
  expect(none.stderr).toContain('"nobody"');
  const off = await desk.ambit(['unwrap', file]);
  expect(off).toMatchObject({ code: 64, stdout: '', stderr: expect.stringMatching(oneLine) });
  expect(readFileSync(file, 'utf8')).toBe(plain);
});

test('edits made in between are kept: only the leash is taken off', async () => {
  for (const wrapsAgain of [false, true]) {
    const desk = openDesk();
    const file = fileWith(desk, plain.replaceAll('\n', '\r\n'));
    expect(await desk.ambit(['wrap', file, '--server', 'files', ...limits])).toMatchObject({ code: 0 });
    writeFileSync(file, readFileSync(file, 'utf8').replace('"/data"', '"/data", "/edited"'));
    if (wrapsAgain) expect(await desk.ambit(['wrap', file, ...limits])).toMatchObject({ code: 0 });
    const unwrapped = await desk.ambit(['unwrap', file]);
    expect(unwrapped).toMatchObject({ code: 0, stderr: '' });
    expect(unwrapped.stdout).toContain('edits were kept');
    const text = readFileSync(file, 'utf8');
    expect(text).not.toContain('ambit');
    expect(text).not.toMatch(/[^\r]\n/);
    const { mcpServers } = configIn(file);
    expect(mcpServers['files']).toEqual({
      command: 'npx',
      args: ['-y', 'files-server', '/data', '/edited'],
      env: { A: '1' },
    });
    expect(mcpServers['bare']?.command).toBe('bare-server');
    expect(existsSync(`${file}.ambit-backup`)).toBe(false);
  }
});

test('a leash put on by hand is part of the file as it was', async () => {
  const desk = openDesk();
  const byHand = JSON.stringify({
    mcpServers: {
      hand: { command: 'ambit', args: ['run', '--tools', '*', '--', 'hand-server'] },
      files: { command: 'files-server' },
    },
  });
  const file = fileWith(desk, byHand);
  expect(await desk.ambit(['wrap', file, ...limits])).toMatchObject({ code: 0 });
  const unwrapped = await desk.ambit(['unwrap', file]);
  expect(unwrapped.stdout).toMatch(/^files: off the leash\n/);
  expect(unwrapped.stdout).not.toContain('hand: off');
  expect(readFileSync(file, 'utf8')).toBe(byHand);
});

test('what is no mcp.json is refused in one line and left alone', async () => {
  const desk = openDesk();
  for (const text of [
    plain.replace('"other"', '// a comment\n  "other"'),
    '',
    '[]',
    '{}',
    '{"mcpServers":[]}',
    '{"mcpServers":{"a":null}}',
  ]) {
    const file = fileWith(desk, text);
    for (const command of [
      ['wrap', file, ...limits],
      ['unwrap', file],
    ]) {
      const ended = await desk.ambit(command);
      expect(ended, text).toMatchObject({ code: 64, stdout: '', stderr: expect.stringMatching(oneLine) });
      expect(ended.stderr).toContain(file);
    }
    expect(readFileSync(file, 'utf8')).toBe(text);
  }
  expect(readdirSync(desk.folder)).toEqual(['mcp.json']);
  const strange = fileWith(desk, '{"mcpServers":{"a":{"command":"x","args":"not a list"}}}');
  expect((await desk.ambit(['wrap', strange, ...limits])).stdout).toContain('a: left as it is');
});

test('the mode is kept, the backup is no less private, and a link stays a link', async () => {
  const desk = openDesk();
  const file = fileWith(desk, plain);
  const link = join(desk.folder, 'link.json');
  symlinkSync(file, link);
  for (const mode of [0o600, 0o640, 0o644]) {
    chmodSync(file, mode);
    expect(await desk.ambit(['wrap', link, ...limits])).toMatchObject({ code: 0 });
    expect(statSync(file).mode & 0o777).toBe(mode);
    expect(statSync(`${link}.ambit-backup`).mode & 0o777).toBe(0o600);
    expect(await desk.ambit(['unwrap', link])).toMatchObject({ code: 0 });
    expect(statSync(file).mode & 0o777).toBe(mode);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readFileSync(file, 'utf8')).toBe(plain);
  }
});

test('what wrap wrote runs: the server, behind the leash, under its name', async () => {
  const desk = openDesk();
  const [, command = '', ...args] = stubServer();
  const file = fileWith(desk, JSON.stringify({ mcpServers: { files: { command, args } } }));
  const flags = [
    '--tools',
    'files/read_*',
    '--calls',
    '1',
    '--for',
    '3661s',
    '--rate',
    '7/90061ms',
    '--task',
    'work',
  ];
  expect(await desk.ambit(['wrap', file, ...flags])).toMatchObject({ code: 0 });
  const [verb, ...rest] = configIn(file).mcpServers['files']?.args ?? [];
  expect(verb, program).toBe('run');
  const running: Running = await greet(desk.run(rest));
  expect(await running.call('read_file')).toBe('read_file was called');
  expect(await running.call('write_file')).toMatch(/Unknown tool|BUDGET_EXCEEDED/);
  await running.leave();
  // Written without rounding: the limits as typed are those of the task.
  expect(await desk.ambit(['run', ...flags, ...stubServer()])).toMatchObject({ code: 0 });
});

test.each([
  ['memory:', /memory: remembers nothing/],
  ['sqlite:', /names no file/],
  ['postgres://bob:hunter2@h/db', /AMBIT_STORAGE into the "env"/],
])('wrap does not write --storage %s into a file', async (storage, problem) => {
  const desk = openDesk();
  const file = fileWith(desk, plain);
  const wrapped = await desk.ambit(['wrap', file, ...limits, '--storage', storage]);
  expect(wrapped).toMatchObject({ code: 64, stdout: '' });
  expect(wrapped.stderr).toMatch(oneLine);
  expect(wrapped.stderr).toMatch(problem);
  expect(wrapped.stderr).not.toContain('hunter2');
  expect(readFileSync(file, 'utf8')).toBe(plain);
});

test('a task in memory is refused: nobody could come back to it', async () => {
  const desk = openDesk();
  const run = ['run', '--tools', '*', '--task', 'work', ...stubServer()];
  const refused = await desk.ambit(run, { AMBIT_STORAGE: 'memory:' });
  expect(refused).toMatchObject({ code: 64, stdout: '' });
  expect(refused.stderr).toMatch(oneLine);
  expect(refused.stderr).toContain('--task');
});

test('a server whose name the leash does not take is left as it is, with the reason', async () => {
  const desk = openDesk();
  const file = fileWith(
    desk,
    JSON.stringify({ mcpServers: { 'my files': { command: 'npx' }, ok: { command: 'npx' } } }),
  );
  const wrapped = await desk.ambit(['wrap', file, ...limits]);
  expect(wrapped).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('my files: left as it is, rename it first'),
  });
  expect(configIn(file).mcpServers['my files']).toEqual({ command: 'npx' });
});
