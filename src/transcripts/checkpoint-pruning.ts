import {
  checkpointKey,
  type CheckpointRecord,
  checkpointsOf,
  namespaceKey,
  type NamespaceRecord,
  namespacesOf,
  type PlaceKeys,
  textKey,
  threadKey,
  type ThreadRecord,
  valueKey,
  writesBelow,
  writesIn,
  writesOf,
} from './checkpoint-records.js';
import {
  type NamespaceContent,
  type NamespacePlan,
  planRetention,
  valuesGivenUp,
} from './checkpoint-retention-rules.js';
import { pruneBatchMax, pruneTriesMax } from './checkpoint-limits.js';
import { schemaVersion } from './transcript-limits.js';
import { droppedKey, type Range } from './transcript-records.js';
import { readAll, readPage, readValues, unreadable } from './record-pages.js';
import type { Engine, View } from '../engine/engine.js';
import { isCheckpointRecord, isNamespaceRecord } from './checkpoint-shapes.js';
import { isRefused, type Refused } from '../core/refusals.js';
import type { Key } from '../core/keys.js';
import { keyName } from './checkpoint-names.js';
import { piecesOf } from './transcript-collecting.js';
import { pruneAgainAfter } from './checkpoint-rules.js';

/** What a look for old checkpoints did: how many it deleted, and how many records stand in the way of the next one. */
interface Pruned {
  readonly ok: true;
  readonly deleted: number;
  readonly left: number;
}

/** A namespace as it was read. */
interface Content extends NamespaceContent {
  readonly keys: PlaceKeys;
  /** How often a checkpoint had been put in it, before its checkpoints were read. */
  readonly puts: number;
  /** Checkpoints that cannot be read: they cannot be deleted either. */
  readonly unreadable: number;
}

/**
 * Deletes a thread's old checkpoints in all of its namespaces, with their writes and the values that none of those left refers
 * to. It reads the checkpoints without their values; what it writes is what it deletes. A reader of an old one meanwhile finds
 * it whole, or finds that it is gone. What is being written to is left to the next look.
 */
export async function pruneThread(
  engine: Engine,
  { threadId, incarnation }: Pick<ThreadRecord, 'threadId' | 'incarnation'>,
  keep: number,
): Promise<Pruned | Refused> {
  let deleted = 0;
  for (let tries = 1; ; tries++) {
    const contents = await readContents(engine, incarnation);
    if (isRefused(contents)) return contents;
    let left = contents.length;
    let isStale = false;
    for (const plan of planRetention(contents, keep)) {
      left += plan.kept.length;
      const done = await pruneNamespace(engine, plan);
      if (!done.ok) return done;
      deleted += done.deleted;
      isStale ||= done.isStale;
    }
    if (isStale && tries < pruneTriesMax) continue;
    const noted = await noteLeft(engine, threadId, incarnation, left);
    return noted.ok ? { ok: true, deleted, left } : noted;
  }
}

async function readContents(engine: Engine, incarnation: string): Promise<readonly Content[] | Refused> {
  const namespaces = await readAll<NamespaceRecord>(engine, namespacesOf(incarnation));
  if (!namespaces.ok) return namespaces;
  const contents: Content[] = [];
  for (const { value } of namespaces.found) {
    if (!isNamespaceRecord(value)) continue;
    const keys = { incarnation, namespace: keyName(value.namespace) };
    const all = await readAll<CheckpointRecord>(engine, checkpointsOf(keys));
    if (!all.ok) return all;
    const readable = all.found.map((one) => one.value).filter(isCheckpointRecord);
    contents.push({
      namespace: value.namespace,
      newestFirst: readable.reverse(),
      keys,
      puts: value.puts ?? 0,
      unreadable: all.unreadable.length + all.found.length - readable.length,
    });
  }
  return contents;
}

type Deleted = { readonly ok: true; readonly deleted: number; readonly isStale: boolean };

async function pruneNamespace(engine: Engine, plan: NamespacePlan<Content>): Promise<Deleted | Refused> {
  const { content, removed, kept } = plan;
  const { keys } = content;
  const values = valuesGivenUp(plan);
  let batch: Key[] = [];
  let [inBatch, deleted] = [0, 0];
  for (const [index, record] of removed.entries()) {
    const { checkpointId } = record;
    batch.push(checkpointKey(keys, checkpointId));
    if (record.checkpoint === undefined) batch.push(textKey(keys, checkpointId));
    for (const { channel, writer } of values.get(checkpointId) ?? [])
      batch.push(valueKey(keys, writer, keyName(channel)));
    inBatch++;
    if (batch.length < pruneBatchMax && index < removed.length - 1) continue;
    const done = await deleteRecords(engine, batch, content);
    if (!done.ok || done.isStale) return done.ok ? { ok: true, deleted, isStale: true } : done;
    deleted += inBatch;
    [batch, inBatch] = [[], 0];
  }
  const writes = await deleteWrites(engine, plan);
  if (!writes.ok) return writes;
  if (kept.length === 0 && content.unreadable === 0) {
    const done = await forgetNamespace(engine, content);
    if (!done.ok) return done;
  }
  return { ok: true, deleted, isStale: false };
}

