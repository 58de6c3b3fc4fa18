import { AmbitError, StorageUnavailableError } from '../storage.js';
import { openingId, type QuestionBody, type Reply } from './sqlite-worker-protocol.js';
import type { OpeningOptions } from './sqlite-open.js';
import { Worker } from 'node:worker_threads';

/** What a question is answered with, unless it fails. */
export type Answered = Extract<Reply, { kind: 'done' | 'busy' }>;

/** A worker thread that has opened the file, and the questions it has not answered yet. */
export interface WorkerThread {
  /** Whether the thread is no more. */
  readonly ended: boolean;
  /** A number for a question; a `decide` has that of its `lock`. */
  nextId(): number;
  ask(id: number, body: QuestionBody, nowMs: number | undefined): Promise<Answered>;
  /** Resolves when the thread is no more. */
  close(): Promise<void>;
}

/**
 * Node 20 loads no TypeScript in a thread: run from its sources, as by its tests, this package starts the worker that
 * was built from them.
 */
const workerUrl = new URL(
  import.meta.url.endsWith('.ts') ? '../../../dist/storage/sqlite/sqlite-worker.js' : './sqlite-worker.js',
  import.meta.url,
);

interface Pending {
  readonly kind: QuestionBody['kind'];
  readonly resolve: (answered: Answered) => void;
  readonly reject: (error: unknown) => void;
}

/** Starts a thread; throws what opening the file there threw. */
export async function startWorkerThread(options: OpeningOptions): Promise<WorkerThread> {
  const pending = new Map<number, Pending>();
  const worker = new Worker(workerUrl, { workerData: options, name: 'ambit sqlite' });
  let lastId = openingId;
  let ended = false;
  let closing = false;
  let reason = 'its thread ended';

  const exited = new Promise<void>((resolve) => {
    worker.once('exit', () => {
      ended = true;
      for (const { kind, reject } of pending.values()) reject(lost(options.path, reason, kind));
      pending.clear();
      resolve();
    });
  });
  // The exit follows.
  worker.on('error', (error) => {
    reason = `its thread failed (${error instanceof Error ? error.message : String(error)})`;
  });
  worker.on('message', (reply: Reply) => {
    const asked = pending.get(reply.id);
    pending.delete(reply.id);
    // Only what is under way keeps the process alive, the closing included.
    if (pending.size === 0 && !closing) worker.unref();
    if (reply.kind === 'failed') asked?.reject(errorOf(reply));
    else asked?.resolve(reply);
  });

  function wait(id: number, kind: QuestionBody['kind']): Promise<Answered> {
    return new Promise((resolve, reject) => {
      if (ended)
        reject(new StorageUnavailableError(`sqlite: ${options.path}: ${reason}`, { outcome: 'none' }));
      else pending.set(id, { kind, resolve, reject });
      worker.ref();
    });
  }

  await wait(openingId, 'read');
  return {
    get ended() {
      return ended;
    },
    nextId: () => ++lastId,
    ask(id, body, nowMs) {
      const answered = wait(id, body.kind);
      worker.postMessage({ id, nowMs, ...body });
      return answered;
    },
    async close() {
      if (!ended) {
        closing = true;
        worker.ref();
        worker.postMessage({ id: ++lastId, nowMs: undefined, kind: 'close' });
      }
      await exited;
    },
  };
}

/** A question whose answer will not come: only those that write leave it open whether they did. */
function lost(path: string, reason: string, kind: QuestionBody['kind']): StorageUnavailableError {
  const wrote = kind === 'commit' || kind === 'decide' || kind === 'sweep';
  return new StorageUnavailableError(`sqlite: ${path}: ${reason}`, {
    outcome: wrote ? 'unknown' : 'none',
    retryAfterMs: 100,
  });
}

function errorOf({ code, message, outcome }: Extract<Reply, { kind: 'failed' }>): Error {
  if (code === 'STORAGE_UNAVAILABLE') return new StorageUnavailableError(message, { outcome });
  return code === undefined ? new Error(message) : new AmbitError(code, message);
}
