import { describe, expect, onTestFinished, test } from 'vitest';
import { encodeKey, type Key } from 'ambit/storage';
import { openStore, testDirectory } from './sqlite-files.js';
import { commitOk, put } from '../../src/testing/contract/contract-words.js';
import { chmodSync, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { dirname, join } from 'node:path';
import { execFileSync, spawn } from 'node:child_process';

const counter = encodeKey(['counter']);
const child = fileURLToPath(new URL('sqlite-child.ts', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));

interface Child {
  /** What it says next; undefined once it has ended. */
  next(): Promise<unknown>;
  /** All it says until its end. */
  rest(): Promise<unknown[]>;
  kill(): void;
  readonly ended: Promise<number | null>;
}

/** Starts a process of its own. `before` is a shell command in whose limits it runs. */
function start(args: readonly string[], before = ':'): Child {
  const command = `${before} && exec "$@"`;
  const started = spawn('sh', ['-c', command, 'sh', process.execPath, '--import', 'tsx', child, ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void started.kill('SIGKILL'));
  const ended = new Promise<number | null>((resolve) => started.once('exit', resolve));
  const lines = createInterface({ input: started.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => {
    const line = (await lines.next()) as IteratorResult<string, undefined>;
    return line.value === undefined ? undefined : JSON.parse(line.value);
  };
  return {
    next,
    async rest() {
      const said: unknown[] = [];
      for (let line = await next(); line !== undefined; line = await next()) said.push(line);
      return said;
    },
    kill: () => void started.kill('SIGKILL'),
    ended,
  };
}

async function counted(path: string): Promise<unknown> {
  const storage = await openStore(path);
  return (await storage.read([counter])).records[0]?.value.json;
}

describe.each(['fast', 'free'] as const)('processes on one file (%s)', (eventLoop) => {
  test('8 open a new file at once, and lose no count between them', { timeout: 120_000 }, async () => {
    const path = join(testDirectory(), 'data', 'ambit.db');
    const children = Array.from({ length: 8 }, () => start(['count', path, eventLoop, '25']));
    const said = await Promise.all(children.map((one) => one.rest()));
    expect(await Promise.all(children.map((one) => one.ended))).toEqual(Array(8).fill(0));
    expect(said.map((lines) => lines.length)).toEqual(Array(8).fill(1));
    expect(await counted(path)).toBe(8 * 25);
  });

  test('kill -9 of one that holds the lock: the others go on, without what it decided', async () => {
    const path = join(testDirectory(), 'ambit.db');
    const storage = await openStore(path, { eventLoop });
    const holder = start(['hold', path, eventLoop]);
    expect(await holder.next()).toBe('holding');
    let answered = false;
    const waiting = commitOk(storage, put(encodeKey(['other']), null, 1)).then(() => (answered = true));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(answered).toBe(false);
    holder.kill();
    await holder.ended;
    await waiting;
    const counting = start(['count', path, eventLoop, '4']);
    expect(await counting.ended).toBe(0);
    expect(await counted(path)).toBe(4);
  });

  test('kill -9 amid commits: what was answered is there', async () => {
    const path = join(testDirectory(), 'ambit.db');
    for (let round = 0; round < 3; round++) {
      const writer = start(['writeForEver', `${path}${round}`, eventLoop]);
      const answered: Key[] = [];
      while (answered.length < 40 * (round + 1)) answered.push(((await writer.next()) as { key: Key }).key);
      writer.kill();
      for (const line of await writer.rest()) answered.push((line as { key: Key }).key);
      const storage = await openStore(`${path}${round}`);
      const { records } = await storage.read(answered);
      expect(records.filter((record) => record === undefined)).toEqual([]);
      const all = await storage.range({ start: encodeKey(['n']), end: encodeKey(['o']), limit: 1_000 });
      // One commit was under way at most.
      expect(all.records.length - answered.length).toBeLessThanOrEqual(1);
      // What the killed process left in the log was moved into the file before anything was answered.
      execFileSync('cp', [`${path}${round}`, `${path}-alone`]);
      const alone = await openStore(`${path}-alone`);
      expect((await alone.read(answered)).records.filter((record) => record === undefined)).toEqual([]);
      await alone.close();
    }
  });

  test('a process that has nothing under way ends by itself, and one that has does not lose it', async () => {
    for (const scenario of ['leave', 'leaveInFlight']) {
      const path = join(testDirectory(), 'ambit.db');
      const leaving = start([scenario, path, eventLoop]);
      expect(await leaving.rest()).toEqual(['ok']);
      expect(await leaving.ended).toBe(0);
      expect(await counted(path)).toBe(1);
    }
  });

  test('a disk that takes no more: refused as unknown or none, and nothing answered is lost', async () => {
    const path = join(testDirectory(), 'ambit.db');
    // The kernel lets no file of this process grow past 600 blocks of 512 bytes (of 1,024 with some shells).
    const writer = start(['writeForEver', path, eventLoop], 'ulimit -f 600');
    const said = (await writer.rest()) as { key: Key; status?: string; code?: string; outcome?: string }[];
    expect(await writer.ended).toBe(0);
    const answered = said.filter(({ status }) => status === 'ok').map(({ key }) => key);
    const [failed, reading] = said.slice(answered.length);
    expect(failed).toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(['none', 'unknown']).toContain(failed?.outcome);
    expect(reading).toBeDefined();
    expect(answered.length).toBeGreaterThan(30);
    const storage = await openStore(path);
    const { records } = await storage.range({ start: encodeKey(['n']), end: encodeKey(['o']), limit: 1_000 });
    const stored = new Set(records.map(({ key }) => key));
    expect(answered.filter((key) => !stored.has(key))).toEqual([]);
    expect(stored.size - answered.length).toBeLessThanOrEqual(failed?.outcome === 'none' ? 0 : 1);
  });

  test('a file that may not be written is refused in one line', async (context) => {
    if (!isReadableByAll(child))
      context.skip('only root may read this checkout, so nobody else can run its code');
    const directory = testDirectory();
    const path = join(directory, 'ambit.db');
    await (await openStore(path)).close();
    chmodSync(path, 0o444);
    const [said] = await start(['stranger', path, eventLoop]).rest();
    expect(said).toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect((said as { message: string }).message).toMatch(/^sqlite: .*may not be written.*$/);
  });
});

/** Root may write everything, so the test becomes another user; who must be able to load the program. */
function isReadableByAll(file: string): boolean {
  if (process.getuid?.() !== 0) return true;
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o5) !== 0o5) return false;
    if (folder === dirname(folder)) return true;
  }
}
