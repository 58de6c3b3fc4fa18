import {
  AmbitError,
  compareKeys,
  groupBytesMax,
  type Storage,
  type StoredRecord,
} from '../storage/storage.js';
import { CopyTarget } from './copy-target.js';
import { differences } from './copy-compare.js';
import { openStorage } from '../open-storage.js';
import { redactStorageUrl } from '../core/storage-url.js';
import { walk } from './copy-walk.js';

/** Where a copy stands. */
export interface CopyProgress {
  /** `counting` the source, `copying`, then `verifying` all of it. */
  readonly step: 'counting' | 'copying' | 'verifying';
  /** Records, in this step. */
  readonly done: number;
  /** Of so many; not known while they are counted. */
  readonly total?: number;
}

/** Which store is copied where, and who is told how far it is. */
export interface CopyOptions {
  /** A storage URL, or an open store, which stays open. Nobody should write to it meanwhile. */
  readonly from: string | Storage;
  /** A storage URL, or an open store, which stays open: empty, or an unfinished copy of the same source. */
  readonly to: string | Storage;
  /** Told of every page. */
  readonly onProgress?: (progress: CopyProgress) => void;
}

/** What `copyStore` did. */
export interface CopyReport {
  /** Records that are in both stores now, and equal. */
  readonly records: number;
  /** Of them, those that this run copied; an earlier one that was stopped had copied the others. */
  readonly copied: number;
  /** Records that had changed in the source while they were copied. */
  readonly mended: number;
  readonly resumed: boolean;
}

/** Bytes of values and keys in one transaction: half of what a store takes, and a UTF-16 unit may be three bytes. */
const chunkCharsMax = groupBytesMax / 6;

/** A source that still changes after so many comparisons is in use. */
const comparisonsMax = 3;

/**
 * Copies a store into another one, of any backend: every record with its version and expiry, so that sessions, counters and
 * revocations go on where they were. Stopped at any moment, it goes on where it was when it is called again. In the end all
 * records of both stores are compared. What has expired is left behind.
 *
 * @throws AmbitError `INVALID_INPUT` for a target that is in use or holds something else, or a source that somebody writes
 * to; and what opening a store throws. A store that does not answer: `STORAGE_UNAVAILABLE`
 * @example
 * ```ts
 * import { copyStore } from 'ambit';
 *
 * const { records } = await copyStore({ from: 'sqlite:./ambit.db', to: 'file:./ambit' });
 * console.log(`${records} records`);
 * ```
 */
export async function copyStore(options: CopyOptions): Promise<CopyReport> {
  const { from, to } = options;
  if (from === to) throw new AmbitError('INVALID_INPUT', 'copy: the source is the target; name two stores');
  const opened: Storage[] = [];
  const open = async (store: string | Storage): Promise<Storage> => {
    if (typeof store !== 'string') return store;
    const storage = await openStorage(store);
    opened.push(storage);
    return storage;
  };
  try {
    const source = await open(from);
    const name = typeof from === 'string' ? redactStorageUrl(from) : `a store (${source.capabilities.name})`;
    return await copyInto(source, await open(to), name, options.onProgress ?? (() => {}));
  } finally {
    for (const storage of opened) await storage.close();
  }
}

async function copyInto(
  from: Storage,
  to: Storage,
  name: string,
  onProgress: (progress: CopyProgress) => void,
): Promise<CopyReport> {
  const target = await CopyTarget.take(to, name);
  const { resumed, after } = target;
  let total = 0;
  let before = 0;
  for await (const page of walk(from)) {
    total += page.length;
    before += after === undefined ? 0 : page.filter(({ key }) => compareKeys(key, after) <= 0).length;
    onProgress({ step: 'counting', done: total });
  }
  let copied = 0;
  for await (const page of walk(from, after)) {
    for (const chunk of chunksOf(page)) {
      await target.add(chunk);
      copied += chunk.length;
      onProgress({ step: 'copying', done: before + copied, total: Math.max(total, before + copied) });
    }
  }
  let mended = 0;
  for (let comparison = 1; ; comparison++) {
    let found = 0;
    let compared = 0;
    const onCompared = (done: number): void => {
      compared = done;
      onProgress({ step: 'verifying', done, total: Math.max(total, done) });
    };
    for await (const { key, wanted, found: lies } of differences(from, to, onCompared)) {
      await target.mend(key, wanted, lies);
      found++;
    }
    if (found === 0) {
      await target.finish();
      return { records: compared, copied, mended, resumed };
    }
    mended += found;
    if (comparison === comparisonsMax) {
      throw new AmbitError(
        'INVALID_INPUT',
        `copy: ${found} records of the source changed again while they were compared; end what writes to it, and copy again`,
      );
    }
  }
}

function* chunksOf(page: readonly StoredRecord[]): Generator<readonly StoredRecord[]> {
  let chunk: StoredRecord[] = [];
  let chars = 0;
  for (const record of page) {
    const more = record.key.length + record.value.text.length;
    if (chunk.length > 0 && chars + more > chunkCharsMax) {
      yield chunk;
      [chunk, chars] = [[], 0];
    }
    chunk.push(record);
    chars += more;
  }
  if (chunk.length > 0) yield chunk;
}
