import { openAmbit, type TaskTermsInput } from 'ambit';
import { type Launch, type ProofChild, startChild } from '../proof/proof-processes.js';
import { fileURLToPath } from 'node:url';

/** One call of the scenario `watch`: by the monotonic clock of the machine, in milliseconds. */
export interface WatchedCall {
  readonly session: number;
  readonly startedAt: number;
  readonly endedAt: number;
  /** Calls left, where it was granted. */
  readonly left?: number;
  /** Why it was refused. */
  readonly code?: string;
}

export interface WatchedClosing {
  readonly closed: boolean;
  readonly startedAt: number;
  readonly endedAt: number;
}

export interface WatchOptions {
  readonly storage: string;
  /** Or it is told when it begins. */
  readonly sessionIds?: readonly string[];
  /** Or it makes one for itself, of these terms, and says it first. */
  readonly creates?: Terms;
  readonly forMs: number;
  readonly inFlight: number;
  /** Which session is closed in the middle. */
  readonly closing?: number;
}

const preload = fileURLToPath(new URL('stepping-clock.js', import.meta.url));

/** A process that calls, with a clock that is not to be relied on. */
export function startWatching(options: WatchOptions, clock: Readonly<Record<string, string>>): ProofChild {
  const launch: Launch = { nodeArgs: ['--import', preload], env: clock };
  return startChild('watch', options, undefined, launch);
}

/** Milliseconds of the clock that children stamp with. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export interface Terms extends Partial<TaskTermsInput> {
  readonly timeLimitMs: number;
}

/** Creates sessions, and answers their ids and when their time is over, by the clock of the store. */
export async function sessionsIn(
  storage: string,
  terms: readonly Terms[],
): Promise<{ readonly ids: string[]; readonly expiresAtMs: number[] }> {
  const [ids, expiresAtMs]: [string[], number[]] = [[], []];
  const ambit = await openAmbit({ storage, sweepEveryMs: false });
  try {
    for (const [index, one] of terms.entries()) {
      const created = await ambit.tasks.create({
        agentId: `agent-${index}`,
        declaredIntent: 'to be watched',
        authorizedTools: ['read_file'],
        callBudget: 1_000_000,
        ...one,
      });
      if (!created.ok) throw new Error(created.refusal.message);
      ids.push(created.session.sessionId);
      expiresAtMs.push(created.session.expiresAtMs);
    }
    // Closed again, so that others may own it.
    return { ids, expiresAtMs };
  } finally {
    await ambit.close();
  }
}

/** Calls made, by session and answer: `0 ok`, `0 SESSION_EXPIRED`. */
export function tally(calls: readonly WatchedCall[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { session, code = 'ok' } of calls) {
    const name = `${session} ${code}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

export const granted = (calls: readonly WatchedCall[], session: number): WatchedCall[] =>
  calls.filter((call) => call.session === session && call.code === undefined);

/** When somebody was first told this of a session; never, if nobody was. */
export function firstTold(calls: readonly WatchedCall[], session: number, code: string): number {
  const told = calls.filter((call) => call.session === session && call.code === code);
  return Math.min(Number.POSITIVE_INFINITY, ...told.map(({ endedAt }) => endedAt));
}
