import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  check,
  commitOk,
  commitOne,
  key,
  keysOf,
  put,
  readOne,
  statusesOf,
  transaction,
} from '../../src/testing/contract/contract-words.js';
import { connect, type SqliteConnection } from '../../src/storage/sqlite/sqlite-connection.js';
import { loadDriver, type SqliteDriver } from '../../src/storage/sqlite/sqlite-driver.js';
import { openStore, testDirectory, withDatabase } from './sqlite-files.js';
import { renameSync, rmSync } from 'node:fs';
import { type Storage, StorageUnavailableError } from 'ambit/storage';
import { createExecutor } from '../../src/storage/sqlite/sqlite-executor.js';
import Database from 'better-sqlite3';
import { join } from 'node:path';
import { SqliteAccess } from '../../src/storage/sqlite/sqlite-access.js';
import type { SqliteRecords } from '../../src/storage/sqlite/sqlite-records.js';
import { storageOnThisThread } from '../../src/storage/sqlite/sqlite-this-thread.js';

let driver: SqliteDriver;
beforeAll(async () => {
  driver = await loadDriver();
});

/** What goes wrong next, at which call of a connection. */
interface Fault {
  at: keyof SqliteConnection | keyof SqliteRecords;
  code: string;
  /** Whether the call does its work all the same. */
  done?: boolean;
}

/** A store over a real file whose connections fail as told. `opened` counts them. */
function faultyStore(path: string): { storage: Storage; fail: (fault: Fault) => void; opened: () => number } {
  let next: Fault | undefined;
  let opened = 0;
  const open = (): SqliteConnection => {
    opened++;
    const real = connect(driver, { path, durability: 'power' });
    return failing({ ...real, records: failing(real.records) });
  };
  /** The same methods, but the one that is to fail fails, once. */
  function failing<T extends object>(methods: T): T {
    return new Proxy(methods, {
      get(target, property) {
        const name = property as keyof T;
        const fault = next;
        if (fault?.at !== name) return target[name];
        return () => {
          next = undefined;
          if (fault.done) (target[name] as () => unknown)();
          throw Object.assign(new Error('a fault'), { code: fault.code });
        };
      },
    });
  }
  const access = new SqliteAccess(path, open(), open);
  const capabilities = Object.freeze({
    name: 'sqlite',
    durability: Object.freeze({ level: 'power' as const }),
    sharing: 'host' as const,
    locking: 'always' as const,
    immediate: false,
    groupTransactionsMax: 1_024,
  });
  const storage = storageOnThisThread(createExecutor(access, Date.now), capabilities, Date.now);
  onTestFinished(() => storage.close());
  return { storage, fail: (fault) => void (next = fault), opened: () => opened };
}

async function newStorePath(): Promise<string> {
  const path = join(testDirectory(), 'ambit.db');
  await (await openStore(path)).close();
  return path;
}

async function failureOf(call: () => unknown): Promise<StorageUnavailableError> {
  const error = await Promise.resolve()
    .then(call)
    .then(
      () => expect.fail('it answered'),
      (thrown: unknown) => thrown,
    );
  expect(error).toBeInstanceOf(StorageUnavailableError);
  expect((error as Error).message).toMatch(/^sqlite: [^\n]+$/);
  return error as StorageUnavailableError;
}

describe('a failed commit', () => {
  test.each([
    ['SQLITE_IOERR_FSYNC', 'unknown'],
    ['SQLITE_IOERR_WRITE', 'unknown'],
    ['SQLITE_IOERR_SHMSIZE', 'unknown'],
    ['SQLITE_NOMEM', 'unknown'],
    ['SQLITE_FULL', 'none'],
    ['SQLITE_BUSY', 'none'],
  ])('%s: its outcome is %s, nothing is visible, and the store goes on', async (code, outcome) => {
    const { storage, fail } = faultyStore(await newStorePath());
    fail({ at: 'commit', code });
    expect((await failureOf(() => commitOne(storage, put(key('a'), null, 1)))).outcome).toBe(outcome);
    expect(await readOne(storage, key('a'))).toBeUndefined();
    fail({ at: 'commit', code });
    const locked = await failureOf(() =>
      storage.locked([key('a')], () => [transaction(put(key('a'), null, 1))]),
    );
    expect(locked.outcome).toBe(outcome);
    await commitOk(storage, put(key('a'), null, 2));
    expect((await readOne(storage, key('a')))?.value.json).toBe(2);
  });

  test('after an I/O error the file is opened anew, after a full disk it is not', async () => {
    const { storage, fail, opened } = faultyStore(await newStorePath());
    fail({ at: 'commit', code: 'SQLITE_FULL' });
    await failureOf(() => commitOne(storage, put(key('a'), null, 1)));
    await readOne(storage, key('a'));
    expect(opened()).toBe(1);
    fail({ at: 'commit', code: 'SQLITE_IOERR_FSYNC' });
    await failureOf(() => commitOne(storage, put(key('a'), null, 1)));
    await readOne(storage, key('a'));
    expect(opened()).toBe(2);
  });

  test('that happened all the same is found by who sends it again', async () => {
    const { storage, fail } = faultyStore(await newStorePath());
    const write = put(key('a'), null, 1);
    fail({ at: 'commit', code: 'SQLITE_IOERR_FSYNC', done: true });
    expect((await failureOf(() => commitOne(storage, write))).outcome).toBe('unknown');
    const again = await commitOne(storage, write);
    expect(again).toMatchObject({ status: 'conflict', current: [{ version: write.version }] });
  });
});

