import {
  AmbitError,
  compareKeys,
  groupBytesMax,
  type Storage,
  type StoredRecord,
} from '../storage/storage.js';
import { type Comparison, compareStores, type Difference } from './copy-compare.js';
import { copyMarkKey, unfinishedCopy } from '../core/copy-mark.js';
import { CopyTarget, type Mend } from './copy-target.js';
import { isMeant, walk } from './copy-walk.js';
import { parseStorageUrl, redactStorageUrl } from '../core/storage-url.js';
import { openStorage } from '../open-storage.js';
import { resolve } from 'node:path';

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

/** Records that are read and written at once where stores differ: of the largest, more than these fill no small memory. */
const mendedAtOnce = 20;

/**
 * Copies a store into another one, of any backend: every record with its version and expiry, so that sessions, counters and
 * revocations go on where they were. Stopped at any moment, it goes on where it was when it is called again. In the end all
 * records of both stores are compared. What has expired is left behind.
 *
 * Until it is finished, `openAmbit` refuses the target. Who had it open before can still write to it: that is noticed, nothing of
 * it is deleted or written over, and the copy is refused.
 *
 * @throws AmbitError `INVALID_INPUT` for a target that is in use or holds something else, or a source that somebody writes
 * to; `COPY_UNFINISHED` for a source that is itself the target of an unfinished copy; `STORE_CORRUPT` where one of the two
 * does not give back what was written; and what opening a store throws. A store that does not answer: `STORAGE_UNAVAILABLE`
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
    const name = typeof from === 'string' ? nameOf(from) : `a store (${source.capabilities.name})`;
    return await copyInto(source, await open(to), name, options.onProgress ?? (() => {}));
  } finally {
    for (const storage of opened) await storage.close();
  }
}

/** A store by a name that is the same from every directory, and shows no secret. */
function nameOf(url: string): string {
  const location = parseStorageUrl(url);
  return redactStorageUrl(
    location.kind === 'sqlite' || location.kind === 'file'
      ? `${location.kind}:${resolve(location.path)}`
      : url,
  );
}

type OnProgress = (progress: CopyProgress) => void;

async function copyInto(
  from: Storage,
  to: Storage,
  name: string,
  onProgress: OnProgress,
): Promise<CopyReport> {
  await assertWhole(from);
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
  const onCompared = (done: number): void =>
    onProgress({ step: 'verifying', done, total: Math.max(total, done) });
  const { records, mended } = await makeEqual(from, to, target, onCompared);
  // It may have become a target meanwhile, and this copy one of a part of it.
  await assertWhole(from);
  await target.finish();
  return { records, copied, mended, resumed };
}

async function assertWhole(from: Storage): Promise<void> {
  const { records } = await from.read([copyMarkKey]);
  const unfinished = unfinishedCopy(records[0]);
  if (unfinished) throw unfinished;
}

/** Compares both, and copies again what had changed in the source, until nothing has. */
async function makeEqual(
  from: Storage,
  to: Storage,
  target: CopyTarget,
  onCompared: (records: number) => void,
): Promise<{ records: number; mended: number }> {
  let mended = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let comparisons = 1; ;) {
    const comparison: Comparison = await compareStores(from, to, onCompared);
    // Before anything is mended: what somebody else wrote looks like what was deleted in the source.
    target.assertOwn(comparison.sum);
    const { records, differences, noted } = comparison;
    if (differences === 0) return { records, mended };
    for (let index = 0; index < noted.length; index += mendedAtOnce)
      mended += await mend(from, target, noted.slice(index, index + mendedAtOnce));
    if (comparisons === comparisonsMax) {
      throw new AmbitError(
        'INVALID_INPUT',
        `copy: ${differences} records of the source changed again while they were compared; end what writes to it, and copy again`,
      );
    }
    // More than can be noted at once are mended in several goes, as long as they become fewer.
    if (noted.length === differences || differences >= least) comparisons++;
    least = Math.min(least, differences);
  }
}

/** Makes keys of the target what they are in the source by now; answers how many. */
async function mend(from: Storage, target: CopyTarget, different: readonly Difference[]): Promise<number> {
  const { records, nowMs } = await from.read(different.map(({ key }) => key));
  let mends: Mend[] = [];
  let chars = 0;
  for (const [index, { key, found }] of different.entries()) {
    const record = records[index];
    const wanted = record && isMeant(record, nowMs) ? record : undefined;
    const more = wanted ? charsOf(wanted) : 0;
    if (mends.length > 0 && chars + more > chunkCharsMax) {
      await target.mend(mends);
      [mends, chars] = [[], 0];
    }
    mends.push({ key, wanted, found });
    chars += more;
  }
  await target.mend(mends);
  return different.length;
}

function* chunksOf(page: readonly StoredRecord[]): Generator<readonly StoredRecord[]> {
  let chunk: StoredRecord[] = [];
  let chars = 0;
  for (const record of page) {
    const more = charsOf(record);
    if (chunk.length > 0 && chars + more > chunkCharsMax) {
      yield chunk;
      [chunk, chars] = [[], 0];
    }
    chunk.push(record);
    chars += more;
  }
  if (chunk.length > 0) yield chunk;
}

function charsOf({ key, value }: StoredRecord): number {
  return key.length + value.text.length;
}
