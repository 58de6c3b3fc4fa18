import { type Answered, startWorkerThread, type WorkerThread } from './sqlite-worker-thread.js';
import {
  type Capabilities,
  type Key,
  type LockedAnswer,
  type RangeAnswer,
  type ReadAnswer,
  type Storage,
  StorageUnavailableError,
} from '../storage.js';
import {
  type Flat,
  flattenGroup,
  type QuestionBody,
  readOutcomes,
  readRecords,
} from './sqlite-worker-protocol.js';
import { absolutePath } from './sqlite-file.js';
import type { SqliteConnectionOptions } from './sqlite-connection.js';

export interface WorkerStorageOptions {
  readonly path: string;
  readonly durability: 'power' | 'process';
  /** Where it is not this machine's, each question carries what it says. */
  readonly clock: (() => number) | undefined;
}

/** A storage whose connection lives on a thread of its own, which is started anew should it die. */
export async function openWorkerStorage(
  { path: named, durability, clock }: WorkerStorageOptions,
  capabilities: Capabilities,
): Promise<Storage> {
  // A thread that is started later must not look elsewhere because the process has changed its directory.
  const path = absolutePath(named);
  const threads = await keepThread({ path, durability });
  const ask = async (body: QuestionBody): Promise<{ flat: Flat; nowMs: number }> => {
    const used = await threads.running();
    return doneOf(await used.ask(used.nextId(), body, clock?.()));
  };
  const records = async (body: QuestionBody): Promise<ReadAnswer> => {
    const { flat, nowMs } = await ask(body);
    return { records: readRecords(flat), nowMs };
  };

  return {
    capabilities,
    clock: clock ?? Date.now,
    read: (keys) => threads.counted(() => records({ kind: 'read', keys })),
    range: (query) => threads.counted(() => records({ kind: 'range', query })) as Promise<RangeAnswer>,
    commit: (transactions) =>
      threads.counted(async () => {
        const { flat, nowMs } = await ask({ kind: 'commit', group: flattenGroup(transactions) });
        return { outcomes: readOutcomes(flat), nowMs };
      }),
    locked: (keys, run) =>
      threads.counted(async () => locked(await threads.running(), keys, run, () => clock?.())),
    sweep: (limit) =>
      threads.counted(async () => {
        const { flat, nowMs } = await ask({ kind: 'sweep', limit });
        return { keys: flat as Key[], nowMs };
      }),
    close: () => threads.close(),
  };
}

/** Two round trips, between which the worker holds the lock. */
async function locked(
  used: WorkerThread,
  keys: readonly Key[],
  run: Parameters<Storage['locked']>[1],
  toldMs: () => number | undefined,
): Promise<LockedAnswer> {
  const id = used.nextId();
  const taken = await used.ask(id, { kind: 'lock', keys }, toldMs());
  if (taken.kind === 'busy') return { busy: true, nowMs: taken.nowMs };
  let group: Flat;
  try {
    group = flattenGroup(run(readRecords(taken.flat), taken.nowMs));
  } catch (error) {
    // Whether the lock was still held makes no difference to what is thrown.
    await used.ask(id, { kind: 'decide', group: null }, toldMs()).catch(() => undefined);
    throw error;
  }
  const { flat, nowMs } = doneOf(await used.ask(id, { kind: 'decide', group }, toldMs()));
  return { outcomes: readOutcomes(flat), nowMs };
}

interface KeptThread {
  /** The thread, a new one if the last has died. */
  running(): Promise<WorkerThread>;
  /** Counts what is under way, and refuses what comes after the end. */
  counted<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

async function keepThread(options: SqliteConnectionOptions): Promise<KeptThread> {
  let thread = await startWorkerThread({ ...options, again: false });
  let starting: Promise<WorkerThread> | undefined;
  let asking = 0;
  let closing: Promise<void> | undefined;

  async function closeThread(): Promise<void> {
    while (asking > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await thread.close();
  }

  return {
    async running() {
      if (!thread.ended) return thread;
      starting ??= startWorkerThread({ ...options, again: true }).finally(() => (starting = undefined));
      thread = await starting;
      return thread;
    },
    async counted(work) {
      if (closing)
        throw new StorageUnavailableError(`sqlite: ${options.path} was closed`, { outcome: 'none' });
      asking++;
      try {
        return await work();
      } finally {
        asking--;
      }
    },
    close: () => (closing ??= closeThread()),
  };
}

function doneOf(answered: Answered): Extract<Answered, { kind: 'done' }> {
  if (answered.kind === 'done') return answered;
  throw new Error('sqlite: busy is an answer to lock only: a bug');
}