describe('whatever fails before the commit wrote nothing', () => {
  const changing = (storage: Storage) => storage.commit([transaction(put(key('a'), null, 1))]);
  const checking = (storage: Storage) => storage.commit([transaction(check(key('a'), null))]);
  const locking = (storage: Storage) =>
    storage.locked([key('a')], () => [transaction(put(key('a'), null, 1))]);
  const lockingToNoEnd = (storage: Storage) =>
    storage.locked([key('a')], () => expect.fail('run was called'));
  const reading = (storage: Storage) => storage.read([key('a')]);
  const listing = (storage: Storage) => storage.range({ start: key('a'), end: key('b'), limit: 1 });
  const sweeping = (storage: Storage) => storage.sweep(1);

  test.each([
    ['begin', changing],
    ['head', changing],
    ['insert', changing],
    ['beginReading', checking],
    ['head', checking],
    ['begin', lockingToNoEnd],
    ['row', lockingToNoEnd],
    ['insert', locking],
    ['beginReading', reading],
    ['row', reading],
    ['range', listing],
    ['hasExpired', sweeping],
  ] as const)('%s fails', async (at, call) => {
    for (const code of ['SQLITE_IOERR_READ', 'SQLITE_FULL', 'SQLITE_CORRUPT']) {
      const { storage, fail } = faultyStore(await newStorePath());
      fail({ at, code });
      expect((await failureOf(() => call(storage))).outcome).toBe('none');
      expect(await readOne(storage, key('a'))).toBeUndefined();
      await commitOk(storage, put(key('a'), null, 1));
    }
  });

  test('a value that cannot be written is an error of its caller, and leaves no lock behind', async () => {
    const { storage } = faultyStore(await newStorePath());
    const circular: { self?: unknown } = {};
    circular.self = circular;
    await expect(
      (async () => storage.commit([transaction(put(key('a'), null, 1), put(key('b'), null, circular))]))(),
    ).rejects.toThrow(TypeError);
    expect(await readOne(storage, key('a'))).toBeUndefined();
    await commitOk(storage, put(key('b'), null, 1));
  });
});

describe('a full disk', () => {
  test('refuses what does not fit, keeps what was answered, and goes on when there is space', async () => {
    const path = await newStorePath();
    let pagesMax = 60;
    const limited = class extends driver {
      constructor(...args: ConstructorParameters<SqliteDriver>) {
        super(...args);
        this.pragma(`max_page_count = ${pagesMax}`);
      }
    };
    const open = (): SqliteConnection => connect(limited, { path, durability: 'power' });
    const executor = createExecutor(new SqliteAccess(path, open(), open), Date.now);
    const answered: string[] = [];
    let refusal: unknown;
    for (const at of keysOf('k', 1_000)) {
      const group = [transaction(put(at, null, 'x'.repeat(500)))];
      try {
        expect(statusesOf(await executor.commit(group))).toEqual(['ok']);
        answered.push(at);
      } catch (error) {
        refusal = error;
        break;
      }
    }
    expect(refusal).toMatchObject({ code: 'STORAGE_UNAVAILABLE', outcome: 'none' });
    expect((refusal as Error).message).toContain('the disk is full; free some space');
    expect(answered.length).toBeGreaterThan(10);
    // What is there can still be read, and changed where it takes no more space.
    const { records } = await executor.read(answered as ReturnType<typeof keysOf>);
    expect(records.every((record) => record !== undefined)).toBe(true);
    await executor.close();
    pagesMax = 1_000;
    const again = await openStore(path);
    const { records: kept } = await again.range({ start: key(), end: key('l'), limit: 1_000 });
    expect(kept.map((record) => record.key)).toEqual(answered.toSorted());
    await commitOk(again, put(key('more'), null, 'x'.repeat(5_000)));
  });
});

