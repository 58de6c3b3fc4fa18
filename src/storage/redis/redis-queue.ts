import { type Key, type LockedAnswer, type Outcome, type Storage, type Transaction } from '../storage.js';
import { groupArguments, outcomesOf, recordsOf, type Stored } from './redis-records.js';
import { randomBytes } from 'node:crypto';
import { refused } from './redis-errors.js';
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
export const lockWaitMsMax = 2_000;

/** Between two questions for a lock: the longer, the more are in front. More often, and the server mostly says no. */
const pauseMsMax = 10;

/** A number of its own for each who waits: no two stores that ever share a namespace draw the same. */
const instance: string = randomBytes(8).toString('base64url');
let turns = 0;

function newToken(): string {
  return `${instance}.${(turns++).toString(36)}`;
}

interface Held {
  readonly token: string;
  readonly keys: readonly Key[];
  readonly stored: readonly Stored[];
  readonly nowMs: number;
}

/** Commits a group. What would write keys that somebody has locked waits for its turn and is tried again. */
export async function commit(
  link: RedisLink,
  transactions: readonly Transaction[],
  held?: Pick<Held, 'token' | 'keys'>,
): Promise<{ outcomes: Outcome[]; nowMs: number }> {
  const answer = await send(link, transactions, held);
  const busy = transactions.filter((_, index) => answer.outcomes[index] === 'busy');
  if (busy.length === 0) return answer as { outcomes: Outcome[]; nowMs: number };
  // The others are decided, and told when these are.
  const { outcomes, nowMs } = await commitInTurn(link, busy);
  let next = 0;
  return {
    nowMs,
    outcomes: answer.outcomes.map((outcome) =>
      outcome === 'busy' ? (outcomes[next++] as Outcome) : outcome,
    ),
  };
}

async function commitInTurn(
  link: RedisLink,
  transactions: readonly Transaction[],
): Promise<{ outcomes: Outcome[]; nowMs: number }> {
  const keys = transactions.flatMap(({ writes }) => writes.map(({ key }) => key));
  const got = await lock(link, keys, 'unknown');
  if ('busy' in got) {
    // As if the reply had been lost: sent again, those that are decided are found to be.
    throw refused(link.place, `others kept keys locked for ${lockWaitMsMax} ms`, 'unknown');
  }
  return commit(link, transactions, got);
}

/** `Storage.locked`: two round trips, between which `run` decides. */
export async function locked(
  link: RedisLink,
  keys: readonly Key[],
  run: Parameters<Storage['locked']>[1],
): Promise<LockedAnswer> {
  const got = await lock(link, [...new Set(keys)], 'none');
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

async function send(
  link: RedisLink,
  transactions: readonly Transaction[],
  held: Pick<Held, 'token' | 'keys'> | undefined,
): Promise<{ outcomes: (Outcome | 'busy')[]; nowMs: number }> {
  const { token, keys } = held ?? { token: '', keys: [] };
  const args = [token, String(keys.length), ...keys, ...groupArguments(transactions)];
  const writes = transactions.some((transaction) => transaction.writes.some(({ kind }) => kind !== 'check'));
  const [nowMs, letters, ...stored] = await link.run(
    'commit',
    [`${args.join('\n')}\n`],
    writes ? 'unknown' : 'none',
  );
  return {
    nowMs: nowMs as number,
    outcomes: outcomesOf(transactions, letters as string, stored as Stored[]),
  };
}

async function lock(
  link: RedisLink,
  keys: readonly Key[],
  lost: 'none' | 'unknown',
): Promise<Held | { readonly busy: true; readonly nowMs: number }> {
  const token = newToken();
  const args = [token, String(holdMs), String(patienceMs), ...keys];
  const startMs = performance.now();
  for (;;) {
    const [nowMs, ahead, stored] = (await link.run('lock', args, lost)) as [number, number, Stored[]];
    if (ahead < 0) return { token, keys, stored, nowMs };
    if (performance.now() - startMs > lockWaitMsMax) {
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
