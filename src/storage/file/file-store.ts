import { FileWriter, type FileWriterOptions, type FileWriterState } from './file-writer.js';
import { FileQueue } from './file-queue.js';
import type { OpenedFiles } from './file-open.js';
import type { Storage } from '../storage.js';
import { unavailable } from './file-errors.js';

export interface FileStoreOptions extends FileWriterOptions {
  readonly clock: () => number;
}

/** What a store can tell of itself. */
export interface FileStoreState extends FileWriterState {
  readonly records: number;
}

export type FileStore = Pick<Storage, 'read' | 'commit' | 'locked' | 'range' | 'sweep'> & {
  state(): FileStoreState;
  close(): Promise<void>;
};

/** A store on files that have been opened. Others see a change once it is durable. */
export function createFileStore(opened: OpenedFiles, options: FileStoreOptions): FileStore {
  const { directory, clock } = options;
  const { records } = opened;
  const writer = new FileWriter(opened, options);
  const queue = new FileQueue(records, writer, clock);
  let closing: Promise<void> | undefined;

  function assertOpen(): void {
    if (closing) throw unavailable(directory, 'the store is closed; open it anew', 'none');
  }

  /** At once, unless the journal failed: then nobody knows what another process would read, so it is mended first. */
  function look<T>(answer: () => T): T | Promise<T> {
    assertOpen();
    return writer.failure === undefined ? answer() : queue.enqueue(() => answer);
  }

  return {
    read: (keys) => look(() => ({ records: keys.map(records.record), nowMs: clock() })),
    range: (query) => look(() => ({ records: records.range(query), nowMs: clock() })),
    commit(transactions) {
      assertOpen();
      return queue.enqueue((batch) => {
        const outcomes = batch.commit(transactions);
        return () => ({ outcomes, nowMs: clock() });
      });
    },
    locked(keys, run) {
      assertOpen();
      return queue.enqueue((batch) => {
        const outcomes = batch.commit(run(keys.map(batch.record), clock()));
        return () => ({ outcomes, nowMs: clock() });
      });
    },
    sweep(limit) {
      assertOpen();
      return queue.enqueue((batch) => {
        const nowMs = clock();
        const keys = batch.sweep(limit, nowMs);
        return () => ({ keys, nowMs });
      });
    },
    state: () => ({ records: records.count, ...writer.state() }),
    close() {
      closing ??= closeAll();
      return closing;
    },
  };

  async function closeAll(): Promise<void> {
    await queue.drained();
    await writer.close();
    records.clear();
  }
}
