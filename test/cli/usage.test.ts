import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { oneLine, openDesk, stubServer } from './cli-processes.js';
import Database from 'better-sqlite3';
import { join } from 'node:path';

const create = ['sessions', 'create', '--tools', '*'];
const run = ['run', '--tools', '*'];

/** What is typed wrong, and what the line about it must name. */
const wrongUsage: readonly (readonly [typed: readonly string[], names: string])[] = [
  [['nope'], 'nope'],
  [['sessions', 'nope'], 'nope'],
  [[...run, '--bogus', ...stubServer()], '--bogus'],
  [['sessions', 'list', '--bogus'], '--bogus'],
  [['wrap', 'mcp.json', '--bogus'], '--bogus'],
  [['run', '--tools', '*'], 'command'],
  [['run', ...stubServer()], "--tools '*'"],
  [['sessions', 'create'], "--tools '*'"],
  [['wrap', 'mcp.json'], "--tools '*'"],
  [['run', '--tools', '', ...stubServer()], '--tools'],
  [['run', '--tools', 'a,,b', ...stubServer()], '--tools'],
  [['run', '--tools', 'a\u0007b', ...stubServer()], '--tools'],
  [[...run, '--calls', '-1', ...stubServer()], '--calls'],
  [[...run, '--calls=-1', ...stubServer()], '--calls'],
  [[...run, '--calls', '1.5', ...stubServer()], '--calls'],
  [[...run, '--calls', '1e3', ...stubServer()], '--calls'],
  [[...run, '--calls', '999999999999999', ...stubServer()], '--calls'],
  [[...run, '--for', '10', ...stubServer()], '--for'],
  [[...run, '--for', '10 m', ...stubServer()], '--for'],
  [[...run, '--for', '-5m', ...stubServer()], '--for'],
  [[...run, '--for', '1w', ...stubServer()], '--for'],
  [[...run, '--for', '25h', ...stubServer()], 'from 1s to 24h'],
  [[...run, '--for', '0s', ...stubServer()], 'from 1s to 24h'],
  [[...run, '--calls', '1000001', ...stubServer()], 'at most 1000000'],
  [[...run, '--rate', '5/61m', ...stubServer()], 'from 1s to 1h'],
  [['sessions', 'extend', 'a', '--calls', '0'], '--calls'],
  [[...run, '--rate', '10', ...stubServer()], '--rate'],
  [[...run, '--rate', '10/', ...stubServer()], '--rate'],
  [[...run, '--rate', '/1m', ...stubServer()], '--rate'],
  [[...run, '--rate', '0/1m', ...stubServer()], '--rate'],
  [[...run, '--rate', '-1/1m', ...stubServer()], '--rate'],
  [[...run, '--agent', '', ...stubServer().slice(0, 2)], '--agent'],
  [[...run, '--agent', 'a'.repeat(300), ...stubServer()], '--agent'],
  [[...run, '--task', 'a\u0007b', ...stubServer()], '--task'],
  [[...run, '--intent', 'a\u001b[31mb', ...stubServer()], '--intent'],
  [[...run, '--server', '', ...stubServer()], '--server'],
  [[...run, '--server', 'a\u0007', ...stubServer()], '--server'],
  [[...run, '--server', 'a/b', ...stubServer()], '--server'],
  [['wrap', 'mcp.json', '--tools', '*', '--for', '25h'], 'from 1s to 24h'],
  [['wrap', 'mcp.json', '--tools', '*', '--intent', ' '], '--intent'],
  [['wrap', 'mcp.json', '--tools', '*', '--task', 'a\u0007b'], '--task'],
  [[...run, '--allow-method', '(', ...stubServer()], 'resources/*'],
  [[...run, '--renew', ...stubServer()], '--task'],
  [[...create, '--ceiling', 'secret'], '--ceiling'],
  [[...create, '--renew'], '--task'],
  [['sessions', 'list', '--status', 'open'], '--status'],
  [['sessions', 'list', '--limit', '0'], '--limit'],
  [['sessions', 'list', '--cursor', 'x'], '--cursor'],
  [['sessions', 'show'], 'id'],
  [['sessions', 'show', 'a', 'b'], 'arguments'],
  [['sessions', 'extend', 'a'], '--calls'],
  [['wrap', 'none.json', '--tools', '*'], 'none.json'],
  [['unwrap', 'none.json'], 'none.json'],
  [['sessions', 'list', '--storage', 'nonsense'], 'memory:'],
  [['sessions', 'list', '--storage', 'sqlite:'], 'names no file'],
  [['sessions', 'list', '--storage', 'mysql://h/d'], 'mysql'],
  [['sessions', 'list', '--storage', 'redis://h?namspace=a'], 'redis'],
  [['sessions', 'list', '--storage', 'sqlite:a.db?mode=ro'], 'mode'],
  [['sessions', 'list', '--storage', 'sqlite:a%zz.db'], '%25'],
];

