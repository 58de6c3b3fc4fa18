import type { Capabilities, Storage, StoredRecord, Transaction } from '../storage.js';
import { AmbitError, type AmbitErrorCode, StorageUnavailableError } from '../storage.js';
import {
  fromWire,
  outcomeFromWire,
  type Question,
  type Reply,
  transactionToWire,
} from './sqlite-worker-protocol.js';
import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

export interface SqliteWorkerOptions {
  readonly path: string;
  readonly durability: 'power' | 'process';
  readonly clock: () => number;
  /** Whether the worker reads the machine's clock itself; else each question carries the time. */
  readonly ownClock: boolean;
}

type Unsent<T> = T extends unknown ? Omit<T, 'id' | 'nowMs'> : never;

interface Pending {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
  readonly onLocked?: (reply: Extract<Reply, { kind: 'locked' }>) => void;
}

/** Run from its sources, as the tests do, the thread still is the built one: Node loads no TypeScript. */
function workerUrl(): URL {
  const beside = new URL('./sqlite-worker.js', import.meta.url);
  return existsSync(beside)
    ? beside
    : new URL('../../../dist/storage/sqlite/sqlite-worker.js', import.meta.url);
}

/** A storage whose connection lives in a worker thread, which is started anew should it die. */
export async function openSqliteWorker(
  options: SqliteWorkerOptions,
  capabilities: Capabilities,
): Promise<Storage> {
  const { path, clock } = options;
  const pending = new Map<number, Pending>();
  let questions = 0;
  let closed = false;
  let worker: Promise<Worker> | undefined;

  function start(): Promise<Worker> {
    const started = new Worker(workerUrl(), { workerData: { path, durability: options.durability } });
    return new Promise((resolve, reject) => {
      started.on('message', (reply: Reply) => {
        if (reply.id !== 0) return receive(started, reply);
        if (reply.kind === 'failed') reject(openErrorOf(reply.message));
        else resolve(started);
      });
      started.on('error', (error) => reject(error));
      started.on('exit', () => {
        worker = undefined;
        reject(new StorageUnavailableError(`${path}: its thread ended`, { outcome: 'none' }));
        for (const waiting of pending.values()) {
          waiting.reject(new StorageUnavailableError(`${path}: its thread ended`, { outcome: 'unknown' }));
        }
        pending.clear();
      });
    });
  }

  function receive(from: Worker, reply: Reply): void {
    const waiting = pending.get(reply.id);
    if (!waiting) return;
    if (reply.kind === 'locked') return waiting.onLocked?.(reply);
    pending.delete(reply.id);
    // Nothing under way must not keep the process alive; something under way must.
    if (pending.size === 0) from.unref();
    if (reply.kind === 'failed') {
      waiting.reject(new StorageUnavailableError(reply.message, { outcome: reply.outcome }));
    } else {
      waiting.resolve(reply);
    }
  }

  function post(to: Worker, id: number, question: Unsent<Question>): void {
    to.postMessage(options.ownClock ? { ...question, id } : { ...question, id, nowMs: clock() });
  }

  async function ask<K extends Reply['kind']>(
    question: Unsent<Question>,
    onLocked?: (reply: Extract<Reply, { kind: 'locked' }>, thread: Worker) => void,
  ): Promise<Extract<Reply, { kind: K }>> {
    if (closed && question.kind !== 'close') {
      throw new StorageUnavailableError(`${path}: it was closed`, { outcome: 'none' });
    }
    const thread = await (worker ??= start());
    const id = ++questions;
    thread.ref();
    const reply = await new Promise<Reply>((resolve, reject) => {
      pending.set(id, {
        resolve,
        reject,
        ...(onLocked && { onLocked: (locked) => onLocked(locked, thread) }),
      });
      post(thread, id, question);
    });
    return reply as Extract<Reply, { kind: K }>;
  }

  (await (worker = start())).unref();
  return {
    capabilities,
    clock,
    async read(keys) {
      const { records, nowMs } = await ask<'records'>({ kind: 'read', keys });
      return { records: records.map(fromWire), nowMs };
    },
    async commit(transactions) {
      const wire = transactions.map(transactionToWire);
      const { outcomes, nowMs } = await ask<'outcomes'>({ kind: 'commit', transactions: wire });
      return { outcomes: outcomes.map(outcomeFromWire), nowMs };
    },
    async locked(keys, run) {
      let thrown: { error: unknown } | undefined;
      const decide = (locked: Extract<Reply, { kind: 'locked' }>, thread: Worker): void => {
        let transactions: readonly Transaction[] | undefined;
        try {
          transactions = run(locked.records.map(fromWire), locked.nowMs);
        } catch (error) {
          thrown = { error };
        }
        post(thread, locked.id, {
          kind: 'decided',
          transactions: transactions?.map(transactionToWire) ?? 'nothing',
        });
      };
      try {
        const reply = await ask<'outcomes' | 'busy'>({ kind: 'lock', keys }, decide);
        if (reply.kind === 'busy') return { busy: true, nowMs: reply.nowMs };
        return { outcomes: reply.outcomes.map(outcomeFromWire), nowMs: reply.nowMs };
      } catch (error) {
        throw thrown ? thrown.error : error;
      }
    },
    async range(query) {
      const { records, nowMs } = await ask<'records'>({ kind: 'range', query });
      return { records: records.map((record) => fromWire(record) as StoredRecord), nowMs };
    },
    async sweep(limit) {
      const { keys, nowMs } = await ask<'keys'>({ kind: 'sweep', limit });
      return { keys, nowMs };
    },
    async close() {
      if (closed) return;
      closed = true;
      if (worker) await ask<'closed'>({ kind: 'close' });
    },
  };
}

function openErrorOf(message: string): AmbitError {
  const [code = '', ...rest] = message.split('\n');
  return new AmbitError(code as AmbitErrorCode, rest.join(' '));
}
