import { expect, test } from 'vitest';
import { oneLine, openDesk, program } from '../cli/cli-processes.js';
import { openAmbit } from 'ambit';
import { spawnSync } from 'node:child_process';

test('an entry that is set is got, listed, found and written out', async () => {
  const desk = openDesk();
  const scopes = (...args: string[]) => desk.ambit(['scopes', ...args]);
  const first = await scopes('set', 'plan', 'tidy up', '--scope', 'flow:a', '--step', 'think', '--for', '1h');
  expect(first).toMatchObject({ code: 0, stderr: '' });
  expect(first.stdout).toMatch(/^created "plan", version \S+\n$/);
  expect(await scopes('set', 'facts', '{"n":[1,2]}', '--as-json', '--scope', 'flow:a')).toMatchObject({
    code: 0,
  });
  expect(await scopes('set', 'here', 'x')).toMatchObject({ code: 0 });

  expect(await scopes('get', 'plan', '--scope', 'flow:a')).toMatchObject({ code: 0, stdout: 'tidy up\n' });
  expect(await scopes('get', 'facts', '--scope', 'flow:a')).toMatchObject({ stdout: '{"n":[1,2]}\n' });
  const entry = JSON.parse((await scopes('get', 'plan', '--scope', 'flow:a', '--json')).stdout) as object;
  expect(entry).toMatchObject({ key: 'plan', value: 'tidy up', sourceStep: 'think', layer: 'persistent' });
  const missing = await scopes('get', 'plan');
  expect(missing).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(oneLine) });
  expect(missing.stderr).toContain('no entry "plan" in "global"');

  const listed = JSON.parse((await scopes('list', '--json')).stdout) as object;
  expect(listed).toEqual({
    scopes: [
      { scope: 'flow:a', entries: 2 },
      { scope: 'global', entries: 1 },
    ],
    cursor: null,
  });
  const entries = await scopes('list', '--scope', 'flow:a', '--limit', '1');
  expect(entries.stdout).toContain('facts');
  expect(entries.stdout).not.toContain('plan');
  const cursor = /more: --cursor (\S+)\n$/.exec(entries.stdout)?.[1] ?? '';
  const rest = await scopes('list', '--scope', 'flow:a', '--limit', '1', '--cursor', cursor);
  expect(rest.stdout).toContain('plan');

  const found = JSON.parse((await scopes('query', 'TIDY', '--scope', 'flow:a', '--json')).stdout) as object;
  expect(found).toMatchObject({ entries: [{ key: 'plan' }], scanned: 2, cursor: null });
  expect((await scopes('query', 'nothing', '--scope', 'flow:a')).stdout).toBe(
    'no entries\nlooked at 2 entries\n',
  );

  const csv = await scopes('export', '--scope', 'flow:a', '--format', 'csv');
  expect(csv.stdout.split('\r\n')).toHaveLength(4);
  const json = await scopes('export', '--scope', 'flow:a');
  const ambit = await openAmbit({ storage: desk.storage });
  expect(await ambit.scopes.import(json.stdout, { scope: 'flow:b' })).toMatchObject({ imported: 2 });
  await ambit.close();
  expect(await scopes('get', 'plan', '--scope', 'flow:b')).toMatchObject({ stdout: 'tidy up\n' });
});

test('an entry is replaced only as it was read, where that is asked for', async () => {
  const desk = openDesk();
  const scopes = (...args: string[]) => desk.ambit(['scopes', ...args, '--json']);
  const version = (stdout: string): string => (JSON.parse(stdout) as { version: string }).version;
  const first = await scopes('set', 'k', '1', '--if-absent');
  expect(first).toMatchObject({ code: 0 });
  const again = await scopes('set', 'k', '2', '--if-absent');
  expect(again).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(oneLine) });
  const second = await scopes('set', 'k', '3', '--if-version', version(first.stdout));
  expect(second).toMatchObject({ code: 0 });
  expect(await scopes('set', 'k', '4', '--if-version', version(first.stdout))).toMatchObject({ code: 1 });
  expect((await scopes('get', 'k')).stdout).toContain('"value": "3"');
});

test('what cannot be is said in a line, and nothing a terminal obeys is printed in a table', async () => {
  const desk = openDesk();
  const wrong: [string[], string][] = [
    [['set', 'k', '{', '--as-json'], 'no JSON'],
    [['set', 'k', 'v', '--if-absent', '--if-version', 'x'], 'exclude each other'],
    [['set', 'k', 'v', '--for', 'soon'], 'number and a unit'],
    [['get', 'k', '--scope', 'x'.repeat(1_025)], 'longer than 1024 bytes'],
    [['export', '--format', 'xml'], 'json or csv'],
    [['list', '--cursor', 'x'], 'start without one'],
  ];
  for (const [args, words] of wrong) {
    const ended = await desk.ambit(['scopes', ...args]);
    expect(ended).toMatchObject({ code: 64, stdout: '', stderr: expect.stringMatching(oneLine) });
    expect(ended.stderr).toContain(words);
  }
  const evil = '\u001b[2J\u009b31m\nred';
  expect(await desk.ambit(['scopes', 'set', evil, evil, '--scope', evil])).toMatchObject({ code: 0 });
  const listed = await desk.ambit(['scopes', 'list']);
  const entries = await desk.ambit(['scopes', 'list', '--scope', evil]);
  for (const { stdout } of [listed, entries]) {
    expect(stdout).toContain('red');
    expect(stdout).not.toMatch(/[\u001b\u009b]/);
  }
});

test('a value comes from stdin, byte for byte', () => {
  const desk = openDesk();
  const value = 'line 1\nline 2 é\n';
  const env = { ...process.env, AMBIT_STORAGE: desk.storage };
  const set = spawnSync(process.execPath, [program, 'scopes', 'set', 'k', '-'], { input: value, env });
  expect(set.status).toBe(0);
  const got = spawnSync(process.execPath, [program, 'scopes', 'get', 'k'], { encoding: 'utf8', env });
  expect(got.stdout).toBe(`${value}\n`);
});

test('a reader that stops early ends an export without an error', async () => {
  const desk = openDesk();
  const ambit = await openAmbit({ storage: desk.storage });
  for (let n = 0; n < 3; n++) await ambit.scopes.persist(`k${n}`, 'x'.repeat(900_000));
  await ambit.close();
  expect(await desk.unread(['scopes', 'export'])).toMatchObject({ code: 0, stderr: '' });
});
