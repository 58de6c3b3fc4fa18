import { fileURLToPath } from 'node:url';
import { readdirSync } from 'node:fs';

/** A part of `npm run prove`. */
export interface Part {
  readonly about: string;
  /** Test files, as vitest takes them: pieces of their paths, of which none begins with a dash. */
  readonly tests?: readonly string[];
  /** Longer than this and it hangs. */
  readonly minutesMax: number;
}

export const parts: Readonly<Record<string, Part>> = {
  contract: {
    about: 'one suite of contracts and random commands against a model, on every backend',
    tests: ['storage.test.ts', 'test/model/', 'test/testing/contract-catches.test.ts'],
    minutesMax: 10,
  },
  hammer: {
    about: 'processes that call at once: exactly the budget is granted',
    tests: [
      'test/proof/hammer.test.ts',
      'test/proof/components.test.ts',
      'test/storage/sqlite-processes.test.ts',
      'test/network/processes.test.ts',
      'test/storage/postgres-concurrency.test.ts',
    ],
    minutesMax: 10,
  },
  crash: {
    about: 'kills, failing disks and lost connections: nothing acknowledged is lost, nothing else is charged',
    tests: [
      'crash.test.ts',
      'faults.test.ts',
      'test/storage/file-corruption.test.ts',
      'test/network/away.test.ts',
      'test/network/lost-replies.test.ts',
      'test/network/postgres-away.test.ts',
      'test/network/redis-away.test.ts',
    ],
    minutesMax: 15,
  },
  killed: {
    about:
      'writers of a transcript killed 50 times on every store: what they were told is there, in order, once',
    tests: ['test/transcripts/killed.test.ts'],
    minutesMax: 15,
  },
  clocks: {
    about:
      'clocks that step, clocks minutes apart, processes that stand still: nothing is granted too long or too often',
    tests: ['test/clocks/', 'test/tasks/clock-steps.test.ts'],
    minutesMax: 15,
  },
  copy: {
    about: '100,000 records between each pair of backends, stopped in the middle: equal',
    tests: ['test/copy/'],
    minutesMax: 30,
  },
  simulation: {
    about: 'engines over a simulated store, network and clock, by seed',
    tests: ['test/simulation/simulation.test.ts'],
    minutesMax: 30,
  },
  history: {
    about:
      'recorded runs of several processes: their answers are those of one caller after the other (linearizable)',
    tests: ['test/history/'],
    minutesMax: 15,
  },
  bugs: {
    about:
      'bugs put in on purpose: a test turns red for each, and the simulation finds those that schedules bring out',
    tests: ['test/proof/mutants.test.ts', 'test/simulation/simulation-catches.test.ts'],
    minutesMax: 20,
  },
  sweep: {
    about: 'a million web sessions of which 10,000 expire: a sweep in bounded batches, requests in between',
    tests: ['test/web/million-sweep.test.ts'],
    minutesMax: 45,
  },
  opening: {
    about: 'files: a million records of 300 bytes are opened within 10 s',
    tests: ['test/proof/file-million.test.ts'],
    minutesMax: 12,
  },
  mutation: {
    about: 'every rule changed in every small way: the tests of the rules notice',
    minutesMax: 30,
  },
};

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The test files that each of these patterns means, by their paths in the project, as vitest finds them. */
export function filesOf(patterns: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const all = readdirSync(`${root}test`, { recursive: true, encoding: 'utf8' })
    .map((path) => `test/${path.replaceAll('\\', '/')}`)
    .filter((path) => path.endsWith('.test.ts'));
  return new Map(patterns.map((pattern) => [pattern, all.filter((path) => path.includes(pattern))]));
}
