import { type Key, type LockedAnswer, type Outcome, type Storage, type Transaction } from '../storage.js';
import { groupArgument, outcomesOf, recordsOf, type Stored } from './redis-records.js';
import { randomBytes } from 'node:crypto';
import type { RedisLink } from './redis-link.js';

/**
 * How long keys stay locked for somebody who does not come back. Longer, and a process that died holds up everybody else;
 * shorter than a round trip, and a lock is lost before it was of use. Nothing rests on it but fairness: what is committed
 * compares versions in any case.
 */
const holdMs = 500;

/** How long a place in the queue is kept for somebody who does not ask any more. Longer, and the dead hold up the living. */
const patienceMs = 500;

/** How long a lock is waited for: past it `locked` is busy. */
const lockWaitMsMax = 2_000;

/**
 * How long a commit waits for keys that somebody has locked: all others of its group wait as long for their answers. Shorter
 * than `holdMs`, and a commit would lose to the dead.
 */
const turnWaitMsMax = 600;

/** Between two questions for a lock: the longer, the more are in front. More often, and the server mostly says no. */
const pauseMsMax = 10;

/** A number of its own for each who waits: no two stores that ever share a namespace draw the same. */
const instance: string = randomBytes(8).toString('base64url');
let turns = 0;

function newToken(): string {
  return `${instance}.${(turns++).toString(36)}`;
}

interface Decided {
  readonly outcomes: Outcome[];
  readonly nowMs: number;
}

interface Sent {
  readonly outcomes: (Outcome | 'busy')[];
  readonly nowMs: number;
}

interface Held {
  readonly token: string;
  readonly keys: readonly Key[];
  readonly stored: readonly Stored[];
  readonly nowMs: number;
}

/**
 * Commits a group. What would write keys that somebody has locked waits for its turn, once, and is tried again; past that it
 * is in conflict with whoever has them.
 */
export async function commit(
  link: RedisLink,
  transactions: readonly Transaction[],
  held?: Pick<Held, 'token' | 'keys'>,
): Promise<Decided> {
  const first = await send(link, transactions, held);
  return settled(transactions, first, async (busy) => {
    const keys = keysOf(busy);
    // The others of the group are decided, and told when these are: so what fails from here on leaves their outcome open.
    const got = await lock(link, keys, 'unknown', turnWaitMsMax);
    if ('busy' in got) return conflicts(link, busy);
    return settled(busy, await send(link, busy, got), (still) => conflicts(link, still));
  });
}

/** What was answered, with what `decide` says of those that were busy in its place. */
async function settled(
  transactions: readonly Transaction[],
  answer: Sent,
  decide: (busy: readonly Transaction[]) => Promise<Decided>,
): Promise<Decided> {
  const busy = transactions.filter((_, index) => answer.outcomes[index] === 'busy');
  if (busy.length === 0) return answer as Decided;
  const { outcomes, nowMs } = await decide(busy);
  let next = 0;
  return {
    nowMs,
    outcomes: answer.outcomes.map((outcome) =>
      outcome === 'busy' ? (outcomes[next++] as Outcome) : outcome,
    ),
  };
}

/** Nothing of these was written: they lost to whoever keeps their keys. */
async function conflicts(link: RedisLink, transactions: readonly Transaction[]): Promise<Decided> {
  const keys = keysOf(transactions);
  const [nowMs, stored] = (await link.run('read', keys, 'unknown')) as [number, Stored[]];
  const records = recordsOf(keys, stored);
  let next = 0;
  const outcomes = transactions.map(({ writes }): Outcome => {
    return { status: 'conflict', current: records.slice(next, (next += writes.length)) };
  });
  return { nowMs, outcomes };
}

function keysOf(transactions: readonly Transaction[]): Key[] {
  return transactions.flatMap(({ writes }) => writes.map(({ key }) => key));
}

/** `Storage.locked`: two round trips, between which `run` decides. */
export async function locked(
  link: RedisLink,
  keys: readonly Key[],
  run: Parameters<Storage['locked']>[1],
): Promise<LockedAnswer> {
  const got = await lock(link, [...new Set(keys)], 'none', lockWaitMsMax);
  if ('busy' in got) return got;
  const found = new Map(recordsOf(got.keys, got.stored).map((record, index) => [got.keys[index], record]));
  let transactions: readonly Transaction[];
  try {
    transactions = run(
      keys.map((key) => found.get(key)),
      got.nowMs,
    );
  } catch (error) {
    await release(link, got);
    throw error;
  }
  return commit(link, transactions, got);
}

const nobody = { token: '', keys: [] } as const;

async function send(
  link: RedisLink,
  transactions: readonly Transaction[],
  held: Pick<Held, 'token' | 'keys'> | undefined,
): Promise<Sent> {
  const argument = groupArgument(transactions, held ?? nobody);
  const writes = transactions.some((transaction) => transaction.writes.some(({ kind }) => kind !== 'check'));
  const [nowMs, letters, ...stored] = await link.run('commit', [argument], writes ? 'unknown' : 'none');
  return {
    nowMs: nowMs as number,
    outcomes: outcomesOf(transactions, letters as string, stored as Stored[]),
  };
}

async function lock(
  link: RedisLink,
  keys: readonly Key[],
  lost: 'none' | 'unknown',
  waitMsMax: number,
): Promise<Held | { readonly busy: true; readonly nowMs: number }> {
  const token = newToken();
  const args = [token, String(holdMs), String(patienceMs), ...keys];
  const startMs = performance.now();
  for (;;) {
    const [nowMs, ahead, stored] = (await link.run('lock', args, lost)) as [number, number, Stored[]];
    if (ahead < 0) return { token, keys, stored, nowMs };
    if (performance.now() - startMs > waitMsMax) {
      await release(link, { token, keys });
      return { busy: true, nowMs };
    }
    await new Promise((resolve) => setTimeout(resolve, Math.min(Math.max(ahead, 1), pauseMsMax)));
  }
}

/** Lets go, or gives up waiting. Where the server does not hear it, it takes as long as that was granted for. */
async function release(link: RedisLink, { token, keys }: Pick<Held, 'token' | 'keys'>): Promise<void> {
  await link.run('unlock', [token, ...keys], 'none').catch(() => undefined);
}
