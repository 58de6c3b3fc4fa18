import { expect, test } from 'vitest';
import { join } from 'node:path';
import { oneLine, openDesk } from './cli-processes.js';
import { openAmbit } from 'ambit';

test('copy moves sessions with their counters, says so in one line, and refuses a store that is in use', async () => {
  const desk = openDesk();
  const [file, sqlite] = [`file:${join(desk.folder, 'files')}`, `sqlite:${join(desk.folder, 'again.db')}`];
  const before = await openAmbit({ storage: desk.storage });
  const created = await before.tasks.create({
    agentId: 'agent',
    declaredIntent: 'to be moved',
    authorizedTools: ['read_file'],
    callBudget: 3,
  });
  if (!created.ok) throw new Error(created.refusal.message);
  const { sessionId } = created.session;
  await before.tasks.use(sessionId, 'read_file');
  await before.close();

  const copied = await desk.ambit(['copy', desk.storage, file]);
  expect(copied.code, copied.stderr).toBe(0);
  expect(copied.stdout).toMatch(/^file:.*: \d+ records, compared and equal\n$/);
  expect(copied.stderr).toMatch(
    /^ambit: counting\nambit: copying \d+ records\nambit: verifying \d+ records\n$/,
  );
  const back = await desk.ambit(['copy', file, sqlite, '--json']);
  expect(JSON.parse(back.stdout)).toMatchObject({ from: file, to: sqlite, mended: 0, resumed: false });

  const after = await openAmbit({ storage: sqlite });
  const found = await after.tasks.get(sessionId);
  expect(found.ok && found.session).toMatchObject({ callsMade: 1, callBudget: 3, status: 'active' });
  expect((await after.tasks.use(sessionId, 'read_file')).ok).toBe(true);
  await after.close();

  const again = await desk.ambit(['copy', desk.storage, file]);
  expect(again).toMatchObject({ code: 64, stdout: '' });
  expect(again.stderr).toContain('the target holds records of its own; copy into an empty store');
  const memory = await desk.ambit(['copy', 'memory:', file]);
  expect(memory).toMatchObject({ code: 64, stdout: '' });
  expect(memory.stderr).toMatch(oneLine);
  const secret = await desk.ambit(['copy', 'postgres://bob5:hunter2@127.0.0.1:1/x', file]);
  expect(secret).toMatchObject({ code: 69, stdout: '' });
  expect(secret.stderr).not.toMatch(/hunter2|bob5/);
});
