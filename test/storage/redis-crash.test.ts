import { eventually, key, openStore, ownServer, put } from './redis-servers.js';
import { expect, test } from 'vitest';
import { type LockedAnswer, type Storage, StorageUnavailableError } from 'ambit/storage';
import { report } from '../proof/figures.js';

/** What one writer knows of its two records, which it always writes together. */
interface Writer {
  readonly names: readonly [string, string];
  attempted: number;
  acknowledged: number;
}

/** Counts two records up until it is stopped; a refusal is answered by looking what is there. */
async function countUp(
  storage: Storage,
  writer: Writer,
  inLock: boolean,
  goesOn: () => boolean,
  met: { asked: number; refused: number },
): Promise<void> {
  const keys = writer.names.map(key);
  while (goesOn()) {
    met.asked++;
    try {
      const next = (records: readonly ({ version: string; value: { json: unknown } } | undefined)[]) => {
        const [left, right] = records.map((record) => Number(record?.value.json ?? 0));
        // Half of a transaction would show here.
        expect(left).toBe(right);
        expect(left).toBeGreaterThanOrEqual(writer.acknowledged);
        writer.attempted = (left ?? 0) + 1;
        const text = String(writer.attempted);
        return keys.map((at, index) => put(at, records[index]?.version ?? null, text));
      };
      const answer: LockedAnswer = inLock
        ? await storage.locked(keys, (records) => [{ writes: next(records) }])
        : await storage.commit([{ writes: next((await storage.read(keys)).records) }]);
      if (!answer.busy && answer.outcomes[0]?.status === 'ok') writer.acknowledged = writer.attempted;
    } catch (error) {
      if (!(error instanceof StorageUnavailableError)) throw error;
      met.refused++;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

test(
  'Redis is killed and started again, over and over in mid-run: what was acknowledged is there, whole and once',
  { timeout: 180_000 },
  async () => {
    const server = await ownServer();
    const namespace = 'crashing';
    const handles = await Promise.all(
      Array.from({ length: 2 }, () => openStore({ url: server.url, namespace })),
    );
    let goesOn = true;
    const met = { asked: 0, refused: 0 };
    const writers = Array.from({ length: 12 }, (_, index): Writer => {
      return { names: [`left${index}`, `right${index}`], attempted: 0, acknowledged: 0 };
    });
    const working = Promise.all(
      writers.map((writer, index) =>
        countUp(handles[index % 2] as Storage, writer, index % 3 === 0, () => goesOn, met),
      ),
    );
    const sum = (): number => writers.reduce((total, { acknowledged }) => total + acknowledged, 0);
    for (let kill = 0; kill < 8; kill++) {
      // Under way again, and then at another moment each time.
      const before = sum();
      await eventually(() => Promise.resolve(expect(sum()).toBeGreaterThan(before + 20)));
      await new Promise((resolve) => setTimeout(resolve, kill * 7));
      await server.kill();
      await server.start();
    }
    const before = sum();
    await eventually(() => Promise.resolve(expect(sum()).toBeGreaterThan(before + 20)));
    goesOn = false;
    await working;
    expect(met.refused).toBeGreaterThan(8);

    const fresh = await openStore({ url: server.url, namespace });
    for (const { names, attempted, acknowledged } of writers) {
      const { records } = await fresh.read(names.map(key));
      const [left, right] = records.map((record) => Number(record?.value.json));
      expect(left).toBe(right);
      expect(left).toBeGreaterThanOrEqual(acknowledged);
      expect(left).toBeLessThanOrEqual(attempted);
    }
    report('redis, the server is killed under commits', {
      calls: met.asked,
      faults: 8,
      acknowledged: sum(),
      refused: met.refused,
    });
  },
);
