import { type LoopRecord, loopKey, type SessionRecord } from './transcript-records.js';
import { loopShape, problemOf } from './record-shapes.js';
import { readEntries, type StoredEntry } from './entry-reading.js';
import { entriesPageMax, tailPageFirst } from './transcript-limits.js';
import { readValues, unreadable } from './record-pages.js';
import type { Engine } from '../engine/engine.js';
import { loopNotFound } from './transcript-refusals.js';
import type { Refused } from '../core/refusals.js';
import type { TranscriptDamage } from './transcript-types.js';

/**
 * Walks a branch from its end to its beginning: the entries of a loop, then those of its parent that came before it, and
 * so on. Reads no more than is asked for, so the end of a long session costs what the end holds.
 */
export interface BranchWalk {
  /** The next entries, newest first; nothing at the beginning of the branch. */
  next(): Promise<{ readonly ok: true; readonly entries: readonly StoredEntry[] | undefined } | Refused>;
  /** Goes on before this position. */
  skipTo(before: number): void;
  /** What could not be read on the way. */
  readonly damaged: TranscriptDamage[];
  /** Loops that the walk came by, newest first. */
  readonly loopIds: string[];
}

type WalkedLoop = Pick<LoopRecord, 'position' | 'parentLoopId' | 'branchesAt'>;

/** The loop that entries have to be of, and the position from which on they are none of the branch. */
interface Current {
  readonly loopId: string;
  readonly loop: WalkedLoop;
  readonly visibleBefore: number;
}

const unknownLoop: WalkedLoop = { position: 0, parentLoopId: null, branchesAt: 0 };

type OpenedWalk = { readonly ok: true; readonly walk: BranchWalk } | Refused;

export async function walkBranch(
  engine: Engine,
  record: SessionRecord,
  tipLoopId: string | null,
): Promise<OpenedWalk> {
  const damaged: TranscriptDamage[] = [];
  const loopIds: string[] = [];
  let before = record.nextPosition;
  let limit = tailPageFirst;
  let current: Current | undefined;

  /** Goes on to a loop. Of one that cannot be read there are its entries, wherever they lie, and the branch ends with them. */
  async function enter(loopId: string, visibleBefore: number): Promise<{ readonly ok: true } | Refused> {
    const read = await readValues(engine, [loopKey(record.incarnation, loopId)]);
    if (!read.ok) return read;
    const [loop] = read.values;
    current = undefined;
    if (loop === undefined && loopIds.length === 0 && loopId !== record.currentLoopId)
      return loopNotFound(loopId);
    const isSeen = loopIds.includes(loopId);
    const problem = loop === unreadable || isSeen ? 'is damaged' : problemOf(loop, loopShape);
    if (problem !== undefined) damaged.push({ what: `the loop ${loopId}`, problem });
    if (isSeen) return { ok: true };
    loopIds.push(loopId);
    const isReadable = problem === undefined && loop !== unreadable && loop !== undefined;
    current = { loopId, loop: isReadable ? loop : unknownLoop, visibleBefore };
    return { ok: true };
  }

  /** Goes on to the parent of a loop, of which the branch has what came before it. */
  async function leave({ loop, visibleBefore }: Current): Promise<{ readonly ok: true } | Refused> {
    const { parentLoopId, branchesAt } = loop;
    if (parentLoopId !== null) return enter(parentLoopId, Math.min(branchesAt, visibleBefore));
    current = undefined;
    return { ok: true };
  }

  if (tipLoopId !== null) {
    const entered = await enter(tipLoopId, record.nextPosition);
    if (!entered.ok) return entered;
  }

  async function next(): ReturnType<BranchWalk['next']> {
    while (current && before > 0) {
      const page = await readEntries(engine, record.incarnation, 0, before, limit, true);
      if (!page.ok) return page;
      limit = entriesPageMax;
      damaged.push(...page.damaged);
      const entries: StoredEntry[] = [];
      for (const entry of page.entries) {
        while (current && entry.position < current.loop.position) {
          const left = await leave(current);
          if (!left.ok) return left;
        }
        if (!current) break;
        if (entry.record.loopId === current.loopId && entry.position < current.visibleBefore)
          entries.push(entry);
      }
      before = page.last ?? 0;
      if (entries.length > 0) return { ok: true, entries };
    }
    // Loops at the beginning of the branch that hold nothing are loops of it all the same.
    while (current) {
      const left = await leave(current);
      if (!left.ok) return left;
    }
    return { ok: true, entries: undefined };
  }

  const walk: BranchWalk = {
    next,
    skipTo(position) {
      before = Math.min(before, position);
    },
    damaged,
    loopIds,
  };
  return { ok: true, walk };
}
