import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Ambit, type JsonFields, openAmbit } from 'ambit';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { memoryStorage } from 'ambit/memory';
import { mirrorFileName } from '../../src/mirror/mirror-names.js';
import { type Storage, StorageUnavailableError } from 'ambit/storage';
import { tmpdir } from 'node:os';

let folder = '';
const warnings: string[] = [];
const onWarning = (warning: Error): void => {
  if (warning.name === 'AmbitWarning') warnings.push(warning.message);
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ambit-mirror-'));
  warnings.length = 0;
  process.on('warning', onWarning);
});
afterEach(() => {
  process.off('warning', onWarning);
  rmSync(folder, { recursive: true, force: true });
});

const patient = { timeout: 60_000, interval: 20 };
const store = (): string => `file:${join(folder, 'store')}`;
const sessions = (): string => join(folder, 'store', 'sessions');
const fileOf = (kind: string, id: string): string => join(sessions(), kind, mirrorFileName(id));
const read = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
const isThere = (path: string): boolean => existsSync(path);

async function created(ambit: Ambit): Promise<string> {
  const terms = { agentId: 'agent', declaredIntent: 'to be read', authorizedTools: ['read_file'] };
  const answer = await ambit.tasks.create(terms);
  if (!answer.ok) throw new Error(answer.refusal.message);
  return answer.session.sessionId;
}

async function told(ambit: Ambit, sessionId: string): Promise<void> {
  expect(await ambit.transcripts.create({ sessionId, agentId: 'agent' })).toMatchObject({ ok: true });
}

