import { expect, onTestFinished, test, vi } from 'vitest';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { mirrorFileName } from '../../src/mirror/mirror-names.js';
import { openAmbit } from 'ambit';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';

const child = fileURLToPath(new URL('mirror-child.js', import.meta.url));

async function killedAfter(url: string, ms: number): Promise<void> {
  const running = spawn(process.execPath, [child, url], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => running.once('close', (_code, signal) => resolve(signal)));
  await new Promise((resolve) => running.stdout.once('data', resolve));
  await new Promise((resolve) => setTimeout(resolve, ms));
  running.kill('SIGKILL');
  expect(await ended).toBe('SIGKILL');
}

test('a mirror that was killed at any moment is the same as its store soon after the next opening', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-mirror-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const url = `file:${join(folder, 'store')}`;
  const sessions = join(folder, 'store', 'sessions');
  for (const ms of [300, 1_050, 1_400]) await killedAfter(url, ms);
  expect(readdirSync(sessions)).toContain('unfinished');
  const ambit = await openAmbit({ storage: url });
  const tasks = new Map<string, unknown>();
  for (let cursor: string | undefined; ;) {
    const page = await ambit.tasks.list({ limit: 1_000, ...(cursor !== undefined && { cursor }) });
    if (!page.ok) throw new Error(page.refusal.message);
    for (const session of page.sessions) tasks.set(mirrorFileName(session.sessionId), session);
    cursor = page.cursor;
    if (cursor === undefined) break;
  }
  const listed = await ambit.transcripts.listIds({ limit: 1_000 });
  const ids = listed.ok ? listed.ids : expect.fail(listed.refusal.message);
  expect(tasks.size).toBeGreaterThan(20);
  expect(ids.length).toBeGreaterThan(20);
  await vi.waitFor(
    () => {
      expect(readdirSync(join(sessions, 'tasks')).filter(isWhole).toSorted()).toEqual(
        [...tasks.keys()].toSorted(),
      );
      expect(readdirSync(join(sessions, 'transcripts')).filter(isWhole).toSorted()).toEqual(
        ids.map(mirrorFileName).toSorted(),
      );
    },
    { timeout: 60_000, interval: 50 },
  );
  await ambit.close();
  for (const [name, session] of tasks)
    expect(JSON.parse(readFileSync(join(sessions, 'tasks', name), 'utf8'))).toMatchObject(session as object);
});

/** One that was half written when its process was killed is kept for a minute, since another may be writing it. */
function isWhole(name: string): boolean {
  return !name.endsWith('.new');
}
