import {
  checkpointKey,
  type CheckpointRecord,
  namespaceKey,
  type PlaceKeys,
  type StoredText,
  threadKey,
  valueKey,
  writeKey,
} from './checkpoint-records.js';
import type { CheckpointPlace, CheckpointWrite, NewCheckpoint } from './checkpoint-types.js';
import { droppedKey, isStaged, stagingKey } from './transcript-records.js';
import type { Refused } from '../core/refusals.js';
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
  extends PlannedPlace, Pick<NewCheckpoint, 'parentId' | 'channels' | 'emptied' | 'ancestorsNeeded'> {
  readonly checkpoint: StoredText;
  readonly metadata: StoredText;
  readonly values: readonly {
    readonly channel: string;
    readonly name: string;
    readonly stored: StoredText;
  }[];
  readonly sets: readonly string[];
}

function placeOf(view: View, plan: PlannedPlace): PlaceKeys {
  const incarnation = view.get(threadKey(plan.threadName))?.incarnation ?? plan.newIncarnation;
  return { incarnation, namespace: plan.namespaceName };
}

/** Makes the thread's records where there are none. */
function enter(view: View, plan: PlannedPlace, place: PlaceKeys): void {
  const { incarnation } = place;
  if (incarnation === plan.newIncarnation) {
    view.put(threadKey(plan.threadName), { schema: schemaVersion, threadId: plan.threadId, incarnation });
    view.insert(namespaceKey(place), { schema: schemaVersion, namespace: plan.namespace });
  } else if (view.getConstant(namespaceKey(place)) === undefined) {
    view.put(namespaceKey(place), { schema: schemaVersion, namespace: plan.namespace });
  }
}

/**
 * Keeps a checkpoint: the values that changed, and where those are that did not. Where some are said to be unchanged which
 * its parent does not hold, or no more, it writes nothing and names them: left out, they would be lost in silence.
 */
export function decidePutCheckpoint(
  view: View,
  plan: PlannedCheckpoint,
): { readonly ok: true; readonly missing: readonly string[] } | Refused {
  const place = placeOf(view, plan);
  const parentKey = plan.parentId === undefined ? undefined : checkpointKey(place, plan.parentId);
  const key = checkpointKey(place, plan.checkpointId);
  const valueKeys = plan.values.map(({ name }) => valueKey(place, plan.checkpointId, name));
  view.need([key, ...(parentKey ? [parentKey] : []), ...valueKeys, ...plan.sets.map(stagingKey)]);
  if (plan.sets.some((set) => !isStaged(view, set))) return tookTooLong();
  const parent = parentKey && view.get(parentKey);
  const own = new Set(plan.values.map(({ channel }) => channel));
  const emptied = new Set(plan.emptied);
  const values: CheckpointRecord['values'][number][] = [];
  const missing: string[] = [];
  for (const { channel, version, isUnchanged } of plan.channels) {
    if (own.has(channel)) values.push([channel, version, plan.checkpointId]);
    else if (!emptied.has(channel)) {
      const kept = parent?.values.find(([name, ofVersion]) => name === channel && ofVersion === version);
      if (kept) values.push(kept);
      else if (isUnchanged) missing.push(channel);
    }
  }
  if (missing.length > 0) return { ok: true, missing };
  enter(view, plan, place);
  for (const { name, stored } of plan.values) {
    const valueAt = valueKey(place, plan.checkpointId, name);
    giveUpPieces(view, [view.get(valueAt)?.pieces?.set]);
    view.put(valueAt, { schema: schemaVersion, ...stored });
  }
  giveUpPieces(view, view.get(key)?.pieceSets ?? []);
  const pieceSets = [plan.checkpoint, plan.metadata].flatMap(({ pieces }) => (pieces ? [pieces.set] : []));
  view.put(key, {
    schema: schemaVersion,
    checkpointId: plan.checkpointId,
    parentId: plan.parentId ?? null,
    checkpoint: plan.checkpoint,
    metadata: plan.metadata,
    values,
    ancestorsNeeded: plan.ancestorsNeeded ?? 0,
    ...(pieceSets.length > 0 && { pieceSets }),
  });
  for (const set of plan.sets) view.delete(stagingKey(set));
  return { ok: true, missing };
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
  enter(view, plan, place);
  for (const { write, task, stored } of plan.writes) {
    const { taskId, index, channel } = write;
    const key = writeKey(place, plan.checkpointId, task, index);
    // A task that runs again after a crash may come to another result: what others have seen already stays.
    const keeps = index >= 0 && view.get(key) !== undefined;
    if (!keeps) view.put(key, { schema: schemaVersion, taskId, index, channel, ...stored });
    if (stored.pieces) {
      view.delete(stagingKey(stored.pieces.set));
      if (keeps) view.put(droppedKey(stored.pieces.set), schemaVersion);
    }
  }
  return { ok: true };
}

/** What to delete of a namespace's checkpoints, newest first, so that so many are left, and what those need. */
export function prunable(records: readonly CheckpointRecord[], keep: number): readonly CheckpointRecord[] {
  const byId = new Map(records.map((record) => [record.checkpointId, record]));
  const kept = new Set<string>();
  for (const record of records.slice(0, keep)) {
    let left = record.ancestorsNeeded;
    for (let one: CheckpointRecord | undefined = record; one;) {
      kept.add(one.checkpointId);
      if (left-- <= 0 || one.parentId === null) break;
      one = byId.get(one.parentId);
    }
  }
  return records.filter(({ checkpointId }) => !kept.has(checkpointId));
}