describe('what changed while nobody mirrored', () => {
  test('is found at the next opening: files that are missing, old, or of sessions that are gone', async () => {
    const ambit = await openAmbit({ storage: store() });
    const [changed, missing] = [await created(ambit), await created(ambit)];
    for (const id of ['deleted', '../x', 'x'.repeat(255), 'kept']) await told(ambit, id);
    await ambit.close();
    expect(isThere(join(sessions(), 'unfinished'))).toBe(false);

    const without = await openAmbit({ storage: store(), mirror: false });
    await without.tasks.use(changed, 'read_file');
    for (const id of ['deleted', '../x', 'x'.repeat(255)])
      expect(await without.transcripts.delete(id)).toMatchObject({ ok: true });
    await told(without, 'CON');
    await without.close();
    rmSync(fileOf('tasks', missing));
    writeFileSync(fileOf('transcripts', 'kept'), '{}');

    const again = await openAmbit({ storage: store() });
    await vi.waitFor(() => {
      expect(read(fileOf('tasks', changed))['callsMade']).toBe(1);
      expect(read(fileOf('tasks', missing))['sessionId']).toBe(missing);
      expect(readdirSync(join(sessions(), 'transcripts')).toSorted()).toEqual(
        [mirrorFileName('CON'), mirrorFileName('kept')].toSorted(),
      );
      expect(read(fileOf('transcripts', 'kept'))['session']).toMatchObject({ sessionId: 'kept' });
    }, patient);
    await again.close();
  });

  test('as well after a process that was killed before it had written them', async () => {
    const ambit = await openAmbit({ storage: store() });
    for (const id of ['a', 'b']) await told(ambit, id);
    await ambit.close();
    // What a kill leaves: files of a session that the store had deleted by then, and the name of a file half written.
    const copy = join(folder, 'copy');
    renameSync(sessions(), copy);
    const without = await openAmbit({ storage: store(), mirror: false });
    await without.transcripts.delete('a');
    await without.close();
    renameSync(copy, sessions());
    writeFileSync(join(sessions(), 'unfinished'), '');
    const half = join(sessions(), 'transcripts', '.ambit-0123456789abcdef.new');
    writeFileSync(half, '{"half');
    const long = new Date(Date.now() - 3_600_000);
    utimesSync(half, long, long);
    const again = await openAmbit({ storage: store() });
    await vi.waitFor(
      () => expect(readdirSync(join(sessions(), 'transcripts'))).toEqual([mirrorFileName('b')]),
      patient,
    );
    await again.close();
    expect(readdirSync(sessions()).toSorted()).toEqual(['tasks', 'transcripts']);
  });

  test('and what people put there is left alone', async () => {
    const ambit = await openAmbit({ storage: store() });
    await told(ambit, 'gone');
    const task = await created(ambit);
    await ambit.close();
    const theirs: Record<string, string> = {
      'notes.json': '{"sessionId":"notes"}',
      'notes.txt': 'mine',
      'gone-copy.json': readFileSync(fileOf('transcripts', 'gone'), 'utf8'),
      '.hidden': '',
      'empty.json': '',
      'README.md': '# here',
    };
    for (const [name, text] of Object.entries(theirs)) {
      writeFileSync(join(sessions(), 'transcripts', name), text);
      writeFileSync(join(sessions(), 'tasks', name), text);
    }
    mkdirSync(join(sessions(), 'transcripts', 'folder.json'));
    // Under the name of a session that is deleted as well: it is not what was written there.
    writeFileSync(fileOf('transcripts', 'replaced'), 'my own');
    const without = await openAmbit({ storage: store(), mirror: false });
    await without.transcripts.delete('gone');
    await without.close();
    const again = await openAmbit({ storage: store() });
    await vi.waitFor(() => expect(isThere(fileOf('transcripts', 'gone'))).toBe(false), patient);
    await told(again, 'last');
    await vi.waitFor(() => expect(isThere(fileOf('transcripts', 'last'))).toBe(true), patient);
    await again.close();
    for (const kind of ['transcripts', 'tasks'])
      for (const [name, text] of Object.entries(theirs))
        expect(readFileSync(join(sessions(), kind, name), 'utf8')).toBe(text);
    expect(statSync(join(sessions(), 'transcripts', 'folder.json')).isDirectory()).toBe(true);
    expect(readFileSync(fileOf('transcripts', 'replaced'), 'utf8')).toBe('my own');
    expect(isThere(fileOf('tasks', task))).toBe(true);
    expect(warnings).toEqual([]);
  });

  test('touches no file that is as it should be', async () => {
    const ambit = await openAmbit({ storage: store() });
    const [one, other] = [await created(ambit), await created(ambit)];
    await ambit.close();
    const old = new Date(Date.now() - 3_600_000);
    for (const id of [one, other]) utimesSync(fileOf('tasks', id), old, old);
    rmSync(fileOf('tasks', other));
    const again = await openAmbit({ storage: store() });
    await vi.waitFor(() => expect(isThere(fileOf('tasks', other))).toBe(true), patient);
    await again.close();
    expect(Math.round(statSync(fileOf('tasks', one)).mtimeMs)).toBe(old.getTime());
  });
});

