/** The thread that holds the connection, where the event loop of the main thread must stay free. */
import { AmbitError, type CommitAnswer, StorageUnavailableError } from '../storage.js';
import {
  flattenOutcomes,
  flattenRecords,
  openingId,
  type Question,
  type Reply,
  type ReplyBody,
  readGroup,
} from './sqlite-worker-protocol.js';
import { parentPort, workerData } from 'node:worker_threads';
import type { SqliteExecutor, SqliteHold } from './sqlite-executor.js';
import { openExecutor, type OpeningOptions } from './sqlite-open.js';

/** How long the main thread may take to decide while the file is locked: everybody else waits for it. */
const decisionWaitMsMax = 2_000;

const port = parentPort;
if (!port) throw new Error('sqlite-worker is started by sqliteStorage({ eventLoop: "free" }), not imported');

/** The clock of the storage: this machine's, or what the main thread said last. */
let toldMs: number | undefined;
const clock = (): number => toldMs ?? Date.now();
const holds = new Map<number, { readonly hold: SqliteHold; readonly timer: NodeJS.Timeout }>();
const send = (id: number, body: ReplyBody): void => port.postMessage({ id, ...body } satisfies Reply);

try {
  const executor = await openExecutor(workerData as OpeningOptions, clock);
  port.on('message', (question: Question) => void serve(executor, question));
  send(openingId, { kind: 'done', nowMs: clock(), flat: [] });
} catch (error) {
  send(openingId, failed(error));
}

async function serve(executor: SqliteExecutor, question: Question): Promise<void> {
  toldMs = question.nowMs;
  try {
    send(question.id, await answer(executor, question));
  } catch (error) {
    send(question.id, failed(error));
  }
  // The thread ends when nothing can reach it any more.
  if (question.kind === 'close') port?.close();
}

async function answer(executor: SqliteExecutor, question: Question): Promise<ReplyBody> {
  switch (question.kind) {
    case 'read': {
      const { records, nowMs } = await executor.read(question.keys);
      return { kind: 'done', nowMs, flat: flattenRecords(records) };
    }
    case 'commit':
      return committed(await executor.commit(readGroup(question.group)));
    case 'lock': {
      const hold = await executor.lock(question.keys);
      if (!hold) return { kind: 'busy', nowMs: clock() };
      const timer = setTimeout(() => letGo(question.id)?.abandon(), decisionWaitMsMax);
      holds.set(question.id, { hold, timer });
      return { kind: 'done', nowMs: hold.nowMs, flat: flattenRecords(hold.records) };
    }
    case 'decide': {
      const hold = letGo(question.id);
      if (!hold) throw new StorageUnavailableError('sqlite: decided too late', { outcome: 'none' });
      if (question.group !== null) return committed(hold.commit(readGroup(question.group)));
      hold.abandon();
      return { kind: 'done', nowMs: clock(), flat: [] };
    }
    case 'range': {
      const { records, nowMs } = await executor.range(question.query);
      return { kind: 'done', nowMs, flat: flattenRecords(records) };
    }
    case 'sweep': {
      const { keys, nowMs } = await executor.sweep(question.limit);
      return { kind: 'done', nowMs, flat: keys };
    }
    case 'close': {
      await executor.close();
      return { kind: 'done', nowMs: clock(), flat: [] };
    }
    default:
      return question satisfies never;
  }
}

/** Takes a hold out of the bound on its time, for whoever ends it. */
function letGo(id: number): SqliteHold | undefined {
  const found = holds.get(id);
  clearTimeout(found?.timer);
  holds.delete(id);
  return found?.hold;
}

function committed({ outcomes, nowMs }: CommitAnswer): ReplyBody {
  return { kind: 'done', nowMs, flat: flattenOutcomes(outcomes) };
}

function failed(error: unknown): ReplyBody {
  return {
    kind: 'failed',
    code: error instanceof AmbitError ? error.code : undefined,
    message: error instanceof Error ? error.message : String(error),
    outcome: error instanceof StorageUnavailableError ? error.outcome : 'none',
  };
}
