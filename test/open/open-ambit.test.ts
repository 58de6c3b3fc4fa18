import { afterEach, expect, it } from 'vitest';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type Ambit, type AmbitOptions, openAmbit } from 'ambit';
import { join } from 'node:path';
import { memoryStorage } from 'ambit/memory';
import { sqliteStorage } from 'ambit/sqlite';
import Sqlite from 'better-sqlite3';
import { tmpdir } from 'node:os';

const directory = mkdtempSync(join(tmpdir(), 'ambit-open-'));
const opened: Ambit[] = [];
let files = 0;

afterEach(async () => {
  for (const ambit of opened.splice(0)) await ambit.close();
});

const newPath = (): string => join(directory, `${files++}.db`);

async function open(options: AmbitOptions): Promise<Ambit> {
  const ambit = await openAmbit(options);
  opened.push(ambit);
  return ambit;
}

it('opens a URL, keeps what it acknowledged, and answers no more after close', async () => {
  const path = newPath();
  const first = await open({ storage: `sqlite:${path}` });
  const created = await first.tasks.create({ agentId: 'a', declaredIntent: 'x', authorizedTools: ['*'] });
  const id = created.ok ? created.session.sessionId : '';
  await first.tasks.use(id, 'tool');
  await first.close();
  expect(await first.tasks.use(id, 'tool')).toMatchObject({ refusal: { code: 'STORAGE_UNAVAILABLE' } });
  const second = await open({ storage: `sqlite:${path}?eventLoop=free` });
  expect(await second.tasks.get(id)).toMatchObject({ session: { callsMade: 1 } });
});

it('refuses a store that keeps less than was asked for, and says how to accept it', async () => {
  await expect(open({ storage: `sqlite:${newPath()}?durability=process` })).rejects.toThrow(
    /durability: 'process'/,
  );
  await expect(open({ storage: memoryStorage() })).rejects.toMatchObject({ code: 'DURABILITY_TOO_WEAK' });
  await expect(open({ storage: 'memory:', durability: 'power' })).rejects.toMatchObject({
    code: 'DURABILITY_TOO_WEAK',
  });
  expect((await open({ storage: 'memory:' })).capabilities.durability.level).toBe('none');
  expect((await open({ storage: memoryStorage(), durability: 'none' })).capabilities.name).toBe('memory');
});

it('takes a store for itself alone', async () => {
  const storage = await sqliteStorage({ path: newPath() });
  await open({ storage });
  await expect(open({ storage })).rejects.toThrow(/in use by another Ambit/);
});

it('keeps its files to their owner', async () => {
  const nested = join(directory, 'made-by-us', 'ambit.db');
  const ambit = await open({ storage: `sqlite:${nested}` });
  await ambit.tasks.create({ agentId: 'a', declaredIntent: 'x' });
  expect(statSync(join(directory, 'made-by-us')).mode & 0o777).toBe(0o700);
  for (const file of [nested, `${nested}-wal`, `${nested}-shm`])
    expect(statSync(file).mode & 0o777).toBe(0o600);
});

it('says in one line what is wrong with a file', async () => {
  const notOne = newPath();
  writeFileSync(notOne, 'this is not a database, however long it may be'.repeat(100));
  await expect(open({ storage: `sqlite:${notOne}` })).rejects.toMatchObject({ code: 'STORE_CORRUPT' });

  const foreign = newPath();
  new Sqlite(foreign).exec('CREATE TABLE theirs (x)').close();
  await expect(open({ storage: `sqlite:${foreign}` })).rejects.toThrow(/another program/);

  const newer = newPath();
  await (await openAmbit({ storage: `sqlite:${newer}` })).close();
  const raw = new Sqlite(newer);
  raw.pragma('user_version = 99');
  raw.close();
  await expect(open({ storage: `sqlite:${newer}` })).rejects.toMatchObject({ code: 'STORE_SCHEMA_TOO_NEW' });

  const inFile = join(newer, 'below.db');
  await expect(open({ storage: `sqlite:${inFile}` })).rejects.toMatchObject({ code: 'INVALID_INPUT' });
});

it('names a setting that is out of its bounds', async () => {
  await expect(open({ storage: 'memory:', tasks: { sessionsPerAgentMax: 0 } })).rejects.toThrow(
    /from 1 to 1000/,
  );
  await expect(open({ storage: 'memory:', tasks: { retentionMs: -1 } })).rejects.toThrow(/retentionMs/);
  await expect(open({ storage: 'memory:', sweepEveryMs: 5 })).rejects.toThrow(/sweepEveryMs/);
});

it('takes no option that it does not know, and none of the wrong kind', async () => {
  const path = newPath();
  const storage = `sqlite:${path}`;
  const wrong = (options: object): Promise<Ambit> => open(options as AmbitOptions);
  // A level that there is not: every store would be more than it.
  await expect(wrong({ storage: 'memory:', durability: 'pwoer' })).rejects.toThrow(/durability is "pwoer"/);
  for (const [options, words] of [
    [{ storage, durabilty: 'process' }, /durabilty is no option/],
    [{ storage, tasks: { retentionMS: 1 } }, /tasks\.retentionMS is no setting/],
    [{ storage, cacheBytesMax: Number.NaN }, /cacheBytesMax is NaN/],
    [{ storage, cacheBytesMax: -1 }, /cacheBytesMax is -1/],
    [{ storage, sweepEveryMs: 2 ** 31 }, /sweepEveryMs is 2147483648/],
    [{}, /storage must be a URL/],
    [{ storage: null }, /storage must be a URL/],
    [undefined, /an object of options/],
  ] as const)
    await expect(wrong(options as object)).rejects.toThrow(words);
});

it('closes once, however often it is told to, and answers what was asked before', async () => {
  const ambit = await open({ storage: `sqlite:${newPath()}?eventLoop=free` });
  const created = await ambit.tasks.create({ agentId: 'a', declaredIntent: 'x', authorizedTools: ['*'] });
  const id = created.ok ? created.session.sessionId : '';
  const answers = Array.from({ length: 10 }, () => ambit.tasks.use(id, 'tool'));
  await Promise.all([ambit.close(), ambit.close(), ambit.close()]);
  expect((await Promise.all(answers)).filter((answer) => answer.ok)).toHaveLength(10);
  await ambit.close();
});

process.on('exit', () => {
  chmodSync(directory, 0o700);
  rmSync(directory, { recursive: true, force: true });
});
