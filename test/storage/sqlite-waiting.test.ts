import { commitOk, key, put, transaction } from '../../src/testing/contract/contract-words.js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { existsSync, utimesSync } from 'node:fs';
import { openStore, testDirectory } from './sqlite-files.js';
import { createWaitingSign } from '../../src/storage/sqlite/sqlite-waiting-sign.js';
import Database from 'better-sqlite3';
import { join } from 'node:path';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits for what must come to pass, long enough for the slowest machine. */
async function until(holds: () => boolean): Promise<void> {
  const startMs = performance.now();
  while (!holds()) {
    if (performance.now() - startMs > 4_000) expect.fail('it never came to pass');
    await pause(1);
  }
}

describe('the sign that somebody waits for long', () => {
  test('is seen by others while it is raised, and for a moment after; an old one means nothing', () => {
    const path = join(testDirectory(), 'ambit.db');
    const [one, other] = [createWaitingSign(path), createWaitingSign(path)];
    expect(other.raised()).toBe(false);
    // On a busy machine a moment may pass between the two.
    const seen = Array.from({ length: 50 }, () => (one.raise(), other.raised()));
    expect(seen).toContain(true);
    for (const ageS of [3_600, 1, -1, -3_600]) {
      const atS = Date.now() / 1_000 - ageS;
      utimesSync(`${path}-wait`, atS, atS);
      expect(other.raised()).toBe(false);
    }
    one.raise();
    other.lower();
    expect(one.raised()).toBe(false);
    other.lower();
  });

  test('cannot be raised where there is no directory, which harms nobody', () => {
    const sign = createWaitingSign(join(testDirectory(), 'no', 'ambit.db'));
    sign.raise();
    expect(sign.raised()).toBe(false);
    sign.lower();
  });

  test.each(['fast', 'free'] as const)(
    'is raised by who waits, and lowered when the wait is over (%s)',
    async (eventLoop) => {
      const path = join(testDirectory(), 'ambit.db');
      const storage = await openStore(path, { eventLoop });
      const holder = new Database(path);
      onTestFinished(() => void holder.close());
      holder.exec('BEGIN IMMEDIATE');
      const commit = commitOk(storage, put(key('a'), null, 1));
      await until(() => existsSync(`${path}-wait`));
      holder.exec('ROLLBACK');
      await commit;
      expect(existsSync(`${path}-wait`)).toBe(false);
    },
  );

  test('makes others stand back, and they go on once it is old', async () => {
    const path = join(testDirectory(), 'ambit.db');
    const storage = await openStore(path);
    const sign = createWaitingSign(path);
    let stoodBack = 0;
    for (let index = 0; index < 50 && stoodBack === 0; index++) {
      sign.raise();
      const answer = storage.commit([transaction(put(key('a', index), null, 1))]);
      // The lock is free: who does not stand back answers at once.
      if (answer instanceof Promise) stoodBack++;
      expect((await answer).outcomes[0]?.status).toBe('ok');
    }
    expect(stoodBack).toBe(1);
  });

  test('holds up nobody who waits himself', async () => {
    const path = join(testDirectory(), 'ambit.db');
    const storage = await openStore(path);
    const sign = createWaitingSign(path);
    const raising = setInterval(() => sign.raise(), 2);
    onTestFinished(() => clearInterval(raising));
    for (let index = 0; index < 3; index++) {
      await commitOk(storage, put(key('a', index), null, 1));
      await storage.locked([key('b')], () => []);
    }
  });
});
