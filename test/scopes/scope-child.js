/**
 * A process of its own, started by a test: `scope-child.js SCENARIO OPTIONS`, where OPTIONS is JSON. It runs the built
 * package, as a user's program would, says `ready`, goes on when a line comes on its standard input, and writes one line of
 * JSON for each thing that happens.
 */
import { createInterface } from 'node:readline';
import { writeSync } from 'node:fs';

/** Not known to the type checker by its path, since dist/ is not there before the first build. */
const built = new URL('../../dist/index.js', import.meta.url).href;
/** @type {typeof import('ambit')} */
const { openAmbit } = await import(built);

const [, , scenario = '', given = '{}'] = process.argv;
const options = JSON.parse(given);
const ambit = await openAmbit({
  storage: options.storage,
  sweepEveryMs: false,
  durability: 'none',
  ...(options.settings && { scopes: options.settings }),
});
const { scopes } = ambit;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/**
 * Written at once: a process that is killed next has said it.
 * @param {unknown} line
 */
function say(line) {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
  for (let written = 0; written < bytes.length;) {
    try {
      written += writeSync(1, bytes, written);
    } catch (error) {
      // A full pipe: the test reads on.
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EAGAIN') throw error;
    }
  }
}

/** @param {{ ok: true } | { ok: false, refusal: { code: string } }} answer */
const codeOf = (answer) => (answer.ok ? 'ok' : answer.refusal.code);

/** @type {Record<string, () => Promise<void>>} */
const scenarios = {
  /** Writes entries, several at a time, until it is killed, and says of each that it was attempted and acknowledged. */
  async persist() {
    const writeOn = async (/** @type {number} */ lane) => {
      for (let n = 0; ; n++) {
        const key = `${options.round}-${lane}-${n}`;
        say({ attempted: key });
        const scope = `flow:${lane}`;
        const ttl = n % 3 === 0 ? { ttlMs: 3_600_000 } : {};
        const answer = await scopes.persist(
          key,
          { key, text: 'x'.repeat((n * 37) % 500) },
          { scope, ...ttl },
        );
        say(answer.ok ? { acknowledged: key } : { refused: answer.refusal });
        // What was acknowledged and then purged must not come back.
        if (n % 5 === 4 && (await scopes.purge(key, { scope })).ok) say({ purged: key });
        // A drop under way when the process dies.
        if (n % 20 === 19) await scopes.dropScope(`dropped:${lane}`);
        else await scopes.persist(key, n, { scope: `dropped:${lane}` });
      }
    };
    await Promise.all([0, 1, 2, 3].map(writeOn));
  },

  /** Reads an entry, and when it is told to, changes it as it was read. */
  async race() {
    for (let round = 0; round < options.rounds; round++) {
      const read = await scopes.retrieve('k');
      const expectedVersion = read.ok ? read.entry?.version : undefined;
      say({ version: expectedVersion });
      await lines.next();
      say({
        code: codeOf(await scopes.mutate('k', process.pid, { expectedVersion: expectedVersion ?? null })),
      });
      await lines.next();
    }
  },

  /** Counts an entry up by reading and changing it, and says how often it was told that somebody else was first. */
  async count() {
    let told = 0;
    for (let counted = 0; counted < options.times;) {
      const read = await scopes.retrieve('k');
      if (!read.ok || !read.entry?.version) throw new Error('the counter is not there');
      const { value, version } = read.entry;
      const answer = await scopes.mutate('k', Number(value) + 1, { expectedVersion: version });
      if (answer.ok) counted++;
      else if (answer.refusal.code === 'VERSION_MISMATCH') told++;
      else throw new Error(answer.refusal.message);
    }
    say({ told });
  },

  /** Fills a scope that holds less than all want to write. */
  async fill() {
    const codes = await Promise.all(
      Array.from({ length: options.entries }, async (_, n) =>
        codeOf(await scopes.persist(`${options.name}-${n}`, n, { scope: 's' })),
      ),
    );
    say({ codes });
  },
};

say('ready');
await lines.next();
await scenarios[scenario]?.();
await ambit.close();
process.stdin.destroy();
