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
  const trail = createTrail(engine, record, damaged);
  let before = record.nextPosition;
  let limit = tailPageFirst;

  if (tipLoopId !== null) {
    const entered = await trail.enter(tipLoopId, record.nextPosition);
    if (!entered.ok) return entered;
  }

  async function next(): ReturnType<BranchWalk['next']> {
    while (trail.current() && before > 0) {
      const page = await readEntries(engine, record.incarnation, 0, before, limit, true);
      if (!page.ok) return page;
      limit = entriesPageMax;
      damaged.push(...page.damaged);
      const entries: StoredEntry[] = [];
      for (const entry of page.entries) {
        for (let at = trail.current(); at && entry.position < at.loop.position; at = trail.current()) {
          const left = await trail.leave(at);
          if (!left.ok) return left;
        }
        const at = trail.current();
        if (!at) break;
        if (entry.record.loopId === at.loopId && entry.position < at.visibleBefore) entries.push(entry);
      }
      before = page.last ?? 0;
      if (entries.length > 0) return { ok: true, entries };
    }
    // Loops at the beginning of the branch that hold nothing are loops of it all the same.
    for (let at = trail.current(); at; at = trail.current()) {
      const left = await trail.leave(at);
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
    loopIds: trail.loopIds,
  };
  return { ok: true, walk };
}

/** The way from a loop to its parents. */
interface Trail {
  /** Where the walk is; nothing once it has left the first loop. */
  current(): Current | undefined;
  /** Goes on to a loop. Of one that cannot be read there are its entries, wherever they lie, and the branch ends with them. */
  enter(loopId: string, visibleBefore: number): Promise<{ readonly ok: true } | Refused>;
  /** Goes on to the parent of a loop, of which the branch has what came before it. */
  leave(left: Current): Promise<{ readonly ok: true } | Refused>;
  readonly loopIds: string[];
}

function createTrail(engine: Engine, record: SessionRecord, damaged: TranscriptDamage[]): Trail {
  const loopIds: string[] = [];
  let current: Current | undefined;

  async function enter(loopId: string, visibleBefore: number): Promise<{ readonly ok: true } | Refused> {
    const read = await readLoop(engine, record, loopId);
    if (!read.ok) return read;
    current = undefined;
    if (read.loop === undefined && loopIds.length === 0 && loopId !== record.currentLoopId)
      return loopNotFound(loopId);
    const isSeen = loopIds.includes(loopId);
    const problem = isSeen ? 'is damaged' : read.problem;
    if (problem !== undefined) damaged.push({ what: `the loop ${loopId}`, problem });
    if (isSeen) return { ok: true };
    loopIds.push(loopId);
    current = { loopId, loop: read.loop ?? unknownLoop, visibleBefore };
    return { ok: true };
  }

  async function leave({ loop, visibleBefore }: Current): Promise<{ readonly ok: true } | Refused> {
    const { parentLoopId, branchesAt } = loop;
    if (parentLoopId !== null) return enter(parentLoopId, Math.min(branchesAt, visibleBefore));
    current = undefined;
    return { ok: true };
  }

  return { current: () => current, enter, leave, loopIds };
}

/** A loop, or what is wrong with it. `loop` is nothing where there is none, and one that is not known where it cannot be read. */
async function readLoop(
  engine: Engine,
  { incarnation }: SessionRecord,
  loopId: string,
): Promise<
  { readonly ok: true; readonly loop: WalkedLoop | undefined; readonly problem: string | undefined } | Refused
> {
  const read = await readValues(engine, [loopKey(incarnation, loopId)]);
  if (!read.ok) return read;
  const [loop] = read.values;
  const problem = loop === unreadable ? 'is damaged' : problemOf(loop, loopShape);
  const isReadable = problem === undefined && loop !== unreadable;
  return { ok: true, loop: isReadable || loop === undefined ? loop : unknownLoop, problem };
}
