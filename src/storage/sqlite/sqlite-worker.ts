/** The thread that holds the connection when the event loop of the main thread must stay free. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Question, Reply } from './sqlite-worker-protocol.js';
import { outcomeToWire, toWire, transactionFromWire } from './sqlite-worker-protocol.js';
import { StorageUnavailableError, type Transaction } from '../storage.js';
import { createSqliteSession } from './sqlite-session.js';
import { openPatiently } from './sqlite-storage.js';

/** How long the main thread may take to decide while the file is locked: longer, and it is held for nobody. */
const decisionWaitMsMax = 2_000;

const { path, durability } = workerData as { path: string; durability: 'power' | 'process' };
const port = parentPort;
if (!port) throw new Error('this file is a worker; import sqlite-storage instead');

let nowMs: number | undefined;
let decide: ((transactions: readonly Transaction[] | 'nothing') => void) | undefined;
const send = (reply: Reply): void => port.postMessage(reply);

try {
  const database = await openPatiently(path, durability);
  const session = createSqliteSession(database, path, () => nowMs ?? Date.now());
  // One after the other: while the file is locked for one question, no other may begin a transaction.
  let turn = Promise.resolve();
  port.on('message', (question: Question) => {
    if (question.kind === 'decided') {
      nowMs = question.nowMs;
      decide?.(
        question.transactions === 'nothing' ? 'nothing' : question.transactions.map(transactionFromWire),
      );
      return;
    }
    turn = turn.then(async () => {
      nowMs = question.nowMs;
      try {
        if (question.kind === 'close') {
          database.close();
          send({ id: question.id, kind: 'closed' });
          port.close();
        } else {
          send(await answer(session, question));
        }
      } catch (error) {
        const outcome = error instanceof StorageUnavailableError ? error.outcome : 'none';
        send({ id: question.id, kind: 'failed', outcome, message: messageOf(error) });
      }
    });
  });
  send({ id: 0, kind: 'closed' });
} catch (error) {
  const code = (error as { code?: unknown }).code;
  send({ id: 0, kind: 'failed', outcome: 'none', message: `${String(code)}\n${messageOf(error)}` });
}

type Asked = Exclude<Question, { kind: 'close' | 'decided' }>;

async function answer(session: ReturnType<typeof createSqliteSession>, question: Asked): Promise<Reply> {
  const { id } = question;
  switch (question.kind) {
    case 'read': {
      const answered = await session.read(question.keys);
      return { id, kind: 'records', records: answered.records.map(toWire), nowMs: answered.nowMs };
    }
    case 'range': {
      const answered = await session.range(question.query);
      return { id, kind: 'records', records: answered.records.map(toWire), nowMs: answered.nowMs };
    }
    case 'commit': {
      const answered = await session.commit(question.transactions.map(transactionFromWire));
      return { id, kind: 'outcomes', outcomes: answered.outcomes.map(outcomeToWire), nowMs: answered.nowMs };
    }
    case 'lock': {
      const answered = await session.locked(question.keys, (records, atMs) => {
        const decided = decision();
        send({ id, kind: 'locked', records: records.map(toWire), nowMs: atMs });
        return decided;
      });
      if (answered.busy) return { id, kind: 'busy', nowMs: answered.nowMs };
      return { id, kind: 'outcomes', outcomes: answered.outcomes.map(outcomeToWire), nowMs: answered.nowMs };
    }
    case 'sweep': {
      const answered = await session.sweep(question.limit);
      return { id, kind: 'keys', keys: answered.keys, nowMs: answered.nowMs };
    }
  }
}

/** Waits for what the main thread decides about the records it was sent; nothing is written if it does not in time. */
function decision(): Promise<readonly Transaction[]> {
  return new Promise((resolve, reject) => {
    const giveUp = (reason: string): void => {
      decide = undefined;
      reject(new StorageUnavailableError(`${path}: ${reason}`, { outcome: 'none' }));
    };
    const timer = setTimeout(() => giveUp('the main thread did not decide in time'), decisionWaitMsMax);
    decide = (transactions) => {
      clearTimeout(timer);
      decide = undefined;
      if (transactions === 'nothing') giveUp('the call failed');
      else resolve(transactions);
    };
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
