import {
  answerOf,
  checkAnswerOf,
  checkQuestion,
  conflictsOf,
  onlyChecks,
  type QuestionContext,
  readQuestion,
  recordsOf,
  textOfTime,
  textToCommit,
  textToLock,
  timeOf,
} from './postgres-group.js';
import type { CommitAnswer, Key, LockedAnswer, Storage, StoredRecord, Transaction } from '../storage.js';
import { causeOf, type PostgresConnections, type PostgresSession } from './postgres-connections.js';
import { gaveWay, isLockTimeout } from './postgres-errors.js';

/** Times that locking is tried where the server makes this transaction give way; then it is busy. */
const attemptsMax = 3;

type Run = Parameters<Storage['locked']>[1];

/** `Storage.locked`: two round trips, between which `run` decides. */
export async function locked(
  connections: PostgresConnections,
  context: QuestionContext,
  keys: readonly Key[],
  run: Run,
): Promise<LockedAnswer> {
  return connections.session(async (session) => {
    const held = await lock(session, context, [...new Set(keys)]);
    if (held.busy) return held;
    const found = new Map(held.keys.map((key, index) => [key, held.records[index]]));
    // What it throws ends the connection, and with it the transaction.
    const transactions = run(
      keys.map((key) => found.get(key)),
      held.nowMs,
    );
    return commitHeld(session, context, held, transactions);
  });
}

/** Rows that are locked until the transaction ends, and what was found in them. */
interface Held {
  readonly busy?: false;
  readonly keys: readonly Key[];
  readonly records: readonly (StoredRecord | undefined)[];
  readonly nowMs: number;
}

type Busy = Extract<LockedAnswer, { readonly busy: true }>;

async function lock(
  session: PostgresSession,
  context: QuestionContext,
  keys: readonly Key[],
): Promise<Held | Busy> {
  const begin = `BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = ${context.bounds.idleMsMax}`;
  for (let attempt = 1; ; attempt++) {
    try {
      const rows = await session.send({ text: `${begin}; ${textToLock(keys, context)}` });
      return { keys, ...recordsOf(keys, rows.at(-1) ?? []) };
    } catch (error) {
      const cause = causeOf(error);
      if (!isLockTimeout(cause) && !gaveWay(cause)) throw error;
      const rows = await session.send({ text: `ROLLBACK; ${textOfTime(context)}` });
      if (isLockTimeout(cause) || attempt === attemptsMax) {
        return { busy: true, nowMs: timeOf(rows.at(-1) ?? []) };
      }
    }
  }
}

async function commitHeld(
  session: PostgresSession,
  context: QuestionContext,
  held: Held,
  transactions: readonly Transaction[],
): Promise<CommitAnswer> {
  if (onlyChecks(transactions)) {
    const [rows = []] = await session.send(checkQuestion(transactions, context));
    await session.send({ text: 'ROLLBACK' });
    return checkAnswerOf(transactions, rows);
  }
  const placeholders = held.keys.filter((_, index) => held.records[index] === undefined);
  session.committing();
  try {
    const text = textToCommit(transactions, placeholders, context);
    const [rows = []] = await session.send({ text: `${text}; COMMIT` });
    return answerOf(transactions, rows);
  } catch (error) {
    const cause = causeOf(error);
    if (!isLockTimeout(cause) && !gaveWay(cause)) throw error;
    // It named keys beyond those it holds, and somebody who waits for these holds them: nobody may wait for the other.
    await session.send({ text: 'ROLLBACK' });
    const keys = transactions.flatMap(({ writes }) => writes.map(({ key }) => key));
    const [rows = []] = await session.send(readQuestion(keys, context));
    return conflictsOf(transactions, recordsOf(keys, rows));
  }
}
