import type { TranscriptGroup, TranscriptLoop } from './transcript-types.js';
import type { GroupRecord, LoopRecord, SessionRecord } from './transcript-records.js';
import type { ReadEntry } from './entry-reading.js';
import { schemaVersion } from './transcript-limits.js';

/**
 * Loops as they began, each behind its parent: of those that begin at one position some may be the parents of others, and
 * neither their ids nor the times that callers gave them say which.
 */
export function inTreeOrder(loops: readonly TranscriptLoop[]): readonly TranscriptLoop[] {
  const sorted = [...loops].sort(
    (a, b) => a.position - b.position || a.startedAtMs - b.startedAtMs || (a.loopId < b.loopId ? -1 : 1),
  );
  const waiting = new Map(sorted.map((loop) => [loop.loopId, loop]));
  const ordered: TranscriptLoop[] = [];
  for (const { loopId } of sorted) {
    const line: TranscriptLoop[] = [];
    for (let id: string | undefined = loopId; id !== undefined;) {
      const loop = waiting.get(id);
      if (!loop) break;
      // Taken out at once, so that damaged ones which are each other's parents come to an end.
      waiting.delete(id);
      line.push(loop);
      id = loop.parentLoopId;
    }
    ordered.push(...line.reverse());
  }
  return ordered;
}

/** The parallel groups of these loops. A choice of a loop that is not among them is left out: they stand by themselves. */
export function groupsOfLoops(
  loops: readonly TranscriptLoop[],
  selected: ReadonlyMap<string, GroupRecord>,
): readonly TranscriptGroup[] {
  const groups = new Map<string, string[]>();
  for (const { groupId, loopId } of loops) {
    if (groupId === undefined) continue;
    const members = groups.get(groupId);
    if (members) members.push(loopId);
    else groups.set(groupId, [loopId]);
  }
  return [...groups].map(([groupId, loopIds]) => {
    const chosen = selected.get(groupId)?.selectedLoopId;
    return {
      groupId,
      loopIds,
      ...(chosen !== undefined && loopIds.includes(chosen) && { selectedLoopId: chosen }),
    };
  });
}

type Loops = ReadonlyMap<string, LoopRecord>;
type Entries = readonly Pick<ReadEntry, 'loopId' | 'position' | 'atMs'>[];

/** Every loop that anything in a whole session names. */
export function namedLoops(
  { currentLoopId }: SessionRecord,
  loops: Loops,
  entries: Entries,
  damagedLoopIds: readonly string[],
): ReadonlySet<string> {
  const named = new Set(damagedLoopIds);
  if (currentLoopId !== null) named.add(currentLoopId);
  for (const { parentLoopId } of loops.values()) if (parentLoopId !== null) named.add(parentLoopId);
  let last: string | undefined;
  for (const { loopId } of entries) {
    // Most stand in the loop of the one before.
    if (loopId !== last) named.add(loopId);
    last = loopId;
  }
  return named;
}

/**
 * What stands for loops whose records cannot be read, so that their entries and their children have a place: what these say
 * of them. It is marked as `damaged`, and stays so in copies.
 */
export function missingLoops(
  { createdAtMs, nextPosition }: SessionRecord,
  loops: Loops,
  entries: Entries,
  named: ReadonlySet<string>,
): Loops {
  const missing = new Map<string, LoopRecord>();
  for (const loopId of named) {
    if (loops.has(loopId)) continue;
    const first = entries.find((entry) => entry.loopId === loopId);
    const children = [...loops.values()].filter(({ parentLoopId }) => parentLoopId === loopId);
    const position = Math.min(first?.position ?? nextPosition, ...children.map((child) => child.position));
    missing.set(loopId, {
      schema: schemaVersion,
      kind: 'initial',
      parentLoopId: null,
      groupId: null,
      startedAtMs: first?.atMs ?? createdAtMs,
      position,
      branchesAt: position,
      more: { damaged: true },
    });
  }
  return missing;
}
