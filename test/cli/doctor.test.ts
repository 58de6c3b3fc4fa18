import { expect, test } from 'vitest';
import { join } from 'node:path';
import { oneLine, openDesk } from './cli-processes.js';
import { writeFileSync } from 'node:fs';

test('doctor prints a line a check, and JSON for programs', async () => {
  const desk = openDesk();
  const printed = await desk.ambit(['doctor']);
  expect(printed).toMatchObject({ code: 0, stderr: '' });
  expect(printed.stdout.split('\n')[0]).toBe(desk.storage);
  for (const check of ['reachable', 'durability', 'settings', 'clock', 'exactness'])
    expect(printed.stdout).toMatch(new RegExp(`^✓ ${check} `, 'm'));
  expect(printed.stdout).toMatch(/survives a loss of power/);
  const json = await desk.ambit(['doctor', '--storage', 'memory:', '--json']);
  expect(json).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(json.stdout)).toMatchObject({ ok: true, backend: 'memory', exactness: { failed: 0 } });
});

test('what is wrong is one line and an exit code of its kind', async () => {
  const desk = openDesk();
  const file = join(desk.folder, 'foreign.db');
  writeFileSync(file, 'not a database, '.repeat(200));
  const foreign = await desk.ambit(['doctor', '--storage', `sqlite:${file}`]);
  expect(foreign).toMatchObject({ code: 69, stdout: '' });
  expect(foreign.stderr).toMatch(oneLine);
  const json = await desk.ambit(['doctor', '--storage', `sqlite:${file}`, '--json']);
  expect(json).toMatchObject({ code: 69, stderr: '' });
  expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, error: { code: 'STORE_CORRUPT' } });
  const wrong = await desk.ambit(['doctor', '--storage', 'postgres://bob5:hunter2']);
  expect(wrong).toMatchObject({ code: 64, stdout: '' });
  expect(wrong.stderr).toMatch(oneLine);
  expect(wrong.stderr).not.toMatch(/hunter2|bob5/);
});