test('what is typed wrong gets one line that names it, and exit code 64', async () => {
  const desk = openDesk();
  // Two at a time, as many as there are cores: each is a program that starts.
  const rest = [...wrongUsage];
  const tryNext = async (): Promise<void> => {
    for (let next = rest.shift(); next; next = rest.shift()) {
      const [typed, names] = next;
      const { code, stdout, stderr } = await desk.ambit(typed);
      const said = `${JSON.stringify(typed)}: ${stderr}`;
      expect(code, said).toBe(64);
      expect(stdout, said).toBe('');
      expect(stderr, said).toMatch(oneLine);
      expect(stderr, said).toContain(names);
    }
  };
  await Promise.all([tryNext(), tryNext()]);
  // Not one that is closed either, and no server was started for it.
  const { sessions } = await desk.sessions<{ sessions: unknown[] }>('list');
  expect(sessions).toEqual([]);
});

test('a store that cannot be used: one line, and 69; 64 where another name is the remedy', async () => {
  const desk = openDesk();
  const at = (name: string): string => join(desk.folder, name);
  writeFileSync(at('text.db'), 'not a database, but long enough to be one. '.repeat(100));
  const foreign = new Database(at('foreign.db'));
  foreign.exec('CREATE TABLE orders (id INTEGER)');
  foreign.close();
  mkdirSync(at('folder.db'));
  expect(await desk.ambit(['sessions', 'list', '--storage', `sqlite:${at('newer.db')}`])).toMatchObject({
    code: 0,
  });
  const newer = new Database(at('newer.db'));
  newer.pragma('user_version = 999');
  newer.close();
  const kept = ['text.db', 'foreign.db', 'newer.db'].map((name) => [name, readFileSync(at(name))] as const);
  for (const [name, code, says] of [
    ['text.db', 69, 'text.db'],
    ['foreign.db', 69, 'another program'],
    ['newer.db', 69, 'update Ambit'],
    ['folder.db', 64, 'not a file'],
    ['missing/deeper/a.db', 64, 'does not exist'],
    ['text.db/a.db', 64, 'text.db/a.db'],
  ] as const) {
    for (const typed of [
      ['sessions', 'list'],
      [...run, ...stubServer()],
    ]) {
      const [command = '', ...rest] = typed;
      const flags =
        command === 'run'
          ? [command, '--storage', `sqlite:${at(name)}`, ...rest]
          : [...typed, '--storage', `sqlite:${at(name)}`];
      const ended = await desk.ambit(flags);
      expect(ended, name).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(oneLine) });
      expect(ended.stderr).toContain(says);
    }
  }
  // Nothing of it was touched.
  for (const [name, bytes] of kept) expect(readFileSync(at(name)).equals(bytes), name).toBe(true);
});

test('a database that may not be read: one line, and exit code 69', async () => {
  const desk = openDesk();
  const file = join(desk.folder, 'ambit.db');
  // Who is root may read every file: a link to itself leads nowhere for anybody.
  if (process.getuid?.() === 0) symlinkSync(file, file);
  else writeFileSync(file, '', { mode: 0o000 });
  for (const typed of [
    ['sessions', 'list'],
    [...run, ...stubServer()],
  ]) {
    const ended = await desk.ambit(typed);
    expect(ended).toMatchObject({ code: 69, stdout: '', stderr: expect.stringMatching(oneLine) });
    expect(ended.stderr).toContain(file);
  }
});

test('without --storage it is a file in the data directory; where that cannot be made, it says so', async () => {
  const desk = openDesk();
  expect(await desk.ambit(create, { AMBIT_STORAGE: '' })).toMatchObject({ code: 0 });
  expect(
    readFileSync(join(desk.folder, 'data', 'ambit', 'ambit.db'))
      .subarray(0, 15)
      .toString(),
  ).toBe('SQLite format 3');
  writeFileSync(join(desk.folder, 'file'), '');
  const blocked = await desk.ambit(create, { AMBIT_STORAGE: '', XDG_DATA_HOME: join(desk.folder, 'file') });
  expect(blocked).toMatchObject({ code: 69, stdout: '', stderr: expect.stringMatching(oneLine) });
  expect(blocked.stderr).toContain('--storage');
});

test('--help and --version answer on stdout with exit code 0', async () => {
  const desk = openDesk();
  for (const command of [
    [],
    ['run'],
    ['sessions'],
    ['sessions', 'create'],
    ['sessions', 'list'],
    ['wrap'],
    ['unwrap'],
  ]) {
    const help = await desk.ambit([...command, '--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain(`Usage: ${['ambit', ...command].join(' ')}`);
  }
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  expect(await desk.ambit(['--version'])).toMatchObject({ code: 0, stderr: '', stdout: `${version}\n` });
});

test('a program that stops reading its output is no error', async () => {
  const desk = openDesk();
  const running = desk.unread(['sessions', 'list']);
  expect(await running).toMatchObject({ code: 0, stderr: '' });
});
