/**
 * A process of its own, started by a test: `sqlite-child.ts SCENARIO PATH EVENT_LOOP [COUNT]`. It writes one line of
 * JSON for each thing that happens.
 */
import { encodeKey, type Key, type StoredRecord, type Transaction, Value } from 'ambit/storage';
import { writeSync } from 'node:fs';
import { sqliteStorage } from 'ambit/sqlite';

const [scenario = '', path = '', eventLoop = 'fast', count = '0'] = process.argv.slice(2);
const counter = encodeKey(['counter']);
let minted = 0;

/** Written at once: a process that is killed next has said it. */
function say(line: unknown): void {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
  for (let written = 0; written < bytes.length;) {
    try {
      written += writeSync(1, bytes, written);
    } catch (error) {
      // A full pipe: the test reads on.
      if ((error as { code?: string }).code !== 'EAGAIN') throw error;
    }
  }
}

function putOn(key: Key, record: StoredRecord | undefined, json: unknown): Transaction {
  const version = `${process.pid}.${++minted}`;
  const expected = record?.version ?? null;
  return { writes: [{ kind: 'put', key, expected, version, value: Value.of(json) }] };
}

const addOne = ([record]: readonly (StoredRecord | undefined)[]): Transaction[] => [
  putOn(counter, record, Number(record?.value.json ?? 0) + 1),
];

const open = () => sqliteStorage({ path, eventLoop: eventLoop as 'fast' | 'free' });

const scenarios: Record<string, () => Promise<void>> = {
  /** Opens the file and counts, by turns in the lock and by commits that may lose. */
  async count() {
    const storage = await open();
    let conflicts = 0;
    for (let done = 0; done < Number(count);) {
      const answer =
        done % 2 === 0
          ? await storage.locked([counter], addOne)
          : await storage.commit(addOne((await storage.read([counter])).records));
      if (!('outcomes' in answer)) continue;
      if (answer.outcomes[0]?.status === 'ok') done++;
      else conflicts++;
    }
    await storage.close();
    say({ conflicts });
  },

  /** Takes the lock, decides, and never comes back. */
  async hold() {
    const storage = await open();
    const hold = (records: readonly (StoredRecord | undefined)[]): Transaction[] => {
      const transactions = addOne(records);
      say('holding');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      return transactions;
    };
    await storage.locked([counter], hold);
  },

  /** Commits without end and says each answer. */
  async writeForEver() {
    const storage = await open();
    for (let index = 0; ; index++) {
      const key = encodeKey(['n', index]);
      try {
        const { outcomes } = await storage.commit([putOn(key, undefined, 'x'.repeat(900))]);
        say({ key, status: outcomes[0]?.status });
      } catch (error) {
        const { code, outcome, message } = error as { code: string; outcome: string; message: string };
        say({ key, code, outcome, message });
        break;
      }
    }
    // It still answers, or says why not.
    try {
      await storage.read([counter]);
      say('reads');
    } catch (error) {
      say({ readFailed: (error as Error).message });
    }
  },

  /** Commits, and leaves without closing anything: nothing that waits may keep the process alive. */
  async leave() {
    const storage = await open();
    const { outcomes } = await storage.commit([putOn(counter, undefined, 1)]);
    say(outcomes[0]?.status);
  },

  /** Leaves at once with a commit under way: it is waited for. */
  async leaveInFlight() {
    const storage = await open();
    void Promise.resolve(storage.commit([putOn(counter, undefined, 1)])).then(({ outcomes }) =>
      say(outcomes[0]?.status),
    );
  },

  /** Opens what its user may not write. */
  async stranger() {
    await (await sqliteStorage({ path: `${path}.warm`, eventLoop: 'fast' })).close();
    if (process.getuid?.() === 0) process.setuid?.(65_534);
    try {
      await open();
      say('opened');
    } catch (error) {
      const { code, message } = error as { code: string; message: string };
      say({ code, message });
    }
  },
};

await scenarios[scenario]?.();
