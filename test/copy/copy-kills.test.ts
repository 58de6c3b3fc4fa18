import { describe, expect, test } from 'vitest';
import { encodeKey, type Key, type Storage, Value, type Write } from 'ambit/storage';
import { isLongForm, report } from '../proof/figures.js';
import { openAmbit } from 'ambit';
import { openDesk } from '../cli/cli-processes.js';
import { openStorage } from '../../src/open-storage.js';
import { proofStores } from '../proof/proof-stores.js';

const records = isLongForm ? 100_000 : 15_000;
const killsWanted = isLongForm ? 10 : 4;
const longestMs = isLongForm ? 1_500 : 300;

/** The same delays at every run. */
function delays(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return (state / 2 ** 31) * longestMs;
  };
}

async function fill(storage: Storage): Promise<void> {
  const { nowMs } = await storage.read([]);
  for (let from = 0; from < records; from += 500) {
    const writes = Array.from({ length: 500 }, (_, index): Write => ({
      kind: 'put',
      key: encodeKey(['n', from + index]),
      expected: null,
      version: `source.${from + index}`,
      value: Value.of({ index: from + index, text: 'x'.repeat(300) }),
      ...(index % 2 === 0 && { expiresAtMs: nowMs + 86_400_000 + index }),
    }));
    await storage.commit([{ writes }]);
  }
}

async function allOf(storage: Storage): Promise<string[]> {
  const all: string[] = [];
  let start = '' as Key;
  for (;;) {
    const page = await storage.range({ start, end: '%' as Key, limit: 1_000 });
    for (const { key, version, value, expiresAtMs } of page.records)
      all.push([key, version, value.text, expiresAtMs].join('\n'));
    const last = page.records.at(-1);
    if (last === undefined) return all;
    start = `${last.key} ` as Key;
  }
}

async function contentOf(url: string): Promise<string[]> {
  const storage = await openStorage(url);
  try {
    return await allOf(storage);
  } finally {
    await storage.close();
  }
}

const targets = proofStores.filter(({ name }) => name !== 'memory');

describe.each(targets)('ambit copy to $name', ({ name, createUrl }) => {
  test(
    'killed at any moment it goes on, and until it has ended nobody opens its target',
    {
      timeout: 600_000,
    },
    async () => {
      const desk = openDesk();
      const source = await openStorage(desk.storage);
      await fill(source);
      await source.close();
      const to = await createUrl();
      const nextDelay = delays(name.length);
      let [kills, refused] = [0, 0];
      for (let runs = 0; runs < 4 * killsWanted && kills < killsWanted; runs++) {
        const copy = desk.through([], ['copy', desk.storage, to]);
        let ended = false;
        void copy.ended.then(() => (ended = true));
        while (!ended && !copy.stderr().includes('copying'))
          await new Promise((resolve) => setTimeout(resolve, 5));
        // The first one at once: it is in the middle, however fast the machine is.
        if (kills > 0) await new Promise((resolve) => setTimeout(resolve, nextDelay()));
        copy.kill('SIGKILL');
        const { signal, stderr } = await copy.ended;
        if (signal !== 'SIGKILL') {
          expect(stderr).toContain('verifying');
          break;
        }
        kills++;
        const opened = await openAmbit({ storage: to, durability: 'none', mirror: false }).then(
          (ambit) => ambit.close(),
          (error: unknown) => (error as { code: string }).code,
        );
        // Killed before its first transaction or after its last one, it left a store like any other.
        if (opened !== undefined) {
          expect(opened).toBe('COPY_UNFINISHED');
          refused++;
        } else if ((await contentOf(to)).length > 0) break;
      }
      const last = await desk.ambit(['copy', desk.storage, to, '--json']);
      if (last.code !== 0) expect(last.stderr).toContain('the target holds records of its own');
      else expect(JSON.parse(last.stdout)).toMatchObject({ records, mended: 0 });
      expect(await contentOf(to)).toEqual(await contentOf(desk.storage));
      expect(kills).toBeGreaterThan(0);
      expect(refused).toBeGreaterThan(0);
      report(`copy, killed, to ${name}`, { records, kills, differences: 0 });
    },
  );
});

test('a copy that is interrupted says how it goes on, and leaves a store that every command refuses', async () => {
  const desk = openDesk();
  const source = await openStorage(desk.storage);
  await fill(source);
  await source.close();
  const to = `${desk.storage.slice(0, -'ambit.db'.length)}to.db`;
  const copy = desk.through([], ['copy', desk.storage, to]);
  while (!copy.stderr().includes('copying')) await new Promise((resolve) => setTimeout(resolve, 1));
  copy.kill('SIGINT');
  const { signal, stderr } = await copy.ended;
  expect({ signal, stderr }).toEqual({
    signal: 'SIGINT',
    stderr: expect.stringContaining('ambit: stopped; the same command goes on where it was\n'),
  });
  const commands = [
    ['sessions', 'list', '--storage', to],
    ['sessions', 'create', '--tools', '*', '--agent', 'a', '--storage', to],
    ['scopes', 'list', '--storage', to],
    ['transcripts', 'list', '--storage', to],
    ['run', '--tools', '*', '--storage', to, '--', process.execPath, '-e', 'console.log("started")'],
    ['copy', to, `${desk.storage.slice(0, -'ambit.db'.length)}further.db`],
  ];
  for (const command of commands) {
    const refused = await desk.ambit(command);
    expect(refused, command.join(' ')).toMatchObject({ code: 69, stdout: '' });
    expect(refused.stderr, command.join(' ')).toMatch(
      /^ambit: this store is the target of a copy of sqlite:[^\n]* that is not finished; resume it \(ambit copy FROM TO\), or delete this store\n$/,
    );
  }
  const doctor = await desk.ambit(['doctor', '--storage', to]);
  expect(doctor).toMatchObject({ code: 1, stderr: '' });
  expect(doctor.stdout).toMatch(/^✗ copy +this store is the target of a copy of .* that is not finished/m);
  // From another directory the source has another name on the command line.
  const resumed = await desk.ambit(['copy', 'sqlite:./ambit.db', 'sqlite:to.db', '--json']);
  expect(resumed.stderr).not.toMatch(/^ambit: (?!counting|copying|verifying)/m);
  expect(JSON.parse(resumed.stdout)).toMatchObject({ records, mended: 0, resumed: true });
  expect(await contentOf(to)).toEqual(await contentOf(desk.storage));
});
