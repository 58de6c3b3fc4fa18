import { type Answered, startWorkerThread, type WorkerThread } from './sqlite-worker-thread.js';
import {
  type Capabilities,
  type Key,
  type LockedAnswer,
  type Storage,
  type StoredRecord,
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
  let thread = await startWorkerThread({ path, durability });
  let starting: Promise<WorkerThread> | undefined;
  let asking = 0;
  let closing: Promise<void> | undefined;

  async function running(): Promise<WorkerThread> {
    if (!thread.ended) return thread;
    starting ??= startWorkerThread({ path, durability }).finally(() => (starting = undefined));
    thread = await starting;
    return thread;
  }

  async function locked(keys: readonly Key[], run: Parameters<Storage['locked']>[1]): Promise<LockedAnswer> {
    const used = await running();
    const id = used.nextId();
    const taken = await used.ask(id, { kind: 'lock', keys }, clock?.());
    if (taken.kind === 'busy') return { busy: true, nowMs: taken.nowMs };
    let group: Flat;
    try {
      group = flattenGroup(run(readRecords(taken.flat), taken.nowMs));
    } catch (error) {
      // Whether the lock was still held makes no difference to what is thrown.
      await used.ask(id, { kind: 'decide', group: null }, clock?.()).catch(() => undefined);
      throw error;
    }
    const done = await used.ask(id, { kind: 'decide', group }, clock?.());
    return { outcomes: readOutcomes(flatOf(done)), nowMs: done.nowMs };
  }

  async function ask(body: QuestionBody): Promise<Answered> {
    const used = await running();
    return used.ask(used.nextId(), body, clock?.());
  }

  /** Counts what is under way, and refuses what comes after the end. */
  async function counted<T>(work: () => Promise<T>): Promise<T> {
    if (closing) throw new StorageUnavailableError(`sqlite: ${path} was closed`, { outcome: 'none' });
    asking++;
    try {
      return await work();
    } finally {
      asking--;
    }
  }

  async function closeThread(): Promise<void> {
    while (asking > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    await thread.close();
  }

  return {
    capabilities,
    clock: clock ?? Date.now,
    read: (keys) =>
      counted(async () => {
        const done = await ask({ kind: 'read', keys });
        return { records: readRecords(flatOf(done)), nowMs: done.nowMs };
      }),
    commit: (transactions) =>
      counted(async () => {
        const done = await ask({ kind: 'commit', group: flattenGroup(transactions) });
        return { outcomes: readOutcomes(flatOf(done)), nowMs: done.nowMs };
      }),
    locked: (keys, run) => counted(() => locked(keys, run)),
    range: (query) =>
      counted(async () => {
        const done = await ask({ kind: 'range', query });
        return { records: readRecords(flatOf(done)) as StoredRecord[], nowMs: done.nowMs };
      }),
    sweep: (limit) =>
      counted(async () => {
        const done = await ask({ kind: 'sweep', limit });
        return { keys: flatOf(done) as Key[], nowMs: done.nowMs };
      }),
    close: () => (closing ??= closeThread()),
  };
}

function flatOf(answered: Answered): Extract<Answered, { kind: 'done' }>['flat'] {
  return answered.kind === 'done' ? answered.flat : [];
}
