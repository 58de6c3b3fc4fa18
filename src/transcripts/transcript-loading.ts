import {
  childrenOf,
  groupsOf,
  lastPartOf,
  loopOf,
  loopsOf,
  loopStatesOf,
  sessionOf,
  type SessionRecord,
} from './transcript-records.js';
import { contentOf, isDamage, readEntries, type ReadEntry, type StoredEntry } from './entry-reading.js';
import { entriesPageMax, innerIdCharsMax, schemaVersion, tailTurnsMax } from './transcript-limits.js';
import { groupsOfLoops, inTreeOrder, missingLoops, namedLoops } from './loop-rules.js';
import { childShape, groupShape, loopShape, loopStateShape, problemOf, type Shape } from './record-shapes.js';
import { type Found, readAll } from './record-pages.js';
import { wholeOf } from '../core/input-rules.js';
import { objectOf, onChecked, onlyFields, sessionIdOf, text } from './input-problem-rules.js';
import type {
  Transcript,
  TranscriptChild,
  TranscriptDamage,
  TranscriptEntry,
  TranscriptGroup,
  TranscriptLoop,
} from './transcript-types.js';
import type { Engine } from '../engine/engine.js';
import type { Key } from '../core/keys.js';
import type { LoadOptions } from './transcript-input-types.js';
import { mergeTurns } from './turn-rules.js';
import { readUnchanged } from './transcript-reading.js';
import type { Refused } from '../core/refusals.js';
import { walkBranch } from './branch-walk.js';

/** Reads a session with its content, or a part of it. */
export function load(
  engine: Engine,
  sessionId: string,
  options: LoadOptions = {},
): Promise<{ readonly ok: true; readonly transcript: Transcript } | Refused> {
  return onChecked(
    () => {
      sessionIdOf('sessionId', sessionId);
      onlyFields('the options of load', objectOf('options', options), ['loopId', 'turns']);
      return {
        loopId: options.loopId === undefined ? undefined : text('loopId', options.loopId, innerIdCharsMax),
        turns: options.turns === undefined ? undefined : wholeOf('turns', options.turns, 1, tailTurnsMax),
      };
    },
    ({ loopId, turns }) =>
      readUnchanged<{ readonly transcript: Transcript }>(engine, sessionId, async (record) => {
        const part =
          loopId === undefined && turns === undefined
            ? await readWhole(engine, record)
            : await readBranch(engine, record, loopId ?? record.currentLoopId, turns);
        if (!part.ok) return part;
        const around = await readAround(engine, record, part);
        if (!around.ok) return around;
        const { loops, groups, children } = around;
        // A walk of a branch notes loops as well.
        const damaged = [
          ...new Map([...around.damaged, ...part.damaged].map((one) => [one.what, one])).values(),
        ];
        const transcript: Transcript = {
          schema: schemaVersion,
          session: sessionOf(sessionId, record),
          loops,
          groups,
          children,
          entries: mergeTurns(part.entries) as readonly unknown[] as readonly TranscriptEntry[],
          ...(damaged.length > 0 && { damaged }),
          ...((loopId !== undefined || turns !== undefined) && {
            part: { ...(loopId !== undefined && { loopId }), ...(turns !== undefined && { turns }) },
          }),
        };
        return { ok: true, transcript };
      }),
  );
}

/** Entries that were asked for, in order. */
interface Part {
  readonly ok: true;
  readonly entries: readonly ReadEntry[];
  readonly damaged: readonly TranscriptDamage[];
  /** The loops they are of; all, where not said. */
  readonly loopIds: ReadonlySet<string> | undefined;
}

async function readWhole(engine: Engine, record: SessionRecord): Promise<Part | Refused> {
  const entries: ReadEntry[] = [];
  const damaged: TranscriptDamage[] = [];
  for (let from = 0; ;) {
    const page = await readEntries(
      engine,
      record.incarnation,
      from,
      record.nextPosition,
      entriesPageMax,
      false,
    );
    if (!page.ok) return page;
    damaged.push(...page.damaged);
    const added = await addContents(engine, page.entries, entries, damaged);
    if (!added.ok) return added;
    if (page.last === undefined) return { ok: true, entries, damaged, loopIds: undefined };
    from = page.last + 1;
  }
}

async function addContents(
  engine: Engine,
  stored: readonly StoredEntry[],
  entries: ReadEntry[],
  damaged: TranscriptDamage[],
): Promise<{ readonly ok: true } | Refused> {
  for (const one of stored) {
    const found = contentOf(engine, one);
    const content = found instanceof Promise ? await found : found;
    if (!content.ok) return content;
    if (isDamage(content.entry)) damaged.push(content.entry);
    else entries.push(content.entry);
  }
  return { ok: true };
}