describe('what cannot be written', () => {
  test('one file: it is said once, the others are written, and it is written when it can be', async () => {
    const ambit = await openAmbit({ storage: store() });
    const [one, other] = [await created(ambit), await created(ambit)];
    await vi.waitFor(() => expect(isThere(fileOf('tasks', other))).toBe(true), patient);
    await vi.waitFor(() => expect(isThere(fileOf('tasks', one))).toBe(true), patient);
    rmSync(fileOf('tasks', one));
    mkdirSync(fileOf('tasks', one));
    for (const id of [one, other]) expect(await ambit.tasks.use(id, 'read_file')).toMatchObject({ ok: true });
    await vi.waitFor(() => {
      expect(read(fileOf('tasks', other))['callsMade']).toBe(1);
      expect(warnings).toEqual([expect.stringMatching(/^mirror: .*\.json cannot be written \(EISDIR\)/)]);
    }, patient);
    await ambit.tasks.use(other, 'read_file');
    await vi.waitFor(() => expect(read(fileOf('tasks', other))['callsMade']).toBe(2), patient);
    rmdirSync(fileOf('tasks', one));
    await vi.waitFor(() => expect(read(fileOf('tasks', one))['callsMade']).toBe(1), patient);
    await ambit.close();
    expect(warnings).toHaveLength(1);
    expect(readdirSync(sessions()).toSorted()).toEqual(['tasks', 'transcripts']);
    expect(readdirSync(join(sessions(), 'tasks'))).toHaveLength(2);
  });

  test('all of it: it is said once, no call fails, and all is written when it can be', async () => {
    const directory = join(folder, 'in-the-way');
    writeFileSync(directory, 'a file');
    const ambit = await openAmbit({ storage: 'memory:', mirror: { directory } });
    const ids: string[] = [];
    for (let index = 0; index < 30; index++) {
      const agentId = `agent-${index}`;
      const answer = await ambit.tasks.create({ agentId, declaredIntent: 'x', authorizedTools: ['*'] });
      if (answer.ok) ids.push(answer.session.sessionId);
    }
    await vi.waitFor(
      () =>
        expect(warnings).toEqual([expect.stringMatching(/^mirror: .*in-the-way.* \((?:ENOTDIR|EEXIST)\)/)]),
      patient,
    );
    for (const id of ids) expect(await ambit.tasks.use(id, 'tool')).toMatchObject({ ok: true });
    rmSync(directory);
    await vi.waitFor(() => {
      for (const id of ids) expect(read(join(directory, 'tasks', mirrorFileName(id)))['callsMade']).toBe(1);
    }, patient);
    await ambit.close();
    expect(warnings).toHaveLength(1);
    expect(readdirSync(directory).toSorted()).toEqual(['tasks', 'transcripts']);
  });

  test('a directory that goes away is made anew, with all files', async () => {
    const ambit = await openAmbit({ storage: store() });
    const [one, other] = [await created(ambit), await created(ambit)];
    await vi.waitFor(() => expect(isThere(fileOf('tasks', other))).toBe(true), patient);
    rmSync(sessions(), { recursive: true });
    await ambit.tasks.use(one, 'read_file');
    await vi.waitFor(() => {
      expect(read(fileOf('tasks', one))['callsMade']).toBe(1);
      expect(isThere(fileOf('tasks', other))).toBe(true);
    }, patient);
    await ambit.close();
  });
});

test('what was written although the reply was lost is in the files', async () => {
  const inner = memoryStorage();
  let commits = 0;
  const losing: Storage = {
    ...inner,
    capabilities: { ...inner.capabilities, immediate: false, sharing: 'network' },
    async commit(transactions) {
      const answer = await inner.commit(transactions);
      if (commits++ % 2 === 0) throw new StorageUnavailableError('lost', { outcome: 'unknown' });
      return answer;
    },
  };
  const directory = join(folder, 'mirror');
  const ambit = await openAmbit({ storage: losing, durability: 'none', mirror: { directory } });
  const sessionId = await created(ambit);
  const path = join(directory, 'tasks', mirrorFileName(sessionId));
  await vi.waitFor(() => expect(isThere(path)).toBe(true), patient);
  for (let calls = 1; calls <= 2; calls++) {
    expect(await ambit.tasks.use(sessionId, 'read_file')).toMatchObject({ ok: true });
    await vi.waitFor(() => expect(read(path)['callsMade']).toBe(calls), patient);
  }
  await ambit.close();
});

