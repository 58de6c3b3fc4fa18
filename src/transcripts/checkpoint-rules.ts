import {
  checkpointKey,
  type CheckpointRecord,
  type CheckpointTexts,
  namespaceKey,
  type NamespaceRecord,
  type PlaceKeys,
  type StoredText,
  textKey,
  threadKey,
  valueKey,
  writeKey,
} from './checkpoint-records.js';
import { isCheckpointRecord, isNamespaceRecord, isThreadRecord } from './checkpoint-shapes.js';
import { AmbitError } from '../core/errors.js';
import type { CheckpointPlace, CheckpointWrite, NewCheckpoint } from './checkpoint-types.js';
import { droppedKey, isStaged, stagingKey } from './transcript-records.js';
import { quoted } from '../core/text-rules.js';
import type { Refused } from '../core/refusals.js';
import { outlineTextCharsMax, prunePart, pruneSlack } from './checkpoint-limits.js';
import { schemaVersion } from './transcript-limits.js';
import { tookTooLong } from './transcript-refusals.js';
import type { View } from '../engine/engine.js';

/** The names of a place in keys, and what to call the thread's records where it has none yet. */
export interface PlannedPlace extends CheckpointPlace {
  readonly threadName: string;
  readonly namespaceName: string;
  readonly newIncarnation: string;
}

/** A checkpoint to keep, with its texts as they are stored. */
export interface PlannedCheckpoint
  extends
    PlannedPlace,
    CheckpointTexts,
    Pick<NewCheckpoint, 'parentId' | 'channels' | 'emptied' | 'ancestorsNeeded' | 'partOf'> {
  /** Whether old ones are to be deleted now and then. */
  readonly isBounded: boolean;
  readonly values: readonly {
    readonly channel: string;
    readonly name: string;
    readonly stored: StoredText;
  }[];
  readonly sets: readonly string[];
}

function placeOf(view: View, plan: PlannedPlace): PlaceKeys {
  const thread = view.get(threadKey(plan.threadName));
  // Written over, it would take everything along that lies under its incarnation.
  if (thread !== undefined && !isThreadRecord(thread)) throw damagedThread(plan.threadId);
  return { incarnation: thread?.incarnation ?? plan.newIncarnation, namespace: plan.namespaceName };
}

export function damagedThread(threadId: string): AmbitError {
  const what = `the record of the thread ${quoted(threadId)} is damaged`;
  return new AmbitError('STORE_CORRUPT', `${what}; other threads are not affected`);
}

/** Makes the thread's records where there are none, and answers that of the namespace. */
function enter(view: View, plan: PlannedPlace, place: PlaceKeys): NamespaceRecord {
  const { incarnation } = place;
  const fresh = { schema: schemaVersion, namespace: plan.namespace };
  if (incarnation === plan.newIncarnation) {
    view.put(threadKey(plan.threadName), { schema: schemaVersion, threadId: plan.threadId, incarnation });
    view.insert(namespaceKey(place), fresh);
    return fresh;
  }
  const record = view.get(namespaceKey(place));
  if (isNamespaceRecord(record)) return record;
  view.put(namespaceKey(place), fresh);
  return fresh;
}

/** Counts a checkpoint of a thread that is bounded, and says whether it is time to look for old ones. */
function countPut(view: View, { threadName, newIncarnation }: PlannedCheckpoint): boolean {
  const key = threadKey(threadName);
  const record = view.get(key);
  if (record === undefined) return false;
  // Of one that was not bounded before, nobody knows how many there are.
  const left = record.putsUntilPruning ?? (record.incarnation === newIncarnation ? pruneSlack : 0);
  view.put(key, { ...record, putsUntilPruning: left > 0 ? left - 1 : pruneSlack });
  return left <= 0;
}

/**
 * Keeps a checkpoint: the values that changed, and where those are that did not. Where some are said to be unchanged which
 * its parent does not hold, or no more, it writes nothing and names them: left out, they would be lost in silence.
 */
