import {
  commitOk,
  commitOne,
  key,
  put,
  readOne,
  transaction,
} from '../../src/testing/contract/contract-words.js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { existsSync, renameSync } from 'node:fs';
import { openStore, testDirectory } from './sqlite-files.js';
import Database from 'better-sqlite3';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';

const newPath = (): string => join(testDirectory(), 'ambit.db');

/** The threads that are started from now on. */
function threadsStarted(): Worker[] {
  const threads: Worker[] = [];
  const note = (thread: Worker): void => void threads.push(thread);
  process.on('worker', note);
  onTestFinished(() => void process.off('worker', note));
  return threads;
}

describe('the worker thread', () => {
  test('is there for eventLoop free alone, and answers while it waits for the lock', async () => {
    const threads = threadsStarted();
    const path = newPath();
    await openStore(path, { eventLoop: 'fast' });
    expect(threads.length).toBe(0);
    const storage = await openStore(path, { eventLoop: 'free' });
    expect(threads.length).toBe(1);
    const holder = new Database(path);
    onTestFinished(() => void holder.close());
    holder.exec('BEGIN IMMEDIATE');
    const commit = commitOk(storage, put(key('a'), null, 1));
    expect(await readOne(storage, key('a'))).toBeUndefined();
    holder.exec('ROLLBACK');
    await commit;
  });

  test('holds the lock for its caller only so long: a decision that comes too late writes nothing', async () => {
    const path = newPath();
    const storage = await openStore(path, { eventLoop: 'free' });
    const late = storage.locked([key('a')], () => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_600);
      return [transaction(put(key('a'), null, 'late'))];
    });
    await expect(late).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', outcome: 'none' });
    expect(await readOne(storage, key('a'))).toBeUndefined();
    await commitOk(storage, put(key('a'), null, 'in time'));
  });

  test('lets nobody in between the records it handed over and the decision', async () => {
    const path = newPath();
    const storage = await openStore(path, { eventLoop: 'free' });
    const write = put(key('a'), null, 'decided');
    const order: string[] = [];
    const locked = storage.locked([key('a')], () => {
      void commitOne(storage, put(key('a'), null, 'in between')).then(({ status }) => order.push(status));
      return [transaction(write)];
    });
    expect(await locked).toMatchObject({ outcomes: [{ status: 'ok' }] });
    order.push('locked');
    await storage.close();
    expect(order).toEqual(['locked', 'conflict']);
  });
});

describe('a worker that dies', () => {
  test('leaves open whether what it was asked to write was written, and only that', async () => {
    const threads = threadsStarted();
    const path = newPath();
    const storage = await openStore(path, { eventLoop: 'free' });
    // Holds the lock, so that nothing is answered before the thread is gone.
    const other = new Database(path, { timeout: 0 });
    onTestFinished(() => void other.close());
    other.exec('BEGIN IMMEDIATE');
    const outcomeOf = async (call: Promise<unknown>): Promise<unknown> =>
      call.then(
        () => 'answered',
        (error: unknown) => (error as { outcome?: string }).outcome,
      );
    const writes = transaction(put(key('a'), null, 1));
    const lost = [
      outcomeOf(Promise.resolve(storage.commit([writes]))),
      outcomeOf(Promise.resolve(storage.locked([key('a')], () => expect.fail('run was called')))),
    ];
    await new Promise((resolve) => setTimeout(resolve, 100));
    await threads[0]?.terminate();
    expect(await Promise.all(lost)).toEqual(['unknown', 'none']);
    other.exec('ROLLBACK');
    expect(await readOne(storage, key('a'))).toBeUndefined();
    expect(threads.length).toBe(2);
  });

  test('lets go of the lock it held, and the next call starts another', async () => {
    const threads = threadsStarted();
    const storage = await openStore(newPath(), { eventLoop: 'free' });
    await commitOk(storage, put(key('kept'), null, 1));
    const decided = storage.locked([key('a')], () => {
      void threads[0]?.terminate();
      return [transaction(put(key('a'), null, 1))];
    });
    await expect(decided).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', outcome: 'unknown' });
    await Promise.all([commitOk(storage, put(key('b'), null, 1)), commitOk(storage, put(key('c'), null, 1))]);
    expect((await readOne(storage, key('kept')))?.value.json).toBe(1);
    // One for both.
    expect(threads.length).toBe(2);
  });

  test('and cannot be replaced is a store that does not answer, until it can', async () => {
    const threads = threadsStarted();
    const path = newPath();
    const storage = await openStore(path, { eventLoop: 'free' });
    await commitOk(storage, put(key('a'), null, 1));
    await threads[0]?.terminate();
    renameSync(path, `${path}.elsewhere`);
    await expect(readOne(storage, key('a'))).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      message: expect.stringMatching(/^sqlite: .* is gone/) as string,
    });
    // A new file in its place would grant every budget anew.
    expect(existsSync(path)).toBe(false);
    renameSync(`${path}.elsewhere`, path);
    expect((await readOne(storage, key('a')))?.value.json).toBe(1);
  });
});
