import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Ambit, openAmbit } from 'ambit';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mirrorFileName } from '../../src/mirror/mirror-names.js';
import { tmpdir } from 'node:os';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ambit-mirror-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const terms = { agentId: 'agent', declaredIntent: 'to be read', authorizedTools: ['read_file'] };

async function created(ambit: Ambit): Promise<string> {
  const answer = await ambit.tasks.create(terms);
  if (!answer.ok) throw new Error(answer.refusal.message);
  return answer.session.sessionId;
}

const store = (): string => `file:${join(folder, 'store')}`;
const fileOf = (kind: string, id: string): string =>
  join(folder, 'store', 'sessions', kind, mirrorFileName(id));
const read = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;

test('each session is a file that a person can open, as it was last', async () => {
  const ambit = await openAmbit({ storage: store() });
  const sessionId = await created(ambit);
  await ambit.tasks.use(sessionId, 'read_file');
  const path = fileOf('tasks', sessionId);
  await vi.waitFor(() => expect(read(path)['callsMade']).toBe(1), { timeout: 30_000 });
  await ambit.tasks.use(sessionId, 'read_file');
  await ambit.tasks.close(sessionId);
  await ambit.close();
  const content = read(path);
  expect(content).toMatchObject({ sessionId, callsMade: 2, status: 'closed', declaredIntent: 'to be read' });
  expect(new Date(content['createdAt'] as string).getTime()).toBe(content['createdAtMs']);
  expect(readFileSync(path, 'utf8')).not.toMatch(/token/i);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, 'store', 'sessions', 'tasks')).mode & 0o777).toBe(0o700);
  expect(readdirSync(join(folder, 'store', 'sessions')).toSorted()).toEqual(['tasks', 'transcripts']);
});

test('transcripts too, under ids of any kind, and gone with them', async () => {
  const ambit = await openAmbit({ storage: store() });
  const ids = ['../x', 'CON', 'NUL', 'x'.repeat(255)];
  for (const sessionId of ids) {
    const answer = await ambit.transcripts.create({ sessionId, agentId: 'agent' });
    expect(answer.ok, JSON.stringify(answer)).toBe(true);
    const appended = await ambit.transcripts.append(sessionId, [
      { type: 'message', message: { role: 'user', content: [{ type: 'text', text: `hello ${sessionId}` }] } },
    ]);
    expect(appended.ok, JSON.stringify(appended)).toBe(true);
  }
  await ambit.close();
  for (const sessionId of ids)
    expect(readFileSync(fileOf('transcripts', sessionId), 'utf8')).toContain(
      JSON.stringify(`hello ${sessionId}`),
    );
  const again = await openAmbit({ storage: store() });
  await again.transcripts.delete('../x');
  await again.close();
  expect(existsSync(fileOf('transcripts', '../x'))).toBe(false);
  expect(existsSync(fileOf('transcripts', 'CON'))).toBe(true);
  expect(readdirSync(folder)).toEqual(['store']);
});

test('a mirror that was deleted, or left behind by a process that was killed, is written anew', async () => {
  const ambit = await openAmbit({ storage: store() });
  const sessionId = await created(ambit);
  await ambit.close();
  const path = fileOf('tasks', sessionId);
  for (const spoil of [
    () => rmSync(join(folder, 'store', 'sessions'), { recursive: true }),
    () => {
      writeFileSync(path, '{}');
      writeFileSync(join(folder, 'store', 'sessions', 'unfinished'), '');
    },
  ]) {
    spoil();
    const again = await openAmbit({ storage: store() });
    await vi.waitFor(() => expect(read(path)['sessionId']).toBe(sessionId), { timeout: 30_000 });
    await again.close();
  }
});

test('is never read: what somebody writes there changes nothing', async () => {
  const ambit = await openAmbit({ storage: store() });
  const sessionId = await created(ambit);
  await ambit.close();
  const path = fileOf('tasks', sessionId);
  writeFileSync(path, readFileSync(path, 'utf8').replace('"callBudget": 1000', '"callBudget": 999999'));
  const again = await openAmbit({ storage: store() });
  const found = await again.tasks.get(sessionId);
  expect(found.ok && found.session.callBudget).toBe(1_000);
  await again.close();
});

test('can be had of any store, and be left out', async () => {
  const directory = join(folder, 'mirror');
  const ambit = await openAmbit({ storage: 'memory:', mirror: { directory } });
  const sessionId = await created(ambit);
  await ambit.close();
  expect(read(join(directory, 'tasks', mirrorFileName(sessionId)))).toMatchObject({ sessionId });
  const without = await openAmbit({ storage: store(), mirror: false });
  await created(without);
  await without.close();
  expect(existsSync(join(folder, 'store', 'sessions'))).toBe(false);
  await expect(openAmbit({ storage: 'memory:', mirror: { directory: 1 } as never })).rejects.toThrow(
    TypeError,
  );
});

test('a mirror that cannot be written leaves the store alone', async () => {
  const directory = join(folder, 'in-the-way');
  writeFileSync(directory, 'a file');
  const ambit = await openAmbit({ storage: 'memory:', mirror: { directory } });
  const sessionId = await created(ambit);
  expect((await ambit.tasks.use(sessionId, 'read_file')).ok).toBe(true);
  await ambit.close();
  expect(readFileSync(directory, 'utf8')).toBe('a file');
});
