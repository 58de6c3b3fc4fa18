import { assertTrusted, loadDriver, type SqliteDriver } from '../../src/storage/sqlite/sqlite-driver.js';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { commitOk, key, put, readOne } from '../../src/testing/contract/contract-words.js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openStore, testDirectory, withDatabase } from './sqlite-files.js';
import { AmbitError } from 'ambit/storage';
import { connect } from '../../src/storage/sqlite/sqlite-connection.js';
import Database from 'better-sqlite3';
import { join } from 'node:path';
import { sqliteStorage } from 'ambit/sqlite';
import { tmpdir } from 'node:os';

const both = ['fast', 'free'] as const;

async function errorOf(opening: Promise<unknown>): Promise<AmbitError> {
  const error = await opening.then(
    () => expect.fail('it opened'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(AmbitError);
  expect((error as AmbitError).message).toMatch(/^sqlite: [^\n]+$/);
  return error as AmbitError;
}

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

describe.each(both)('a new file (%s)', (eventLoop) => {
  test('and its directory are for their owner only, whatever the umask', async () => {
    const path = join(testDirectory(), 'data', 'ambit.db');
    const umask = process.umask(0);
    onTestFinished(() => void process.umask(umask));
    const storage = await openStore(path, { eventLoop });
    await commitOk(storage, put(key('a'), null, 1));
    expect(modeOf(join(path, '..'))).toBe('700');
    for (const file of [path, `${path}-wal`, `${path}-shm`]) expect(modeOf(file)).toBe('600');
  });

  test('leaves the modes of what is there alone', async () => {
    const directory = testDirectory();
    const path = join(directory, 'ambit.db');
    writeFileSync(path, '', { mode: 0o660 });
    chmodSync(path, 0o660);
    await openStore(path, { eventLoop });
    expect(modeOf(path)).toBe('660');
    expect(modeOf(directory)).toBe('777');
  });

  test('has no directories made above its own', async () => {
    const top = join(testDirectory(), 'no');
    const error = await errorOf(sqliteStorage({ path: join(top, 'such', 'ambit.db'), eventLoop }));
    expect(error.code).toBe('INVALID_INPUT');
    expect(error.message).toContain('does not exist');
    expect(existsSync(top)).toBe(false);
  });
});

describe.each(both)('a file that another process is about to set up (%s)', (eventLoop) => {
  test.each(['BEGIN IMMEDIATE', 'BEGIN EXCLUSIVE'])('%s: is waited for', async (begin) => {
    const path = join(testDirectory(), 'ambit.db');
    const other = new Database(path);
    onTestFinished(() => void other.close());
    other.exec(begin);
    let opened = false;
    const opening = openStore(path, { eventLoop }).then((storage) => {
      opened = true;
      return storage;
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(opened).toBe(false);
    other.exec('ROLLBACK');
    await commitOk(await opening, put(key('a'), null, 1));
  });
});

describe('what a connection is set to', () => {
  test('power: WAL and synchronous FULL, set again at each open and read back', async () => {
    const path = join(testDirectory(), 'ambit.db');
    const driver = await loadDriver();
    const seen: unknown[] = [];
    const spying = spyOn(driver, (database) => {
      seen.push(
        database.pragma('journal_mode', { simple: true }),
        database.pragma('synchronous', { simple: true }),
      );
    });
    await openStore(path);
    connect(spying, { path, durability: 'power' }).close();
    connect(spying, { path, durability: 'process' }).close();
    connect(spying, { path, durability: 'power' }).close();
    expect(seen).toEqual(['wal', 2, 'wal', 1, 'wal', 2]);
  });

  test('a SQLite that does not keep what is set is refused', async () => {
    const path = join(testDirectory(), 'ambit.db');
    await openStore(path);
    const driver = await loadDriver();
    const deaf = class extends driver {
      override pragma(source: string, options?: { simple?: boolean }): unknown {
        return super.pragma(source.startsWith('synchronous =') ? 'user_version' : source, options);
      }
    };
    expect(() => connect(deaf, { path, durability: 'power' })).toThrow(
      expect.objectContaining({ code: 'DURABILITY_TOO_WEAK' }) as Error,
    );
  });

  test('capabilities say which', async () => {
    const path = join(testDirectory(), 'ambit.db');
    for (const eventLoop of both) {
      const power = await openStore(path, { eventLoop });
      const process = await openStore(path, { eventLoop, durability: 'process' });
      expect(power.capabilities).toMatchObject({
        name: 'sqlite',
        durability: { level: 'power' },
        sharing: 'host',
      });
      expect(process.capabilities.durability.level).toBe('process');
      expect(power.capabilities.locking).toBe(eventLoop === 'fast' ? 'always' : 'after-conflict');
    }
  });

  test('a new file has small pages, an application id and a schema', async () => {
    const path = join(testDirectory(), 'ambit.db');
    await (await openStore(path)).close();
    const header = readFileSync(path);
    expect(header.readUInt16BE(16)).toBe(1_024);
    expect(header.toString('latin1', 68, 72)).toBe('Ambt');
    expect(header.readUInt32BE(60)).toBe(1);
  });
});

describe.each(both)('what is refused, in one clear line (%s)', (eventLoop) => {
  test.each([
    ['an empty path', '', 'INVALID_INPUT'],
    ['a database in memory', ':memory:', 'INVALID_INPUT'],
    ['a path with a blank at its end', '/tmp/ambit.db ', 'INVALID_INPUT'],
    ['a NUL', '/tmp/\0', 'INVALID_INPUT'],
    ['a directory', tmpdir(), 'INVALID_INPUT'],
    ['a file where a directory should be', join(process.execPath, 'ambit.db'), 'INVALID_INPUT'],
  ])('%s', async (_, path, code) => {
    expect((await errorOf(sqliteStorage({ path, eventLoop }))).code).toBe(code);
  });

  test('options of the wrong type or value', async () => {
    await expect(sqliteStorage({ path: 1 as unknown as string, eventLoop })).rejects.toThrow(TypeError);
    await expect(
      sqliteStorage({ path: 'x', eventLoop, clock: 1 as unknown as () => number }),
    ).rejects.toThrow(TypeError);
    const wrong = { path: 'x', eventLoop: 'quick' as 'fast' };
    expect((await errorOf(sqliteStorage(wrong))).message).toContain('choose one of fast, free');
  });

  test('a file that is no database, which stays as it was', async () => {
    const path = join(testDirectory(), 'ambit.db');
    const text = 'once upon a time '.repeat(200);
    writeFileSync(path, text);
    const error = await errorOf(sqliteStorage({ path, eventLoop }));
    expect(error.code).toBe('STORE_CORRUPT');
    expect(error.message).toContain('not a SQLite database');
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  test('a database of another program, which stays as it was', async () => {
    for (const sql of ['CREATE TABLE theirs (x)', 'PRAGMA user_version = 7', 'PRAGMA application_id = 7']) {
      const path = join(testDirectory(), 'ambit.db');
      withDatabase(path, (database) => database.exec(sql));
      const before = readFileSync(path);
      const error = await errorOf(sqliteStorage({ path, eventLoop }));
      expect(error.code).toBe('STORE_CORRUPT');
      expect(error.message).toContain('another program');
      expect(readFileSync(path).equals(before)).toBe(true);
    }
  });

  test('a newer schema', async () => {
    const path = join(testDirectory(), 'ambit.db');
    await (await openStore(path)).close();
    withDatabase(path, (database) => database.pragma('user_version = 99'));
    const error = await errorOf(sqliteStorage({ path, eventLoop }));
    expect(error.code).toBe('STORE_SCHEMA_TOO_NEW');
    expect(error.message).toContain('schema 99');
  });

  test('a damaged file', async () => {
    const path = join(testDirectory(), 'ambit.db');
    const storage = await openStore(path);
    await commitOk(storage, put(key('a'), null, 1));
    await storage.close();
    const bytes = readFileSync(path);
    // The page that holds the schema.
    bytes.fill(0x5a, 100, 1_024);
    writeFileSync(path, bytes);
    expect((await errorOf(sqliteStorage({ path, eventLoop }))).code).toBe('STORE_CORRUPT');
  });
});

describe('the driver', () => {
  test.each(['3.45.0', '3.51.2', '2.99.99', '3.9.0'])('SQLite %s is refused', async (version) => {
    const old = class {
      prepare = () => ({ pluck: () => ({ get: () => version }) });
      close = () => undefined;
    };
    const error = await errorOf(loadDriver(() => Promise.resolve({ default: old })));
    expect(error.code).toBe('STORE_UNSUPPORTED');
    expect(error.message).toContain(version);
  });

  test.each(['3.51.3', '3.52.0', '3.100.0', '4.0.0'])('SQLite %s is trusted', (version) => {
    assertTrusted(version);
  });

  test('a missing or broken package is explained', async () => {
    const missing = Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' });
    const absent = await errorOf(loadDriver(() => Promise.reject(missing)));
    expect(absent.code).toBe('MISSING_DEPENDENCY');
    expect(absent.message).toContain('npm install better-sqlite3');
    const broken = function (): never {
      throw new Error('Could not locate the bindings file. Tried:\n → /a\n → /b');
    };
    const unbuilt = await errorOf(loadDriver(() => Promise.resolve({ default: broken })));
    expect(unbuilt.code).toBe('MISSING_DEPENDENCY');
    expect(unbuilt.message).toContain('npm rebuild better-sqlite3');
  });
});

describe('a path', () => {
  test('is taken from the directory in which the store was opened', async () => {
    const directory = testDirectory();
    const before = process.cwd();
    mkdirSync(join(directory, 'elsewhere'));
    process.chdir(directory);
    try {
      const storage = await openStore('ambit.db');
      process.chdir(join(directory, 'elsewhere'));
      await commitOk(storage, put(key('a'), null, 1));
      await storage.close();
    } finally {
      process.chdir(before);
    }
    expect(await readOne(await openStore(join(directory, 'ambit.db')), key('a'))).toBeDefined();
  });
});

/** A driver that shows each of its connections when it is closed. */
function spyOn(driver: SqliteDriver, look: (database: InstanceType<SqliteDriver>) => void): SqliteDriver {
  return class extends driver {
    override close(): this {
      look(this);
      return super.close();
    }
  };
}