/** The entries of a branch from its last turns on. */
async function readBranch(
  engine: Engine,
  record: SessionRecord,
  tipLoopId: string | null,
  turns: number = Number.POSITIVE_INFINITY,
): Promise<Part | Refused> {
  const opened = await walkBranch(engine, record, tipLoopId);
  if (!opened.ok) return opened;
  const { walk } = opened;
  const entries: ReadEntry[] = [];
  let seen = 0;
  while (seen < turns) {
    const page = await walk.next();
    if (!page.ok) return page;
    if (!page.entries) break;
    const wanted: StoredEntry[] = [];
    for (const entry of page.entries) {
      if (seen >= turns) break;
      wanted.push(entry);
      if (entry.record.type === 'turn') seen++;
    }
    const added = await addContents(engine, wanted, entries, walk.damaged);
    if (!added.ok) return added;
  }
  entries.reverse();
  const loopIds = turns === Number.POSITIVE_INFINITY ? walk.loopIds : entries.map(({ loopId }) => loopId);
  return { ok: true, entries, damaged: walk.damaged, loopIds: new Set(loopIds) };
}

interface Around {
  readonly ok: true;
  readonly loops: readonly TranscriptLoop[];
  readonly groups: readonly TranscriptGroup[];
  readonly children: readonly TranscriptChild[];
  readonly damaged: readonly TranscriptDamage[];
}

/** A session's loops, in the order in which they began, its parallel groups, and its links to sub-agents. */
async function readAround(
  engine: Engine,
  record: SessionRecord,
  { loopIds, entries }: Part,
): Promise<Around | Refused> {
  const { incarnation, identity, nextPosition } = record;
  const damaged: TranscriptDamage[] = [];
  const loopsFound = await readAll(engine, loopsOf(incarnation));
  const statesFound = loopsFound.ok ? await readAll(engine, loopStatesOf(incarnation)) : loopsFound;
  const groupsFound = statesFound.ok ? await readAll(engine, groupsOf(incarnation)) : statesFound;
  const childrenFound = groupsFound.ok ? await readAll(engine, childrenOf(identity)) : groupsFound;
  if (!loopsFound.ok || !statesFound.ok || !groupsFound.ok || !childrenFound.ok)
    return [loopsFound, statesFound, groupsFound, childrenFound].find((answer) => !answer.ok) as Refused;
  const damagedLoopIds: string[] = [];
  const loopRecords = readable('the loop', loopShape, loopsFound, damaged, damagedLoopIds);
  const states = readable('the state of the loop', loopStateShape, statesFound, damaged);
  const selected = readable('the choice of the group', groupShape, groupsFound, damaged);
  const links = readable('the link to the session', childShape, childrenFound, damaged);

  const known = new Map(
    [...loopRecords].filter(
      ([loopId, loop]) => (loopIds?.has(loopId) ?? true) && loop.position <= nextPosition,
    ),
  );
  const named = loopIds ?? namedLoops(record, known, entries, damagedLoopIds);
  const missing = missingLoops(record, known, entries, named);
  for (const loopId of missing.keys())
    if (!damagedLoopIds.includes(loopId)) damaged.push({ what: `the loop ${loopId}`, problem: 'is missing' });
  const loops = inTreeOrder(
    [...known, ...missing].map(([loopId, loop]) => loopOf(loopId, loop, states.get(loopId))),
  );
  const children = [...links].map(([sessionId, { schema: _schema, ...link }]) => ({ ...link, sessionId }));
  return { ok: true, loops, groups: groupsOfLoops(loops, selected), children, damaged };
}

/** The records of one kind by the last part of their keys; takes note of those that cannot be read. */
function readable<T>(
  what: string,
  shape: Shape,
  found: Found<T>,
  damaged: TranscriptDamage[],
  damagedIds: string[] = [],
): Map<string, T> {
  const records = new Map<string, T>();
  const note = (key: Key, problem: string): void => {
    damagedIds.push(lastPartOf(key));
    damaged.push({ what: `${what} ${lastPartOf(key)}`, problem });
  };
  for (const key of found.unreadable) note(key, 'is damaged');
  for (const { key, value } of found.found) {
    const problem = problemOf(value, shape);
    if (problem === undefined) records.set(lastPartOf(key), value);
    else note(key, problem);
  }
  return records;
}
