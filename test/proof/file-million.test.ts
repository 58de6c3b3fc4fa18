import { encodeKey, type Key, type Transaction, Value } from 'ambit/storage';
import { expect, onTestFinished, test } from 'vitest';
import { mkdtempSync, rmSync } from 'node:fs';
import { isLongForm, report, sized } from './figures.js';
import { fileStorage } from 'ambit/file';
import { join } from 'node:path';
import { tmpdir } from 'node:os';

const records = sized(20_000, 1_000_000);

/** What a record takes in the journal: its key, version, expiry and value. */
const recordBytes = 300;

/** With a million records, on a machine that has a core to spare for it. The suite judges no times. */
const openingSecondsMax = 10;

const perGroup = 1_000;

function keyOf(record: number): Key {
  return encodeKey(['record', (record * 7_919) % records]);
}

/** Keys and expiries in no order, as of sessions that many callers made. */
function transactionOf(record: number): Transaction {
  const around = `+${keyOf(record)}\nversion-${record}\n${expiryOf(record)}\n""\n`.length;
  const value = Value.of('x'.repeat(recordBytes - around));
  return {
    writes: [
      {
        kind: 'put',
        key: keyOf(record),
        expected: null,
        version: `version-${record}`,
        value,
        expiresAtMs: expiryOf(record),
      },
    ],
  };
}

function expiryOf(record: number): number {
  return 2_000_000_000_000 + ((record * 31_337) % records);
}

test(
  'records of 300 bytes, a million in the long form: opened within 10 s, and all of them there',
  { timeout: 590_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ambit-million-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const path = join(folder, 'store');
    const written = await fileStorage({ path, durability: 'process' });
    for (let from = 0; from < records; from += perGroup) {
      const { outcomes } = await written.commit(
        Array.from({ length: perGroup }, (_, index) => transactionOf(from + index)),
      );
      expect(outcomes.every(({ status }) => status === 'ok')).toBe(true);
    }
    await written.close();

    const [startMs, startCpu] = [performance.now(), process.cpuUsage()];
    const storage = await fileStorage({ path });
    const seconds = (performance.now() - startMs) / 1_000;
    const { user, system } = process.cpuUsage(startCpu);
    onTestFinished(async () => storage.close());
    report('file, opening', {
      records,
      'bytes each': recordBytes,
      seconds: Math.round(seconds * 100) / 100,
      'seconds of CPU': Math.round((user + system) / 10_000) / 100,
    });
    expect((await storage.describe?.())?.facts['records']).toBe(String(records));
    const some = Array.from({ length: 1_000 }, (_, index) => (index * (records / 1_000)) % records);
    const { records: found } = await storage.read(some.map(keyOf));
    expect(found.map((record) => record?.version)).toEqual(some.map((record) => `version-${record}`));
    if (isLongForm) expect(seconds, 'seconds of opening').toBeLessThan(openingSecondsMax);
  },
);