/**
 * Deletes records and gives up their pieces, unless a checkpoint was put in the namespace since it was read: that one may refer
 * to some of them. What cannot be read cannot be compared either, and stays behind.
 */
async function deleteRecords(
  engine: Engine,
  all: readonly Key[],
  { keys, puts }: Pick<Content, 'keys' | 'puts'>,
): Promise<{ readonly ok: true; readonly isStale: boolean } | Refused> {
  const read = await readValues(engine, all);
  if (!read.ok) return read;
  const readable = all.filter((_key, index) => read.values[index] !== unreadable);
  const namespace = namespaceKey(keys);
  return engine.transact([namespace, ...readable], (view) => {
    view.need(readable);
    if ((view.get(namespace)?.puts ?? 0) !== puts) return { ok: true as const, isStale: true };
    deleteWithPieces(view, readable);
    return { ok: true as const, isStale: false };
  });
}

/** Deletes records that are there, and gives up their pieces. */
function deleteWithPieces(view: View, keys: readonly Key[]): void {
  view.need(keys);
  const dropped = keys.flatMap((key) => piecesOf(view.get(key))).map(droppedKey);
  view.need(dropped);
  for (const key of dropped) view.put(key, schemaVersion);
  for (const key of keys) view.delete(key);
}

/**
 * Deletes the writes of what was removed, and those that belong to no checkpoint any more: of a task that ended after its
 * checkpoint was deleted, or of a look that was cut off here.
 */
async function deleteWrites(
  engine: Engine,
  { content, removed, nothingBelow }: NamespacePlan<Content>,
): Promise<{ readonly ok: true } | Refused> {
  const others = removed.filter(({ checkpointId }) => checkpointId >= nothingBelow);
  const ranges = [
    ...(nothingBelow === '' ? [] : [writesBelow(content.keys, nothingBelow)]),
    ...others.map(({ checkpointId }) => writesOf(content.keys, checkpointId)),
  ];
  for (const range of ranges) {
    const done = await deleteRange(engine, range);
    if (!done.ok) return done;
  }
  return { ok: true };
}

async function deleteRange(engine: Engine, range: Range<unknown>): Promise<{ readonly ok: true } | Refused> {
  for (;;) {
    const page = await readPage(engine, range, pruneBatchMax, false);
    if (!page.ok) return page;
    const keys = page.found.map(({ key }) => key);
    if (keys.length === 0) return { ok: true };
    const done = await engine.transact(keys, (view) => {
      deleteWithPieces(view, keys);
      return { ok: true as const };
    });
    if (!done.ok || page.last === undefined) return done;
  }
}

/** Deletes the record of a namespace in which nothing is left. */
async function forgetNamespace(
  engine: Engine,
  { keys, puts }: Content,
): Promise<{ readonly ok: true } | Refused> {
  const isEmpty = async (): Promise<boolean | Refused> => {
    for (const range of [checkpointsOf(keys), writesIn(keys)]) {
      const page = await readPage<unknown>(engine, range, 1, false);
      if (!page.ok) return page;
      if (page.found.length + page.unreadable.length > 0) return false;
    }
    return true;
  };
  const before = await isEmpty();
  if (before !== true) return before === false ? { ok: true } : before;
  const key = namespaceKey(keys);
  const done = await engine.transact([key], (view) => {
    const record = view.get(key);
    if (record === undefined || (record.puts ?? 0) !== puts) return { ok: true as const };
    view.delete(key);
    return { ok: true as const, deleted: record };
  });
  if (!done.ok || !('deleted' in done) || done.deleted === undefined) return done;
  // Writes of a task may have come just before.
  const after = await isEmpty();
  if (after === true || after !== false) return after === true ? { ok: true } : after;
  return engine.transact([key], (view) => {
    if (view.get(key) === undefined) view.put(key, done.deleted);
    return { ok: true as const };
  });
}

/** Where much is left, the next look waits longer, so that what is read stays in proportion to what is put. */
async function noteLeft(
  engine: Engine,
  threadId: string,
  incarnation: string,
  left: number,
): Promise<{ readonly ok: true } | Refused> {
  const putsUntilPruning = pruneAgainAfter(left);
  const key = threadKey(keyName(threadId));
  return engine.transact([key], (view) => {
    const record = view.get(key);
    if (record === undefined || record.incarnation !== incarnation) return { ok: true as const };
    if ((record.putsUntilPruning ?? 0) >= putsUntilPruning) return { ok: true as const };
    view.put(key, { ...record, putsUntilPruning });
    return { ok: true as const };
  });
}
