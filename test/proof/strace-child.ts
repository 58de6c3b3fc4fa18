import { childScript } from './proof-processes.js';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';

/** The system calls by which SQLite changes its files here; a build that uses others is found by the counts below. */
export const traced = ['pwrite64', 'write', 'fsync', 'fdatasync', 'ftruncate'] as const;
export type Syscall = (typeof traced)[number];

/** The `ordinal`-th call of `syscall` by the thread that writes the database, and the file it is for. */
export interface Place {
  readonly syscall: Syscall;
  readonly ordinal: number;
  readonly file: string;
}

export interface Run {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What the child said, in order; a line cut short by its death is left out. */
  readonly said: readonly Said[];
  /** Calls in which a fault was put. */
  readonly injected: number;
  readonly places: readonly Place[];
  readonly errors: string;
}

export interface Said {
  readonly step?: 'opening' | 'creating' | 'closing' | 'closed';
  readonly sessionId?: string;
  readonly attempted?: string;
  readonly acknowledged?: string;
  readonly refused?: string;
  readonly code?: string;
  readonly outcome?: string;
}

export interface CrashOptions {
  readonly directory: string;
  readonly eventLoop: 'fast' | 'free';
  readonly rounds: number;
  readonly inFlight: number;
  /** What strace is to put into the child, as its `-e inject=` takes it. */
  readonly inject?: string;
}

export const databaseName = 'ambit.db';

/** Runs the scenario `crash` of `proof-child.js` under strace, to its end or its death. */
export function runTraced({ directory, eventLoop, rounds, inFlight, inject }: CrashOptions): Run {
  const [log, trace] = [join(directory, 'said'), join(directory, 'trace')];
  const storage = `sqlite:${join(directory, databaseName)}?eventLoop=${eventLoop}`;
  const options = JSON.stringify({ storage, log, rounds, inFlight });
  const flags = ['-f', '-qq', '-y', '-o', trace, '-e', `trace=${traced.join(',')}`];
  if (inject !== undefined) flags.push('-e', `inject=${inject}`);
  const { status, signal, stderr, error } = spawnSync(
    'strace',
    [...flags, process.execPath, childScript, 'crash', options],
    { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'], timeout: 50_000 },
  );
  if (error) throw error;
  const lines = existsSync(trace) ? readFileSync(trace, 'utf8').split('\n') : [];
  return {
    status,
    signal,
    said: existsSync(log) ? parsed(readFileSync(log, 'utf8')) : [],
    injected: lines.filter((line) => line.includes('(INJECTED)')).length,
    places: placesIn(lines),
    errors: stderr,
  };
}

function parsed(text: string): Said[] {
  const complete = text.slice(0, text.lastIndexOf('\n') + 1);
  return complete
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Said);
}

/** Counted by thread and system call, as strace counts for `when=`; only those on the files of the database are kept. */
function placesIn(lines: readonly string[]): Place[] {
  const counts = new Map<string, number>();
  return lines.flatMap((line) => {
    const [, thread, name, path] = /^(\d+)\s+(\w+)\(\d+<([^>]*)>/.exec(line) ?? [];
    const syscall = traced.find((one) => one === name);
    if (thread === undefined || path === undefined || !syscall) return [];
    const counter = `${thread} ${syscall}`;
    const ordinal = (counts.get(counter) ?? 0) + 1;
    counts.set(counter, ordinal);
    const file = path.slice(path.lastIndexOf('/') + 1);
    return file.startsWith(databaseName) ? [{ syscall, ordinal, file }] : [];
  });
}

/** At most `count` of these, spread evenly, the first and the last among them. */
export function spread<T>(all: readonly T[], count: number): T[] {
  if (all.length <= count) return [...all];
  return Array.from(
    { length: count },
    (_, index) => all[Math.round((index * (all.length - 1)) / Math.max(1, count - 1))] as T,
  );
}