export function decidePutCheckpoint(
  view: View,
  plan: PlannedCheckpoint,
): { readonly ok: true; readonly missing: readonly string[]; readonly isTimeToPrune: boolean } | Refused {
  const place = placeOf(view, plan);
  const parentKey = plan.parentId === undefined ? undefined : checkpointKey(place, plan.parentId);
  const key = checkpointKey(place, plan.checkpointId);
  const valueKeys = plan.values.map(({ name }) => valueKey(place, plan.checkpointId, name));
  view.need([
    namespaceKey(place),
    key,
    ...(parentKey ? [parentKey] : []),
    ...valueKeys,
    ...plan.sets.map(stagingKey),
  ]);
  if (plan.sets.some((set) => !isStaged(view, set))) return tookTooLong();
  const kept = parentKey && view.get(parentKey);
  const parent = isCheckpointRecord(kept) ? kept : undefined;
  const own = new Set(plan.values.map(({ channel }) => channel));
  const emptied = new Set(plan.emptied);
  const values: CheckpointRecord['values'][number][] = [];
  const missing: string[] = [];
  for (const { channel, version, isUnchanged } of plan.channels) {
    if (own.has(channel)) values.push([channel, version, plan.checkpointId]);
    else if (!emptied.has(channel)) {
      const same = parent?.values.find(([name, ofVersion]) => name === channel && ofVersion === version);
      if (same) values.push(same);
      else if (isUnchanged) missing.push(channel);
    }
  }
  if (missing.length > 0) return { ok: true, missing, isTimeToPrune: false };
  needDropped(view, [
    ...valueKeys.map((valueAt) => view.get(valueAt)?.pieces?.set),
    ...(view.get(key)?.pieceSets ?? []),
  ]);
  const namespace = enter(view, plan, place);
  view.put(namespaceKey(place), { ...namespace, puts: (namespace.puts ?? 0) + 1 });
  for (const { name, stored } of plan.values) {
    const valueAt = valueKey(place, plan.checkpointId, name);
    giveUpPieces(view, [view.get(valueAt)?.pieces?.set]);
    view.put(valueAt, { schema: schemaVersion, ...stored });
  }
  putOutline(view, plan, place, values);
  for (const set of plan.sets) view.delete(stagingKey(set));
  return { ok: true, missing, isTimeToPrune: plan.isBounded && countPut(view, plan) };
}

/** The record of a checkpoint, and where they are long its texts, in one of their own. */
function putOutline(
  view: View,
  plan: PlannedCheckpoint,
  place: PlaceKeys,
  values: CheckpointRecord['values'],
): void {
  const { checkpointId, checkpoint, metadata, partOf = [] } = plan;
  const key = checkpointKey(place, checkpointId);
  const textsKey = textKey(place, checkpointId);
  const before = view.get(key);
  giveUpPieces(view, before?.pieceSets ?? []);
  const texts = { checkpoint, metadata };
  const pieceSets = [checkpoint, metadata].flatMap(({ pieces }) => (pieces ? [pieces.set] : []));
  const chars = (checkpoint.text?.length ?? 0) + (metadata.text?.length ?? 0);
  const isLong = chars > outlineTextCharsMax;
  view.put(key, {
    schema: schemaVersion,
    checkpointId,
    parentId: plan.parentId ?? null,
    ...(!isLong && texts),
    values,
    ancestorsNeeded: plan.ancestorsNeeded ?? 0,
    ...(partOf.length > 0 && { partOf }),
    ...(pieceSets.length > 0 && { pieceSets }),
  });
  if (isLong) view.put(textsKey, { schema: schemaVersion, ...texts });
  else if (before && before.checkpoint === undefined) view.delete(textsKey);
}

/** Together, before anything is written: each that is looked for by itself is one more run, and those are bounded. */
function needDropped(view: View, sets: readonly (string | undefined)[]): void {
  view.need(sets.filter((set) => set !== undefined).map(droppedKey));
}

/** What a record referred to that is written over. */
function giveUpPieces(view: View, sets: readonly (string | undefined)[]): void {
  for (const set of sets) if (set !== undefined) view.put(droppedKey(set), schemaVersion);
}

/** Writes of a task to keep, with their texts as they are stored. */
export interface PlannedWrites extends PlannedPlace {
  readonly writes: readonly {
    readonly write: CheckpointWrite;
    readonly task: string;
    readonly stored: StoredText;
  }[];
}

export function decidePutWrites(view: View, plan: PlannedWrites): { readonly ok: true } | Refused {
  const place = placeOf(view, plan);
  const sets = plan.writes.flatMap(({ stored }) => (stored.pieces ? [stored.pieces.set] : []));
  view.need([
    ...plan.writes.map(({ write, task }) => writeKey(place, plan.checkpointId, task, write.index)),
    ...sets.map(stagingKey),
  ]);
  if (sets.some((set) => !isStaged(view, set))) return tookTooLong();
  const writes = plan.writes.map((one) => {
    const key = writeKey(place, plan.checkpointId, one.task, one.write.index);
    // A task that runs again after a crash may come to another result: what others have seen already stays.
    return { ...one, key, keeps: one.write.index >= 0 && view.get(key) !== undefined };
  });
  needDropped(
    view,
    writes.map(({ stored, keeps }) => (keeps ? stored.pieces?.set : undefined)),
  );
  enter(view, plan, place);
  for (const { write, stored, key, keeps } of writes) {
    const { taskId, index, channel } = write;
    if (!keeps) view.put(key, { schema: schemaVersion, taskId, index, channel, ...stored });
    if (stored.pieces) {
      view.delete(stagingKey(stored.pieces.set));
      if (keeps) view.put(droppedKey(stored.pieces.set), schemaVersion);
    }
  }
  return { ok: true };
}

/** How many checkpoints are put until old ones are looked for again, where a look found so many records to stay. */
export function pruneAgainAfter(left: number): number {
  return Math.max(pruneSlack, Math.floor(left / prunePart));
}
