import { copyStore, examineStore, openAmbit } from 'ambit';
import { expect, onTestFinished, test } from 'vitest';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sqliteStorage } from 'ambit/sqlite';
import type { Storage } from 'ambit/storage';
import { tmpdir } from 'node:os';

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'ambit-doctor-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

const statusOf = (report: Awaited<ReturnType<typeof examineStore>>): Record<string, string> =>
  Object.fromEntries(report.checks.map(({ name, status }) => [name, status]));

test('tells what a store is and that it counts exactly, and leaves what is in it alone', async () => {
  const url = `sqlite:${join(folder(), 'ambit.db')}`;
  const ambit = await openAmbit({ storage: url });
  const created = await ambit.tasks.create({ agentId: 'a', declaredIntent: 'x', authorizedTools: ['*'] });
  const report = await examineStore(url, { hammerMs: 200 });
  expect(report).toMatchObject({
    url,
    ok: true,
    backend: 'sqlite',
    durability: { level: 'power' },
    description: { schemaVersion: 1, warnings: [] },
    exactness: { openings: 4, failed: 0, cleanedUp: true },
  });
  expect(report.description?.server).toMatch(/^SQLite 3\.\d+\.\d+$/);
  expect(new Set(Object.values(statusOf(report)))).toEqual(new Set(['ok']));
  const listed = await ambit.tasks.list();
  expect(listed.ok && listed.sessions.map(({ sessionId }) => sessionId)).toEqual([
    created.ok && created.session.sessionId,
  ]);
  await ambit.close();
});

test('says in words what can be lost', async () => {
  const memory = await examineStore('memory:', { hammerMs: 50 });
  expect(memory.ok).toBe(true);
  expect(memory.checks.find(({ name }) => name === 'durability')?.message).toMatch(/nothing is kept/);
  const url = `sqlite:${join(folder(), 'ambit.db')}?durability=process`;
  const weaker = await examineStore(url, { hammerMs: 50 });
  expect(weaker.ok).toBe(true);
  expect(statusOf(weaker).durability).toBe('warning');
  expect(weaker.checks.find(({ name }) => name === 'durability')?.message).toMatch(/power can take the last/);
});

test('a store that cannot be opened is a report; what is no storage URL is thrown', async () => {
  const path = join(folder(), 'foreign.db');
  writeFileSync(path, 'not a database, '.repeat(200));
  const report = await examineStore(`sqlite:${path}`);
  expect(report).toMatchObject({ ok: false, error: { code: 'STORE_CORRUPT' } });
  expect(report.checks).toEqual([
    { name: 'reachable', status: 'failed', message: report.error?.message ?? 'no error' },
  ]);
  await expect(examineStore('nonsense')).rejects.toMatchObject({ code: 'INVALID_INPUT' });
});

test('says that a store is the target of a copy that is not finished, and does not write to it', async () => {
  const directory = folder();
  const [from, to] = [`sqlite:${join(directory, 'from.db')}`, `sqlite:${join(directory, 'to.db')}`];
  const ambit = await openAmbit({ storage: from });
  await ambit.tasks.create({ agentId: 'a', declaredIntent: 'x' });
  await ambit.close();
  await stoppedCopy(from, join(directory, 'to.db'));
  const report = await examineStore(to, { hammerMs: 50 });
  expect(report.ok).toBe(false);
  expect(report.checks.find(({ name }) => name === 'copy')).toEqual({
    name: 'copy',
    status: 'failed',
    message: expect.stringMatching(
      /^this store is the target of a copy of sqlite:.* that is not finished; resume it/,
    ),
  });
  expect(report.exactness).toBeUndefined();
  expect(await copyStore({ from, to })).toMatchObject({ resumed: true, mended: 0 });
  expect(statusOf(await examineStore(to, { hammerMs: 50 }))).not.toHaveProperty('copy');
});

async function stoppedCopy(from: string, path: string): Promise<void> {
  const to = await sqliteStorage({ path });
  let left = 1;
  const stopped: Storage = {
    ...to,
    capabilities: to.capabilities,
    commit(transactions) {
      if (left-- <= 0) throw new Error('stopped');
      return to.commit(transactions);
    },
  };
  try {
    await expect(copyStore({ from, to: stopped })).rejects.toThrow('stopped');
  } finally {
    await to.close();
  }
}
