import type { CheckpointRecord } from './checkpoint-records.js';

/** The checkpoints of a namespace, newest first. */
export interface NamespaceContent {
  readonly namespace: string;
  readonly newestFirst: readonly CheckpointRecord[];
}

/** What goes of a namespace, oldest first, and what stays. */
export interface NamespacePlan<T extends NamespaceContent> {
  readonly content: T;
  readonly removed: readonly CheckpointRecord[];
  readonly kept: readonly CheckpointRecord[];
  /** Below this id no checkpoint stays and none is to come: writes that are left there are nobody's. */
  readonly nothingBelow: string;
}

interface Verdict {
  readonly kept: ReadonlySet<string>;
  /** What lies below this id is not among those to be kept; nothing does where there are too few. */
  readonly floor: string;
}

/**
 * What of a thread's checkpoints may go, the innermost graphs first. Of each namespace its newest stay, and:
 *
 * - what those are built on: a channel of deltas is read from its last snapshot on;
 * - of a graph within a graph that goes on in later steps, the one that each checkpoint of the outermost graph that stays would
 *   go on with: a run that goes back in time takes the newest one before it.
 *
 * The checkpoints of a graph that belongs to one step go with the checkpoint of that step: nobody can go on from them.
 */
export function planRetention<T extends NamespaceContent>(
  contents: readonly T[],
  keep: number,
): readonly NamespacePlan<T>[] {
  const outermostFirst = [...contents].sort((a, b) => depthOf(a.namespace) - depthOf(b.namespace));
  const verdicts = new Map<string, Verdict>();
  const plans: NamespacePlan<T>[] = [];
  const outermost = contents.find(({ namespace }) => namespace === '')?.newestFirst ?? [];
  for (const content of outermostFirst) {
    const { namespace, newestFirst } = content;
    const chosen = newestFirst.slice(0, keep).filter((record) => !isOver(record, verdicts));
    if (namespace !== '') chosen.push(...returnedTo(newestFirst, outermost, verdicts.get('')));
    const ids = withAncestors(newestFirst, chosen);
    const floor = floorOf(newestFirst, keep);
    verdicts.set(namespace, { kept: ids, floor });
    const kept = newestFirst.filter(({ checkpointId }) => ids.has(checkpointId));
    const oldest = kept.at(-1)?.checkpointId ?? verdicts.get('')?.floor ?? '';
    plans.push({
      content,
      removed: newestFirst.filter(({ checkpointId }) => !ids.has(checkpointId)).reverse(),
      kept,
      nothingBelow: kept.length === 0 || floor !== '' ? oldest : '',
    });
  }
  return plans.reverse();
}

const depthOf = (namespace: string): number => (namespace === '' ? 0 : namespace.split('|').length);

/** Where there are as many as are to be kept, the id of the last of them. */
function floorOf(newestFirst: readonly CheckpointRecord[], keep: number): string {
  return newestFirst[keep - 1]?.checkpointId ?? '';
}

/** Whether the step that a checkpoint belongs to can not be gone on with any more. One that is not there yet is not over. */
function isOver({ partOf = [] }: CheckpointRecord, verdicts: ReadonlyMap<string, Verdict>): boolean {
  return partOf.some(({ namespace, checkpointId }) => {
    const verdict = verdicts.get(namespace);
    return verdict !== undefined && checkpointId < verdict.floor && !verdict.kept.has(checkpointId);
  });
}

/** Of a graph that goes on in later steps: what those checkpoints of the outermost graph would go on with that stay. */
function returnedTo(
  newestFirst: readonly CheckpointRecord[],
  outermost: readonly CheckpointRecord[],
  verdict: Verdict | undefined,
): CheckpointRecord[] {
  const lasting = newestFirst.filter(({ partOf = [] }) => partOf.length === 0);
  if (lasting.length === 0 || verdict === undefined) return [];
  const kept = outermost.filter(({ checkpointId }) => verdict.kept.has(checkpointId));
  // A copy goes on with what was before the one that it is a copy of.
  const moments = kept.flatMap(({ checkpointId, parentId }) => [checkpointId, parentId ?? checkpointId]);
  const found: CheckpointRecord[] = [];
  let at = 0;
  for (const moment of moments.sort().reverse()) {
    while (at < lasting.length && (lasting[at] as CheckpointRecord).checkpointId >= moment) at++;
    const before = lasting[at];
    if (before) found.push(before);
  }
  return found;
}

/** The ids of checkpoints and of those before them that they cannot be read without. */
function withAncestors(
  all: readonly CheckpointRecord[],
  chosen: readonly CheckpointRecord[],
): ReadonlySet<string> {
  const byId = new Map(all.map((record) => [record.checkpointId, record]));
  const kept = new Set<string>();
  for (const record of chosen) {
    let left = record.ancestorsNeeded;
    for (let one: CheckpointRecord | undefined = record; one;) {
      kept.add(one.checkpointId);
      if (left-- <= 0 || one.parentId === null) break;
      one = byId.get(one.parentId);
    }
  }
  return kept;
}

/**
 * The values that nobody refers to once so many checkpoints are deleted, by the last of these that does: they go with that one,
 * so that no checkpoint is ever there without them.
 */
export function valuesGivenUp({
  removed,
  kept,
}: Pick<NamespacePlan<NamespaceContent>, 'removed' | 'kept'>): ReadonlyMap<string, readonly ValueName[]> {
  const nameOf = ([channel, , writer]: CheckpointRecord['values'][number]): string => `${writer} ${channel}`;
  const used = new Set(kept.flatMap(({ values }) => values.map(nameOf)));
  const givenUp = new Map<string, ValueName[]>();
  for (const { checkpointId, values } of [...removed].reverse()) {
    const own: ValueName[] = [];
    for (const value of values) {
      const name = nameOf(value);
      if (used.has(name)) continue;
      used.add(name);
      own.push({ channel: value[0], writer: value[2] });
    }
    givenUp.set(checkpointId, own);
  }
  return givenUp;
}

/** A value, by its channel and the checkpoint that wrote it. */
export interface ValueName {
  readonly channel: string;
  readonly writer: string;
}
