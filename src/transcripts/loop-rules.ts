import type { TranscriptGroup, TranscriptLoop } from './transcript-types.js';
import type { GroupRecord } from './transcript-records.js';

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
