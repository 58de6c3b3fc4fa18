import { scale } from './scale.js';

/** One way of doing a piece of work; the peers of a row do the same work in the same run. */
export interface Contender {
  readonly name: string;
  /** Does one unit of work for caller number `caller`, for the `turn`th time. */
  readonly work: (caller: number, turn: number) => unknown;
  /** Looks at what `work` came to, and throws where it is not what the row measures. A promise is waited for. */
  readonly check?: (answer: unknown, caller: number, turn: number) => Promise<void> | undefined;
  readonly close?: () => unknown;
}

export interface Row {
  readonly work: string;
  readonly callers: number;
  /** Operations a second, the median of the rounds, by contender. */
  readonly perSecond: Readonly<Record<string, number>>;
  /** The first contender against each of the others: the median of the ratios within a round. */
  readonly ratios: Readonly<Record<string, number>>;
  readonly rounds: number;
}

export interface Plan {
  readonly work: string;
  readonly callers: number;
  readonly rounds?: number;
  readonly roundMs?: number;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Interleaves the contenders, round by round, so that a machine that slows down slows all of them down. */
export async function compare(plan: Plan, contenders: readonly Contender[]): Promise<Row> {
  const rounds = plan.rounds ?? scale.rounds;
  const rates = contenders.map((): number[] => []);
  for (const contender of contenders) await rate(contender, plan.callers, scale.warmMs);
  for (let round = 0; round < rounds; round++) {
    for (const [index, contender] of contenders.entries()) {
      rates[index]?.push(await rate(contender, plan.callers, plan.roundMs ?? scale.roundMs));
    }
  }
  for (const contender of contenders) await contender.close?.();
  const ours = rates[0] ?? [];
  return {
    work: plan.work,
    callers: plan.callers,
    perSecond: Object.fromEntries(
      contenders.map(({ name }, index) => [name, Math.round(median(rates[index] ?? []))]),
    ),
    ratios: Object.fromEntries(
      contenders
        .slice(1)
        .map(({ name }, index) => [
          name,
          median(ours.map((value, round) => value / (rates[index + 1]?.[round] ?? 0))),
        ]),
    ),
    rounds,
  };
}

/** Operations a second of so many callers, each of which waits for its answer before it asks again. */
async function rate(contender: Contender, callers: number, forMs: number): Promise<number> {
  const { work, check } = contender;
  let done = 0;
  let running = true;
  const timer = setTimeout(() => (running = false), forMs);
  const startMs = performance.now();
  const endMs = startMs + forMs;
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      for (let turn = 0; running; turn++) {
        const answer = await work(caller, turn);
        const waiting = check?.(answer, caller, turn);
        if (waiting !== undefined) await waiting;
        done++;
        // Work that never leaves the microtask queue would never let the timer run.
        if ((turn & 63) === 0) {
          if (performance.now() >= endMs) running = false;
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    }),
  );
  clearTimeout(timer);
  return (done * 1_000) / (performance.now() - startMs);
}
