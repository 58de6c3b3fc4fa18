/**
 * A process of its own, started by a test: `postgres-child.js SCENARIO OPTIONS`, where OPTIONS is JSON. It runs the built
 * package. It says `ready`, begins when a line comes on its standard input, and writes one line of JSON for each thing
 * that happens.
 */
import { createInterface } from 'node:readline';
import { writeSync } from 'node:fs';

/** Not known to the type checker by their paths, since dist/ is not there before the first build. */
const built = {
  postgres: new URL('../../dist/storage/postgres/postgres-storage.js', import.meta.url).href,
  storage: new URL('../../dist/storage/storage.js', import.meta.url).href,
};
/** @type {typeof import('ambit/postgres')} */
const { postgresStorage } = await import(built.postgres);
/** @type {typeof import('ambit/storage')} */
const { encodeKey, Value } = await import(built.storage);

const [, , scenario = '', given = '{}'] = process.argv;
const { url, namespace, ...options } = JSON.parse(given);
let minted = 0;

/** @param {unknown} line */
function say(line) {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

async function begin() {
  say('ready');
  const lines = createInterface({ input: process.stdin });
  await new Promise((resolve) => lines.once('line', resolve));
  lines.close();
  process.stdin.destroy();
}

/**
 * @param {string} name
 * @param {number} round
 */
const keyOf = (name, round) => encodeKey(['race', name, round]);

/**
 * A put by this process, which says whose it is.
 * @param {import('ambit/storage').Key} key
 * @param {string | null} expected
 * @returns {import('ambit/storage').Put}
 */
const put = (key, expected) => ({
  kind: 'put',
  key,
  expected,
  version: `${options.who}.${++minted}`,
  value: Value.of({ who: options.who }),
});

/** @type {Record<string, () => Promise<void>>} */
const scenarios = {
  /** Opens the store, as a program does when it starts. */
  async open() {
    await begin();
    const storage = await postgresStorage({ url, namespace });
    const { records } = await storage.read([keyOf('a', 1)]);
    await storage.close();
    say({ opened: records.length });
  },

  /**
   * Round after round, `inFlight` at a time: creates two records, and replaces two that are there, in the order in which
   * the other process does not. After each `window` rounds it waits to be told to go on, or it would soon be alone with
   * its rounds. Says at its end how often it won each.
   */
  async race() {
    const storage = await postgresStorage({ url, namespace });
    const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
    const won = { created: 0, replaced: 0, lost: 0 };
    /** @param {string[]} names */
    const inOrder = (names) => (options.backwards ? names.toReversed() : names);
    /** @param {number} round */
    const run = async (round) => {
      const fresh = inOrder(['a', 'b']).map((name) => put(keyOf(name, round), null));
      // Few keys, so that both processes are at them all the time.
      const keys = inOrder(['c', 'd']).map((name) => keyOf(name, round % options.keys));
      const { records } = await storage.read(keys);
      const again = keys.map((key, index) => put(key, records[index]?.version ?? null));
      const { outcomes } = await storage.commit([{ writes: fresh }, { writes: again }]);
      if (outcomes[0]?.status === 'ok') won.created++;
      if (outcomes[1]?.status === 'ok') won.replaced++;
      won.lost += outcomes.filter(({ status }) => status === 'conflict').length;
    };
    let next = 0;
    while (next < options.rounds) {
      say('ready');
      await lines.next();
      const end = Math.min(next + options.window, options.rounds);
      const runs = async () => {
        while (next < end) await run(next++);
      };
      await Promise.all(Array.from({ length: options.inFlight }, runs));
    }
    process.stdin.destroy();
    await storage.close();
    say(won);
  },

  /** Locks a key, decides, and never comes back. */
  async hold() {
    const storage = await postgresStorage({ url, namespace });
    await begin();
    await storage.locked([keyOf('held', 0)], () => {
      say('holding');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      return [];
    });
  },

  /** Writes, and leaves without closing anything: a connection that is idle keeps no process alive. */
  async leave() {
    const storage = await postgresStorage({ url, namespace });
    await begin();
    const { outcomes } = await storage.commit([{ writes: [put(keyOf('left', 0), null)] }]);
    say(outcomes[0]?.status);
  },

  /** Writes pairs without end, and says of each whether it was acknowledged. */
  async writeForEver() {
    const storage = await postgresStorage({ url, namespace });
    await begin();
    for (let round = 0; ; round++) {
      const writes = ['x', 'y'].map((name) => put(keyOf(`${name}-${options.who}`, round), null));
      const { outcomes } = await storage.commit([{ writes }]);
      if (outcomes[0]?.status === 'ok') say({ acknowledged: round });
    }
  },
};

await scenarios[scenario]?.();
