import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { spawn } from 'node:child_process';

/** A program of Node's, and how long it may take. */
export interface ProgramRun {
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** The file that takes what it prints. */
  readonly log: string;
  readonly minutesMax: number;
}

/** What a terminal, a supervisor and a connection that is cut send to whoever is to end. */
const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Until then whoever was asked to end may do so by itself; a test run that goes on would keep its machine busy. */
const askedMsMax = 2_000;
/** Guards give their servers five seconds to end; without a bound one that hangs would keep `prove` from ending. */
const killedMsMax = 10_000;

/**
 * Runs a program to its end. One that takes too long is ended, with all that it started. So is one that runs when this
 * process is told to end by SIGINT, SIGTERM or SIGHUP, and then this process ends, as 128 and the number of the signal.
 *
 * @returns its exit code, or the reason why it has none
 */
export async function runToItsEnd({ args, cwd, env, log, minutesMax }: ProgramRun): Promise<number | string> {
  const file = openSync(log, 'w');
  // A process group of its own, so that all that it starts can be told to end.
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', file, file],
    detached: true,
  });
  closeSync(file);
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= stopAll(child.pid));
  const onSignal = (signal: (typeof endings)[number]): void => {
    void stop().then(() => process.exit(128 + constants.signals[signal]));
  };
  for (const signal of endings) process.on(signal, onSignal);
  let hangs = false;
  const giveUp = setTimeout(() => {
    hangs = true;
    void stop();
  }, minutesMax * 60_000);
  try {
    return await new Promise<number | string>((resolve, reject) => {
      child.once('error', reject);
      // Told to end, it never resolves: nothing may be begun on the way out.
      child.once('close', (code, signal) => {
        if (hangs) void stop().then(() => resolve(`no end: it was ended after ${minutesMax} minutes`));
        else if (!stopping) resolve(code ?? signal ?? 'no code');
      });
    });
  } finally {
    clearTimeout(giveUp);
    for (const signal of endings) process.off(signal, onSignal);
  }
}

/** Ends the leader of a process group and all that it started, the servers that guards keep in other groups too. */
async function stopAll(leader: number | undefined): Promise<void> {
  if (leader === undefined) return;
  const started = processesBelow(leader);
  const signalGroup = (signal: NodeJS.Signals | 0): boolean => signalled(-leader, signal);
  const areGone = (): boolean => !signalGroup(0) && started.every((one) => !lives(one));
  signalGroup('SIGTERM');
  // One that a test has stopped would not hear it.
  signalGroup('SIGCONT');
  if (await until(areGone, askedMsMax)) return;
  signalGroup('SIGKILL');
  if (await until(areGone, killedMsMax)) return;
  for (const one of started) if (lives(one)) signalled(one.pid, 'SIGKILL');
}

interface ProcessSeen {
  readonly pid: number;
  readonly parent: number;
  /** With the pid it names one process for good: pids are used again. */
  readonly startedAt: string;
}

/** This process and all that it started, as far as the system tells: where there is no /proc, the group has to do. */
function processesBelow(leader: number): ProcessSeen[] {
  let pids: number[];
  try {
    pids = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? Number(name) : []));
  } catch {
    return [];
  }
  const all = pids.flatMap((pid) => processOf(pid) ?? []);
  const below = all.filter(({ pid }) => pid === leader);
  // It grows while it is walked.
  for (const { pid } of below) below.push(...all.filter(({ parent }) => parent === pid));
  return below;
}

function processOf(pid: number): ProcessSeen | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name of the program stands in brackets, and may hold anything.
    const [state, parent, ...fields] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    // Dead, and not yet collected.
    if (state === 'Z') return undefined;
    return { pid, parent: Number(parent), startedAt: fields[17] ?? '' };
  } catch {
    return undefined;
  }
}

function lives({ pid, startedAt }: ProcessSeen): boolean {
  return processOf(pid)?.startedAt === startedAt;
}

function signalled(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    // It is gone.
    return false;
  }
}

async function until(isTrue: () => boolean, msMax: number): Promise<boolean> {
  const endMs = performance.now() + msMax;
  while (!isTrue()) {
    if (performance.now() > endMs) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}
