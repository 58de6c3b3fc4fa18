import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import {
  copyFileSync,
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { encodeKey, type Storage, Value } from 'ambit/storage';
import { type FileStorageOptions, fileStorage } from 'ambit/file';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { spawn, spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';

let folder = '';
let path = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ambit-file-'));
  path = join(folder, 'store');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function opened(options: Partial<FileStorageOptions> = {}): Promise<Storage> {
  const storage = await fileStorage({ path, ...options });
  onTestFinished(async () => storage.close());
  return storage;
}

async function put(storage: Storage, name: string, text: string = name): Promise<void> {
  const { outcomes } = await storage.commit([
    {
      writes: [{ kind: 'put', key: encodeKey([name]), expected: null, version: name, value: Value.of(text) }],
    },
  ]);
  expect(outcomes).toEqual([{ status: 'ok' }]);
}

const child = fileURLToPath(new URL('file-child.ts', import.meta.url));

describe('the owner of a store', () => {
  test(
    'is one at a time: another one waits, is told who it is, and gets it once that is killed',
    { timeout: 120_000 },
    async () => {
      const owner = spawn(process.execPath, ['--import', 'tsx', child, path], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      onTestFinished(() => void owner.kill('SIGKILL'));
      await new Promise((resolve) => owner.stdout.once('data', resolve));
      const startMs = performance.now();
      await expect(fileStorage({ path })).rejects.toMatchObject({
        code: 'STORE_LOCKED',
        message: expect.stringContaining(`process ${owner.pid} on `) as string,
      });
      expect(performance.now() - startMs).toBeGreaterThan(4_900);
      // A stopped process keeps it: there is no heartbeat to lose.
      owner.kill('SIGSTOP');
      await expect(fileStorage({ path })).rejects.toMatchObject({ code: 'STORE_LOCKED' });
      const waiting = fileStorage({ path });
      owner.kill('SIGKILL');
      const storage = await waiting;
      await put(storage, 'mine');
      await storage.close();
    },
  );

  test('is one in a process, too; and who lets go lets the next one in', { timeout: 60_000 }, async () => {
    const first = await opened();
    await put(first, 'a');
    await expect(fileStorage({ path })).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    const next = opened();
    await first.close();
    await put(await next, 'b');
  });

  test.each([
    ['removed', () => rmSync(join(path, 'lock'))],
    ['replaced', () => (rmSync(join(path, 'lock')), writeFileSync(join(path, 'lock'), ''))],
  ])(
    'stays the only one when `lock` is %s, also while it goes on in new journals',
    { timeout: 120_000 },
    async (_, harm) => {
      const first = await opened();
      await put(first, 'a');
      harm();
      const waiting = fileStorage({ path }).then(
        () => 'opened',
        (error: unknown) => error,
      );
      const text = 'x'.repeat(1_000_000);
      for (let number = 0; number < 80; number++) await put(first, `${number}`, text);
      expect(readdirSync(path)).not.toContain('journal-00000001');
      expect(await waiting).toMatchObject({ code: 'STORE_LOCKED' });
      await put(first, 'b');
      await first.close();
      const next = await opened();
      const { records } = await next.read([encodeKey(['a']), encodeKey(['79']), encodeKey(['b'])]);
      expect(records.map((record) => record?.value.json)).toEqual(['a', text, 'b']);
    },
  );

  test.each([
    ['removed', (journal: string) => rmSync(journal)],
    [
      'replaced by a copy, as a backup that is put back does',
      (journal: string) => {
        const bytes = readFileSync(journal);
        rmSync(journal);
        writeFileSync(journal, bytes);
      },
    ],
    [
      'replaced by a copy, while a backup of hard links keeps it alive,',
      (journal: string) => {
        linkSync(journal, join(journal, '..', '..', 'kept'));
        const bytes = readFileSync(journal);
        rmSync(journal);
        writeFileSync(journal, bytes);
      },
    ],
    [
      'renamed, with a copy in its place,',
      (journal: string) => {
        renameSync(journal, `${journal}.aside`);
        copyFileSync(`${journal}.aside`, journal);
      },
    ],
  ])('grants nothing in a journal that was %s under it', { timeout: 60_000 }, async (_, harm) => {
    const first = await opened();
    await put(first, 'a');
    harm(join(path, 'journal-00000001'));
    for (let again = 0; again < 2; again++) {
      await expect(put(first, 'b')).rejects.toMatchObject({
        code: 'STORAGE_UNAVAILABLE',
        outcome: 'none',
        message: expect.stringMatching(/journal-00000001: it was removed or replaced/) as string,
      });
      await expect(first.read([encodeKey(['a'])])).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    }
    await first.close();
    expect(readdirSync(path)).not.toContain('journal-00000002');
  });

  test('grants nothing, and touches nothing, where its directory was moved and a copy of it put in its place', async () => {
    const first = await opened();
    await put(first, 'a');
    renameSync(path, `${path}.aside`);
    cpSync(`${path}.aside`, path, { recursive: true });
    const second = await opened();
    const keys = Array.from({ length: 40 }, (_, n) => `of the second ${n}`);
    for (const key of keys) await put(second, key);
    for (let again = 0; again < 40; again++)
      await expect(put(first, 'b')).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', outcome: 'none' });
    await first.close();
    await second.close();
    const third = await opened();
    const { records } = await third.read(keys.map((key) => encodeKey([key])));
    expect(records.filter((record) => record === undefined)).toEqual([]);
    await third.close();
  });

  test('lets go of a store that cannot be opened', async () => {
    await (await opened()).close();
    const journal = join(path, 'journal-00000001');
    const bytes = readFileSync(journal);
    bytes[3] = 0;
    writeFileSync(journal, bytes);
    for (let again = 0; again < 2; again++) {
      await expect(fileStorage({ path })).rejects.toMatchObject({
        code: 'STORE_CORRUPT',
        message: expect.stringMatching(/journal-00000001, at byte 0: .*damaged/) as string,
      });
    }
  });
});

describe('opening', () => {
  test('makes a directory for its owner only', async () => {
    const storage = await opened();
    await put(storage, 'a');
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(readdirSync(path).toSorted()).toEqual(['journal-00000001', 'lock', 'manifest']);
    for (const name of readdirSync(path)) expect(statSync(join(path, name)).mode & 0o777).toBe(0o600);
  });

  test(
    'flushes what the store is named in, whoever made its directory: that process may have died before it did',
    { timeout: 120_000 },
    () => {
      mkdirSync(path);
      const trace = join(folder, 'trace');
      const traced = ['-f', '-qq', '-y', '-o', trace, '-e', 'trace=fsync,pwrite64'];
      const { status, stderr } = spawnSync(
        'strace',
        [...traced, process.execPath, '--import', 'tsx', child, path, 'once'],
        { encoding: 'utf8' },
      );
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      const calls = readFileSync(trace, 'utf8').split('\n');
      const at = calls.findIndex((line) => line.includes('fsync(') && line.includes(`<${folder}>`));
      expect(at).toBeGreaterThanOrEqual(0);
      expect(at).toBeLessThan(
        calls.findIndex((line) => line.includes('pwrite64(') && line.includes('journal-')),
      );
    },
  );

  test('reports what it cut of a group that was not acknowledged, and the examination says so', async () => {
    await put(await opened({}).then(async (storage) => (await put(storage, 'kept'), storage)), 'torn');
    // As if the process had been killed: another directory with the same files.
    const copy = join(folder, 'copy');
    mkdirSync(copy);
    const bytes = readFileSync(join(path, 'journal-00000001'));
    bytes[512 + 512 + 45] = (bytes[512 + 512 + 45] ?? 0) ^ 1;
    writeFileSync(join(copy, 'journal-00000001'), bytes);
    writeFileSync(join(copy, 'manifest'), readFileSync(join(path, 'manifest')));
    const lines: string[] = [];
    const storage = await fileStorage({ path: copy, report: (line) => lines.push(line) });
    expect(lines).toEqual([expect.stringMatching(/copy\/journal-00000001: cut at byte 1024: [^\n]+$/)]);
    const { records } = await storage.read([encodeKey(['kept']), encodeKey(['torn'])]);
    expect(records.map((record) => record?.value.json)).toEqual(['kept', undefined]);
    const described = await storage.describe?.();
    expect(described?.facts['integrity']).toContain('cut at byte 1024');
    expect(Object.keys(described?.facts ?? {})).toEqual(
      expect.arrayContaining(['journal', 'snapshot', 'records']),
    );
    await storage.close();
    const again = await fileStorage({ path: copy, report: (line) => lines.push(line) });
    expect(lines).toHaveLength(1);
    await again.close();
  });

  test('a store whose newest journal is gone is not read as it was before that', async () => {
    const storage = await opened();
    // Enough for a second journal; opened again, both are read if there is no snapshot yet.
    const text = 'x'.repeat(1_000_000);
    for (let number = 0; number < 40; number++) await put(storage, `${number}`, text);
    await put(storage, 'last');
    await storage.close();
    const journals = readdirSync(path).filter((name) => name.startsWith('journal-'));
    const newest = journals.toSorted().at(-1) as string;
    expect(newest).not.toBe('journal-00000001');
    rmSync(join(path, newest));
    for (let again = 0; again < 2; again++) {
      await expect(fileStorage({ path })).rejects.toMatchObject({
        code: 'STORE_CORRUPT',
        message: expect.stringMatching(new RegExp(`/${newest}, at byte 0: it is missing`)) as string,
      });
    }
  });

  test('a damaged manifest says how the rest is opened without a backup', async () => {
    const storage = await opened();
    await put(storage, 'a');
    await storage.close();
    const manifest = join(path, 'manifest');
    writeFileSync(manifest, '');
    await expect(fileStorage({ path })).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      message: expect.stringMatching(/manifest, at byte 0: .* remove this file: it is made anew/) as string,
    });
    rmSync(manifest);
    const again = await opened();
    expect((await again.read([encodeKey(['a'])])).records[0]?.value.json).toBe('a');
  });

  test('a store whose files are gone is not a new one', async () => {
    const storage = await opened();
    await put(storage, 'a');
    await storage.close();
    rmSync(join(path, 'journal-00000001'));
    await expect(fileStorage({ path })).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      message: expect.stringMatching(/journal-00000001, at byte 0: it is missing/) as string,
    });
    rmSync(join(path, 'manifest'));
    await put(await opened(), 'a');
  });

  test.each([
    ['a file', () => writeFileSync(path, ''), 'INVALID_INPUT', /is a file, and a store is a directory/],
    [
      'no directory above',
      () => (path = join(folder, 'no', 'such')),
      'INVALID_INPUT',
      /directory above .* does not exist/,
    ],
    ['an empty path', () => (path = ''), 'INVALID_INPUT', /is not the path of a directory/],
    ['a NUL', () => (path = 'a\0b'), 'INVALID_INPUT', /is not the path of a directory/],
  ])('%s is refused in one line', async (_, prepare, code, message) => {
    prepare();
    await expect(fileStorage({ path })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    });
  });

  test('options of a wrong kind are refused', async () => {
    await expect(fileStorage({ path, durability: 'none' as never })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
    await expect(fileStorage({ path: 1 as never })).rejects.toThrow(TypeError);
    await expect(fileStorage({ path, clock: 1 as never })).rejects.toThrow(TypeError);
    await expect(fileStorage({ path, report: 1 as never })).rejects.toThrow(TypeError);
  });
});
