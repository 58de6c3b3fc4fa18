import {
  answerOf,
  checkAnswerOf,
  checkQuestion,
  conflictsOf,
  onlyChecks,
  type QuestionContext,
  readQuestion,
  recordsOf,
  writeQuestion,
} from './postgres-group.js';
import { type CommitAnswer, type Outcome, StorageUnavailableError, type Transaction } from '../storage.js';
import type { PostgresConnections } from './postgres-connections.js';

/**
 * `Storage.commit`: one statement, where nobody keeps a row of the group locked. Where somebody does, the group is tried
 * again in halves, and these in halves, until those that are held up stand alone: they are in conflict with whoever holds
 * their rows, and everybody else's calls are not held up with them.
 */
export async function commit(
  connections: PostgresConnections,
  context: QuestionContext,
  transactions: readonly Transaction[],
): Promise<CommitAnswer> {
  const { bounds } = context;
  const decided = new Map<Transaction, Outcome>();
  const undecided: Transaction[] = [];
  const deadline = performance.now() + bounds.partsMsMax;
  let nowMs = Number.NaN;
  const settle = (part: readonly Transaction[], answer: CommitAnswer): void => {
    part.forEach((transaction, index) => decided.set(transaction, answer.outcomes[index] as Outcome));
    ({ nowMs } = answer);
  };
  const attempt = async (part: readonly Transaction[], lockMsMax: number): Promise<void> => {
    if (onlyChecks(part)) {
      settle(part, checkAnswerOf(part, await connections.read(checkQuestion(part, context))));
      return;
    }
    const rows = await connections.write(writeQuestion(part, context, lockMsMax));
    if (Array.isArray(rows)) settle(part, answerOf(part, rows));
    else if (rows === 'gave way' || part.length === 1 || performance.now() > deadline) {
      undecided.push(...part);
    } else {
      const middle = Math.ceil(part.length / 2);
      await attempt(part.slice(0, middle), bounds.partLockMsMax);
      await attempt(part.slice(middle), bounds.partLockMsMax);
    }
  };
  try {
    await attempt(transactions, bounds.groupLockMsMax);
    if (undecided.length > 0) {
      const keys = undecided.flatMap(({ writes }) => writes.map(({ key }) => key));
      const found = recordsOf(keys, await connections.read(readQuestion(keys, context)));
      settle(undecided, conflictsOf(undecided, found));
    }
  } catch (error) {
    // Whatever is said of this part, another one may be written.
    if (decided.size === 0 || !(error instanceof StorageUnavailableError)) throw error;
    const { message, retryAfterMs } = error;
    throw new StorageUnavailableError(message, { outcome: 'unknown', retryAfterMs, cause: error });
  }
  return { nowMs, outcomes: transactions.map((transaction) => decided.get(transaction) as Outcome) };
}