describe.each(['fast', 'free'] as const)('a file that others changed under the store (%s)', (eventLoop) => {
  test('removed: nothing more is granted, and nothing new is made in its place', async () => {
    const path = join(testDirectory(), 'ambit.db');
    const storage = await openStore(path, { eventLoop });
    await commitOk(storage, put(key('a'), null, 1));
    for (const end of ['', '-wal', '-shm']) rmSync(path + end);
    // It is looked for once in a second.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const failure = await failureOf(() => commitOne(storage, put(key('b'), null, 1)));
    expect(failure.outcome).toBe('none');
    expect(failure.message).toContain('is gone');
    await failureOf(() => storage.read([key('a')]));
  });

  test('replaced by another: that one is read', async () => {
    const directory = testDirectory();
    const [path, other] = [join(directory, 'ambit.db'), join(directory, 'other.db')];
    const source = await openStore(other);
    await commitOk(source, put(key('a'), null, 'other'));
    await source.close();
    const storage = await openStore(path, { eventLoop });
    await commitOk(storage, put(key('a'), null, 'first'));
    for (const end of ['-wal', '-shm']) rmSync(path + end);
    renameSync(other, path);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect((await readOne(storage, key('a')))?.value.json).toBe('other');
  });
});

describe.each(['fast', 'free'] as const)('a lock that others keep (%s)', (eventLoop) => {
  test('is waited for, for a bounded time: then commit fails, locked is busy, and reading never waits', async () => {
    const path = join(testDirectory(), 'ambit.db');
    const storage = await openStore(path, { eventLoop });
    await commitOk(storage, put(key('a'), null, 1));
    const holder = new Database(path);
    onTestFinished(() => void holder.close());
    holder.exec('BEGIN IMMEDIATE');
    let runs = 0;
    const asked = [
      failureOf(() => commitOne(storage, put(key('b'), null, 1))),
      storage.locked([key('a')], () => (runs++, [])),
    ] as const;
    expect((await readOne(storage, key('a')))?.value.json).toBe(1);
    expect(statusesOf(await storage.commit([transaction(check(key('b'), null))]))).toEqual(['ok']);
    const failure = await asked[0];
    const locked = await asked[1];
    expect(failure.outcome).toBe('none');
    expect(failure.message).toContain('kept locked by others');
    expect(locked.busy).toBe(true);
    expect(runs).toBe(0);
    holder.exec('ROLLBACK');
    await commitOk(storage, put(key('b'), null, 2));
  });

  test('is taken as soon as it is free', async () => {
    const path = join(testDirectory(), 'ambit.db');
    const storage = await openStore(path, { eventLoop });
    const holder = new Database(path);
    onTestFinished(() => void holder.close());
    holder.exec('BEGIN IMMEDIATE');
    const commits = keysOf('k', 20).map((at) => commitOne(storage, put(at, null, 1)));
    const locked = storage.locked([key('a')], () => [transaction(put(key('a'), null, 1))]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    holder.exec('COMMIT');
    for (const outcome of await Promise.all(commits)) expect(outcome.status).toBe('ok');
    expect((await locked).busy).toBeUndefined();
  });
});

test.each(['fast', 'free'] as const)('close waits for who waits for the lock (%s)', async (eventLoop) => {
  const path = join(testDirectory(), 'ambit.db');
  const storage = await openStore(path, { eventLoop });
  const holder = new Database(path);
  onTestFinished(() => void holder.close());
  holder.exec('BEGIN IMMEDIATE');
  const commit = commitOne(storage, put(key('a'), null, 1));
  const locked = storage.locked([key('b')], () => [transaction(put(key('b'), null, 1))]);
  const answered: string[] = [];
  void commit.then(({ status }) => answered.push(status));
  const closing = storage.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
  holder.exec('ROLLBACK');
  await closing;
  expect(answered).toEqual(['ok']);
  expect(await locked).toMatchObject({ outcomes: [{ status: 'ok' }] });
});

describe('a group that only checks', () => {
  test('writes nothing to the log and waits for no lock', async () => {
    const path = await newStorePath();
    const storage = await openStore(path);
    const write = put(key('a'), null, 1);
    await commitOk(storage, write);
    const logged = (): number =>
      withDatabase(
        path,
        (database) => (database.pragma('wal_checkpoint') as { log: number }[])[0]?.log ?? -1,
      );
    const before = logged();
    expect(
      statusesOf(await storage.commit([transaction(check(key('a'), write.version), check(key('b'), null))])),
    ).toEqual(['ok']);
    await storage.locked([key('a')], () => [transaction(check(key('a'), write.version))]);
    expect(logged()).toBe(before);
    await commitOk(storage, put(key('b'), null, 1));
    expect(logged()).toBeGreaterThan(0);
  });
});