test('whatever is done to a session, its file says the same as the store', async () => {
  const directory = join(folder, 'mirror');
  const url = `sqlite:${join(folder, 'ambit.db')}`;
  const ambit = await openAmbit({ storage: url, mirror: { directory } });
  const ids: string[] = [];
  for (let index = 0; index < 5; index++) ids.push(await created(ambit));
  const [used, closed, extended, batch, last] = ids as [string, string, string, string, string];
  const text = (hello: string): object => ({ role: 'user', content: [{ type: 'text', text: hello }] });
  const message = (hello: string): { type: 'message'; message: JsonFields } => ({
    type: 'message',
    message: text(hello) as JsonFields,
  });
  const sessionId = 'conversation';
  const steps: (() => Promise<unknown>)[] = [
    () => ambit.tasks.use(used, 'read_file'),
    () => ambit.tasks.close(closed),
    () => ambit.tasks.extend(extended, { calls: 10, ms: 60_000 }),
    () => ambit.tasks.useBatch(batch, ['read_file', 'read_file']),
    () => ambit.transcripts.create({ sessionId, agentId: 'agent' }),
    () => ambit.transcripts.append(sessionId, [message('one'), message('two')]),
    () => ambit.transcripts.compact(sessionId, { to: 0, messages: [text('so far')] }),
    () => ambit.tasks.use(last, 'read_file'),
    () => ambit.tasks.closeAllForAgent('agent'),
  ];
  for (const step of steps) {
    expect(await step()).toMatchObject({ ok: true });
    await vi.waitFor(async () => {
      for (const id of ids) {
        const { session } = (await ambit.tasks.get(id)) as unknown as { session: object };
        expect(read(join(directory, 'tasks', mirrorFileName(id)))).toMatchObject(session);
      }
      const loaded = await ambit.transcripts.load(sessionId);
      const path = join(directory, 'transcripts', mirrorFileName(sessionId));
      expect(isThere(path)).toBe(loaded.ok);
      if (loaded.ok) expect(read(path)).toMatchObject(JSON.parse(JSON.stringify(loaded.transcript)));
    }, patient);
  }
  await ambit.close();
});

test('a store that does not answer for a while is said once, and its files are written afterwards', async () => {
  const inner = memoryStorage();
  let away = false;
  const answer = <T>(ask: () => T): T => {
    if (away) throw new StorageUnavailableError('it is away', { outcome: 'none' });
    return ask();
  };
  const storage: Storage = {
    ...inner,
    capabilities: { ...inner.capabilities, immediate: false, sharing: 'network' },
    read: (keys) => answer(() => inner.read(keys)),
    range: (query) => answer(() => inner.range(query)),
  };
  const directory = join(folder, 'mirror');
  const first = await openAmbit({ storage: { ...storage, close: () => {} }, durability: 'none' });
  const sessionId = await created(first);
  await first.close();
  const opening = openAmbit({ storage, durability: 'none', mirror: { directory } });
  const ambit = await opening;
  away = true;
  await vi.waitFor(() => expect(warnings).toHaveLength(1), patient);
  expect(warnings[0]).toMatch(/^mirror: .*it is away/);
  // Long enough for three tries.
  await new Promise((resolve) => setTimeout(resolve, 4_500));
  expect(warnings).toHaveLength(1);
  away = false;
  const path = join(directory, 'tasks', mirrorFileName(sessionId));
  await vi.waitFor(() => expect(read(path)['sessionId']).toBe(sessionId), patient);
  await ambit.close();
});

test('sessions that cannot be written do not hold up the others, however many they are', async () => {
  const ambit = await openAmbit({ storage: store() });
  const stuck = Array.from({ length: 12 }, (_, index) => `stuck-${index}`);
  for (const id of stuck) mkdirSync(fileOf('transcripts', id), { recursive: true });
  await Promise.all([...stuck, 'free'].map(async (id) => told(ambit, id)));
  await vi.waitFor(() => expect(isThere(fileOf('transcripts', 'free'))).toBe(true), patient);
  await vi.waitFor(() => expect(warnings).toHaveLength(1), patient);
  for (let round = 0; round < 3; round++) {
    await told(ambit, `free-${round}`);
    await vi.waitFor(() => expect(isThere(fileOf('transcripts', `free-${round}`))).toBe(true), patient);
  }
  for (const id of stuck) rmdirSync(fileOf('transcripts', id));
  await ambit.close();
  for (const id of stuck) expect(isThere(fileOf('transcripts', id))).toBe(true);
  expect(warnings).toHaveLength(1);
});
