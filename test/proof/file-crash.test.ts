import { afterAll, expect, test } from 'vitest';
import { childScript, proofDirectory } from './proof-processes.js';
import { existsSync, readFileSync } from 'node:fs';
import { report, sized } from './figures.js';
import { join } from 'node:path';
import { openAmbit } from 'ambit';
import type { Said } from './strace-child.js';
import { spawnSync } from 'node:child_process';

/** The system calls by which a store of files changes them. */
const traced = ['pwrite64', 'fsync', 'fdatasync', 'rename', 'renameat', 'renameat2'];

const shape = { rounds: 10, inFlight: 4 };

const figures = { kills: 0, faults: 0, calls: 0, acknowledged: 0, recovered: 0 };
afterAll(() => report('file, strace', figures));

interface Run {
  readonly directory: string;
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly said: readonly Said[];
  readonly injected: number;
  /** Of each system call on the files of the store, its number among those of its thread. */
  readonly places: readonly { readonly syscall: string; readonly ordinal: number }[];
  readonly errors: string;
}

/** Runs the scenario `crash` of `proof-child.js` on a store of files, under strace, to its end or its death. */
function run(inject?: string): Run {
  const directory = proofDirectory();
  const [log, trace, store] = ['said', 'trace', 'store'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  const flags = ['-f', '-qq', '-y', '-o', trace, '-e', `trace=${traced.join(',')}`];
  if (inject !== undefined) flags.push('-e', `inject=${inject}`);
  const options = JSON.stringify({ storage: `file:${store}`, log, ...shape });
  const { status, signal, stderr, error } = spawnSync(
    'strace',
    [...flags, process.execPath, childScript, 'crash', options],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: 120_000,
      // One thread for the files: their system calls come in the same order each time.
      env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
    },
  );
  if (error) throw error;
  const lines = existsSync(trace) ? readFileSync(trace, 'utf8').split('\n') : [];
  const text = existsSync(log) ? readFileSync(log, 'utf8') : '';
  const complete = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  const counts = new Map<string, number>();
  const places = lines.flatMap((line) => {
    const [, thread, syscall] = /^(\d+)\s+(\w+)\(/.exec(line) ?? [];
    if (thread === undefined || syscall === undefined) return [];
    const counter = `${thread} ${syscall}`;
    const ordinal = (counts.get(counter) ?? 0) + 1;
    counts.set(counter, ordinal);
    // The files to look at are no part of the promise.
    return line.includes(`${store}/`) && !line.includes('/sessions/') ? [{ syscall, ordinal }] : [];
  });
  return {
    directory,
    status,
    signal,
    said: complete.filter(Boolean).map((line) => JSON.parse(line) as Said),
    injected: lines.filter((line) => line.includes('(INJECTED)')).length,
    places,
    errors: stderr,
  };
}

const idsOf = ({ said }: Run, name: 'attempted' | 'acknowledged' | 'refused'): string[] =>
  said.flatMap((line) => line[name] ?? []);

/** Opens what a run left: all that was acknowledged is there, once, and nothing that was not attempted. */
async function recovered(left: Run): Promise<string[]> {
  const sessionId = left.said.find((line) => line.sessionId !== undefined)?.sessionId;
  const [attempted, acknowledged] = [idsOf(left, 'attempted'), idsOf(left, 'acknowledged')];
  const storage = `file:${join(left.directory, 'store')}`;
  const ambit = await openAmbit({ storage, sweepEveryMs: false, mirror: false });
  try {
    if (sessionId === undefined) {
      const listed = await ambit.tasks.list();
      expect(listed.ok && listed.sessions.length).toBeLessThanOrEqual(1);
      return [];
    }
    const found = await ambit.tasks.get(sessionId);
    if (!found.ok) return expect.fail(`an acknowledged session is lost: ${found.refusal.message}`);
    const remembered: string[] = [];
    for (const callId of attempted) {
      const again = await ambit.tasks.use(sessionId, 'read_file', { callId });
      if (again.ok && again.replayed === true) remembered.push(callId);
    }
    expect(
      acknowledged.filter((callId) => !remembered.includes(callId)),
      'acknowledged, and lost',
    ).toEqual([]);
    // A counted call is a remembered call, and the other way round.
    expect(remembered).toHaveLength(found.session.callsMade);
    figures.calls += attempted.length;
    figures.acknowledged += acknowledged.length;
    figures.recovered += remembered.length;
    return remembered;
  } finally {
    await ambit.close();
  }
}

function spread<T>(all: readonly T[], count: number): T[] {
  if (all.length <= count) return [...all];
  return Array.from(
    { length: count },
    (_, index) => all[Math.round((index * (all.length - 1)) / (count - 1))] as T,
  );
}

test(
  'SIGKILL at writes, flushes and renames: nothing acknowledged is lost',
  { timeout: 580_000 },
  async () => {
    const rehearsal = run();
    expect({ status: rehearsal.status, errors: rehearsal.errors }).toEqual({ status: 0, errors: '' });
    const of = (...syscalls: string[]) =>
      rehearsal.places.filter(({ syscall }) => syscalls.includes(syscall));
    const places = [
      ...spread(of('pwrite64'), sized(5, 30)),
      ...spread(of('fdatasync'), sized(5, 30)),
      ...spread(of('fsync'), sized(3, 10)),
      ...spread(of('rename', 'renameat', 'renameat2'), sized(2, 5)),
    ];
    expect(new Set(places.map(({ syscall }) => syscall)).size).toBeGreaterThanOrEqual(4);
    const met = { before: 0, within: 0 };
    for (const { syscall, ordinal } of places) {
      const inject = `${syscall}:signal=SIGKILL:when=${ordinal}`;
      const killed = run(inject);
      // An injection that never fires kills nothing, and would prove nothing.
      expect(killed.signal, `${inject}: ${killed.errors}`).toBe('SIGKILL');
      figures.kills++;
      if (killed.said.some((line) => line.sessionId !== undefined)) met.within++;
      else met.before++;
      if (existsSync(join(killed.directory, 'store'))) await recovered(killed);
    }
    expect(met.before).toBeGreaterThanOrEqual(2);
    expect(met.within).toBeGreaterThanOrEqual(4);
  },
);

test.each([
  { fault: 'one flush fails', syscall: 'fdatasync', error: 'EIO', forEver: false },
  { fault: 'flushes fail for ever', syscall: 'fdatasync', error: 'EIO', forEver: true },
  { fault: 'one write finds no space', syscall: 'pwrite64', error: 'ENOSPC', forEver: false },
])('$fault: refused or done again, and nothing acknowledged is lost', { timeout: 280_000 }, async (one) => {
  const { syscall, error, forEver } = one;
  const places = run().places.filter((place) => place.syscall === syscall);
  const { ordinal } = places[Math.floor(places.length / 2)] ?? expect.fail(`no ${syscall} on the store`);
  const met = run(`${syscall}:error=${error}:when=${ordinal}${forEver ? '+' : ''}`);
  expect({ status: met.status, errors: met.errors }).toEqual({ status: 0, errors: '' });
  expect(met.injected).toBeGreaterThan(0);
  figures.faults += met.injected;
  const [attempted, acknowledged, refused] = (['attempted', 'acknowledged', 'refused'] as const).map((name) =>
    idsOf(met, name),
  ) as [string[], string[], string[]];
  expect([...acknowledged, ...refused].toSorted()).toEqual(attempted.toSorted());
  // One fault is mended by a new journal, and the group is sent again; where no journal can be flushed, nothing is granted.
  const last = attempted.slice(-shape.inFlight);
  if (forEver) expect(last.filter((callId) => acknowledged.includes(callId))).toEqual([]);
  else expect(refused).toEqual([]);
  const remembered = await recovered(met);
  const uncharged = met.said.filter((line) => line.outcome === 'none').map((line) => line.refused);
  expect(remembered.filter((callId) => uncharged.includes(callId))).toEqual([]);
});
