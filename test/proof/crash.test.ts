import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { databaseName, type Place, type Run, runTraced, spread } from './strace-child.js';
import Database from 'better-sqlite3';
import { join } from 'node:path';
import { openAmbit } from 'ambit';
import { proofDirectory } from './proof-processes.js';
import { report, sized } from './figures.js';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';

interface Size {
  readonly rounds: number;
  readonly inFlight: number;
}

/** Small enough for a second under strace, and the same system calls each time. */
const shape: Size = { rounds: 12, inFlight: 4 };

/** Totals of the whole file, printed at its end: what was fired at, and what was found. */
const figures = { killed: 0, faults: 0, acknowledged: 0, recovered: 0, attempted: 0 };

beforeAll(() => {
  if (spawnSync('strace', ['--version']).error) {
    throw new Error('crashes are caused with strace, which is not on the PATH; apt-get install strace');
  }
});

afterAll(() => {
  const { killed, faults, attempted, acknowledged, recovered } = figures;
  report('sqlite, SIGKILL and failing disks', {
    calls: attempted,
    faults: killed + faults,
    killed,
    acknowledged,
    recovered,
  });
});

/** A run without a fault: what it says, and every place where one could be put. */
function rehearse(eventLoop: 'fast' | 'free', size: Size = shape): Run {
  const directory = mkdtempSync(join(tmpdir(), 'ambit-proof-'));
  try {
    const run = runTraced({ directory, eventLoop, ...size });
    expect(run.errors).toBe('');
    expect(run.status).toBe(0);
    expect(run.said.at(-1)).toEqual({ step: 'closed' });
    return run;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What a child attempted, and what it was told. */
function outcomesOf({ said }: Run) {
  const ids = (name: 'attempted' | 'acknowledged' | 'refused'): string[] =>
    said.flatMap((line) => line[name] ?? []);
  return {
    sessionId: said.find((line) => line.sessionId !== undefined)?.sessionId,
    attempted: ids('attempted'),
    acknowledged: ids('acknowledged'),
    refused: ids('refused'),
    refusals: said.filter((line) => line.refused !== undefined),
  };
}

/**
 * Opens what a child left behind: the file is sound, every acknowledged call is in it, and nothing that was not
 * attempted; the count and the remembered calls agree to the last one. Answers the calls that were recovered.
 */
async function recoveredFrom(directory: string, run: Run): Promise<string[]> {
  const path = join(directory, databaseName);
  const { sessionId, attempted, acknowledged } = outcomesOf(run);
  const ambit = await openAmbit({ storage: `sqlite:${path}`, sweepEveryMs: false });
  const recovered: string[] = [];
  try {
    if (sessionId === undefined) {
      // Killed before its creation was answered: there is at most that one session, unused, and a store that works.
      const listed = await ambit.tasks.list();
      expect(listed.ok && listed.sessions.length).toBeLessThanOrEqual(1);
      expect(listed.ok && listed.sessions.every((session) => session.callsMade === 0)).toBe(true);
      const created = await ambit.tasks.create({
        agentId: 'agent',
        declaredIntent: 'after the crash',
        authorizedTools: [],
      });
      expect(created.ok).toBe(true);
      return recovered;
    }
    const found = await ambit.tasks.get(sessionId);
    if (!found.ok) return expect.fail(`an acknowledged session is lost: ${found.refusal.message}`);
    const { callsMade } = found.session;
    expect(callsMade).toBeGreaterThanOrEqual(acknowledged.length);
    expect(callsMade).toBeLessThanOrEqual(attempted.length);
    const use = (callId: string) => ambit.tasks.use(sessionId, 'read_file', { callId });
    const replays = await Promise.all(acknowledged.map(use));
    const lost = acknowledged.filter((_, index) => {
      const replay = replays[index];
      return !replay?.ok || replay.replayed !== true;
    });
    expect(lost, 'acknowledged calls that are not remembered').toEqual([]);
    recovered.push(...acknowledged);
    const afterReplays = await ambit.tasks.get(sessionId);
    expect(afterReplays.ok && afterReplays.session.callsMade, 'replays charge nothing').toBe(callsMade);
    const answered = new Set(acknowledged);
    for (const callId of attempted.filter((one) => !answered.has(one))) {
      const again = await use(callId);
      expect(again.ok).toBe(true);
      if (again.ok && again.replayed) recovered.push(callId);
    }
    // A counted call is a remembered call, and the other way round.
    expect(recovered).toHaveLength(callsMade);
    return recovered;
  } finally {
    await ambit.close();
    figures.acknowledged += acknowledged.length;
    figures.attempted += attempted.length;
    figures.recovered += recovered.length;
    const database = new Database(path);
    expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
    database.close();
  }
}

async function killAt({ syscall, ordinal }: Place, eventLoop: 'fast' | 'free', size: Size = shape) {
  const directory = proofDirectory();
  const inject = `${syscall}:signal=SIGKILL:when=${ordinal}`;
  const run = runTraced({ directory, eventLoop, ...size, inject });
  // An injection that never fires kills nothing, and would prove nothing.
  expect(run.signal, `${inject}: ${run.errors}`).toBe('SIGKILL');
  expect(run.said.at(-1)).not.toEqual({ step: 'closed' });
  figures.killed++;
  if (existsSync(join(directory, databaseName))) await recoveredFrom(directory, run);
  return outcomesOf(run);
}

function placesOf(run: Run, syscalls: readonly Place['syscall'][]): Place[] {
  return run.places.filter(({ syscall }) => syscalls.includes(syscall));
}

describe('SIGKILL', () => {
  test(
    'at writes and flushes, from the first of opening to the last of closing',
    { timeout: 600_000 },
    async () => {
      const rehearsal = rehearse('fast');
      const places = [
        ...spread(placesOf(rehearsal, ['pwrite64', 'write']), sized(18, 40)),
        ...spread(placesOf(rehearsal, ['fsync', 'fdatasync']), sized(10, 20)),
        ...spread(placesOf(rehearsal, ['ftruncate']), 2),
      ];
      expect(places.length).toBeGreaterThanOrEqual(30);
      expect(new Set(places.map((place) => `${place.syscall} ${place.ordinal}`)).size).toBe(places.length);
      const met = { nothingYet: 0, inTheMiddle: 0, everything: 0 };
      for (const place of places) {
        const { sessionId, acknowledged } = await killAt(place, 'fast');
        if (sessionId === undefined) met.nothingYet++;
        else if (acknowledged.length < shape.rounds * shape.inFlight) met.inTheMiddle++;
        else met.everything++;
      }
      // The places were spread over the whole life of the process.
      expect(met.nothingYet).toBeGreaterThanOrEqual(3);
      expect(met.inTheMiddle).toBeGreaterThanOrEqual(10);
      expect(met.everything).toBeGreaterThanOrEqual(1);
    },
  );

  test('at some of them with the store in a worker thread', { timeout: 240_000 }, async () => {
    const rehearsal = rehearse('free');
    const places = [
      ...spread(placesOf(rehearsal, ['pwrite64', 'write']), 5),
      ...spread(placesOf(rehearsal, ['fsync', 'fdatasync']).slice(4), 3),
    ];
    expect(places).toHaveLength(8);
    for (const place of places) await killAt(place, 'free');
  });

  test('while a commit moves a full log into the file', { timeout: 180_000 }, async () => {
    const size = { rounds: 300, inFlight: 64 };
    const rehearsal = rehearse('fast', size);
    const closingAt = rehearsal.places.findLastIndex(
      ({ syscall, file }) => syscall === 'fsync' && file.endsWith('-wal'),
    );
    const opened = rehearsal.places.findIndex(
      ({ syscall, file }) => syscall === 'ftruncate' && file === databaseName,
    );
    const moving = rehearsal.places
      .slice(opened + 2, closingAt)
      .filter(({ file, syscall }) => file === databaseName && syscall !== 'ftruncate');
    expect(moving.length).toBeGreaterThan(50);
    for (const place of spread(moving, 3)) {
      const { acknowledged } = await killAt(place, 'fast', size);
      expect(acknowledged.length).toBeGreaterThan(1_000);
    }
  });
});

interface FaultCase {
  readonly fault: string;
  readonly syscall: Place['syscall'];
  readonly error: 'EIO' | 'ENOSPC';
  /** Where in the life of the session it begins: 0 to 1. */
  readonly from: number;
  /** How many system calls fail; infinitely many fail to the end. */
  readonly fails: number;
  /** The outcomes that its refusals name; none where sending again was enough. */
  readonly outcomes: readonly string[];
}

const forEver = Number.POSITIVE_INFINITY;

/** A write that fails for want of space says so before its commit record is there; whatever else fails may have written it. */
const faults: readonly FaultCase[] = [
  { fault: 'one flush fails', syscall: 'fsync', error: 'EIO', from: 0.5, fails: 1, outcomes: [] },
  { fault: 'one flush finds no space', syscall: 'fsync', error: 'ENOSPC', from: 0.5, fails: 1, outcomes: [] },
  { fault: 'one write fails', syscall: 'pwrite64', error: 'EIO', from: 0.5, fails: 1, outcomes: [] },
  {
    fault: 'flushes fail for a while',
    syscall: 'fsync',
    error: 'EIO',
    from: 0.3,
    fails: 16,
    outcomes: ['none', 'unknown'],
  },
  {
    fault: 'flushes fail from now on',
    syscall: 'fsync',
    error: 'EIO',
    from: 0.9,
    fails: forEver,
    outcomes: ['none', 'unknown'],
  },
  {
    fault: 'writes fail for a while',
    syscall: 'pwrite64',
    error: 'EIO',
    from: 0.3,
    fails: 16,
    outcomes: ['none', 'unknown'],
  },
  {
    fault: 'writes fail from now on',
    syscall: 'pwrite64',
    error: 'EIO',
    from: 0.9,
    fails: forEver,
    outcomes: ['none', 'unknown'],
  },
  {
    fault: 'the disk is full once',
    syscall: 'pwrite64',
    error: 'ENOSPC',
    from: 0.5,
    fails: 1,
    outcomes: ['none'],
  },
  {
    fault: 'the disk is full for a while',
    syscall: 'pwrite64',
    error: 'ENOSPC',
    from: 0.3,
    fails: 4,
    outcomes: ['none'],
  },
  {
    fault: 'the disk stays full',
    syscall: 'pwrite64',
    error: 'ENOSPC',
    from: 0.7,
    fails: forEver,
    outcomes: ['none'],
  },
];

describe.each(['fast', 'free'] as const)('a disk that fails (%s)', (eventLoop) => {
  let rehearsal: Run;
  beforeAll(() => {
    rehearsal = rehearse(eventLoop);
  });

  test.each(faults)(
    '$fault ($syscall: $error): refused, and nothing acknowledged is lost',
    { timeout: 120_000 },
    async ({ syscall, error, from, fails, outcomes }) => {
      const all = placesOf(rehearsal, [syscall]).filter(({ file }) => file.endsWith('-wal'));
      const first = all[Math.floor(all.length * from)]?.ordinal ?? expect.fail(`no ${syscall} on the log`);
      const when = fails === forEver ? `${first}+` : `${first}..${first + fails - 1}`;
      const directory = proofDirectory();
      const run = runTraced({
        directory,
        eventLoop,
        ...shape,
        inject: `${syscall}:error=${error}:when=${when}`,
      });
      expect({ status: run.status, errors: run.errors }).toEqual({ status: 0, errors: '' });
      // Every fault was met; one that was not would prove nothing.
      if (fails === forEver) expect(run.injected).toBeGreaterThan(0);
      else expect(run.injected).toBe(fails);
      figures.faults += run.injected;

      const { attempted, acknowledged, refused, refusals } = outcomesOf(run);
      expect(attempted).toHaveLength(shape.rounds * shape.inFlight);
      expect([...acknowledged, ...refused].toSorted()).toEqual(attempted.toSorted());
      expect(new Set(refusals.map(({ code }) => code))).toEqual(
        new Set(outcomes.length > 0 ? ['STORAGE_UNAVAILABLE'] : []),
      );
      const named = new Set(refusals.map(({ outcome }) => outcome));
      for (const outcome of named) expect(outcomes).toContain(outcome);
      if (outcomes.includes('unknown')) expect(named).toContain('unknown');
      // Once it is over the process goes on; until then, nothing is granted.
      const last = attempted.slice(-shape.inFlight);
      expect(last.filter((callId) => acknowledged.includes(callId))).toEqual(fails === forEver ? [] : last);

      const recovered = await recoveredFrom(directory, run);
      const uncharged = refusals.filter(({ outcome }) => outcome === 'none').map((line) => line.refused);
      expect(recovered.filter((callId) => uncharged.includes(callId))).toEqual([]);
    },
  );
});
