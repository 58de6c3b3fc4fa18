import { type BranchWalk, walkBranch } from './branch-walk.js';
import { contentOf, isDamage, type ReadEntry, type StoredEntry } from './entry-reading.js';
import { gatherHistory, type HistoryEntry, type HistoryGathering } from './history-rules.js';
import {
  isLive,
  sessionKey,
  sessionOf,
  type SessionRecord,
  unreadableSession,
} from './transcript-records.js';
import type { JsonFields, TranscriptDamage, TranscriptSession, VisibleMessage } from './transcript-types.js';
import { wholeOf } from '../core/input-rules.js';
import { objectOf, onChecked, onlyFields, sessionIdOf, text } from './input-problem-rules.js';
import { problemOf, sessionShape } from './record-shapes.js';
import { readValues, unreadable } from './record-pages.js';
import type { Engine } from '../engine/engine.js';
import type { HistoryOptions } from './transcript-input-types.js';
import { innerIdCharsMax, readTriesMax } from './transcript-limits.js';
import type { Refused } from '../core/refusals.js';
import { sessionChanged, sessionNotFound } from './transcript-refusals.js';

/** A session's record as the store has it now. */
export async function readSession(
  engine: Engine,
  sessionId: string,
): Promise<{ readonly ok: true; readonly record: SessionRecord } | Refused> {
  const answer = await readValues(engine, [sessionKey(sessionId)]);
  if (!answer.ok) return answer;
  const [record] = answer.values;
  if (record === undefined) return sessionNotFound(sessionId);
  const problem = record === unreadable ? 'is damaged' : problemOf(record, sessionShape);
  if (problem !== undefined || record === unreadable)
    throw unreadableSession(sessionId, problem ?? 'is damaged');
  return isLive(record, answer.now) ? { ok: true, record } : sessionNotFound(sessionId);
}

/**
 * Reads a session's content, and looks afterwards whether it is still what was read. Entries never change under an
 * incarnation, so more of them do no harm; another incarnation does, and loops that changed in between are read again,
 * for a few times.
 */
export async function readUnchanged<T>(
  engine: Engine,
  sessionId: string,
  read: (record: SessionRecord) => Promise<({ readonly ok: true } & T) | Refused>,
): Promise<({ readonly ok: true } & T) | Refused> {
  for (let tries = 1; ; tries++) {
    const before = await readSession(engine, sessionId);
    if (!before.ok) return before;
    const answer = await read(before.record);
    const after = await readSession(engine, sessionId);
    if (!after.ok) return after;
    const isSame = after.record.incarnation === before.record.incarnation;
    if (isSame && !answer.ok) return answer;
    if (isSame && (after.record.revision === before.record.revision || tries >= readTriesMax)) return answer;
    if (tries >= readTriesMax) return sessionChanged(sessionId);
  }
}

interface History {
  readonly session: TranscriptSession;
  readonly messages: readonly VisibleMessage[];
  readonly damaged?: readonly TranscriptDamage[];
}

/** The messages a model is to see, in order. */
export function history(
  engine: Engine,
  sessionId: string,
  options: HistoryOptions = {},
): Promise<({ readonly ok: true } & History) | Refused> {
  return onChecked(
    () => {
      sessionIdOf('sessionId', sessionId);
      onlyFields('the options of history', objectOf('options', options), ['loopId', 'limit']);
      return {
        loopId: options.loopId === undefined ? undefined : text('loopId', options.loopId, innerIdCharsMax),
        limit:
          options.limit === undefined
            ? Number.POSITIVE_INFINITY
            : wholeOf('limit', options.limit, 0, Number.MAX_SAFE_INTEGER),
      };
    },
    ({ loopId, limit }) =>
      readUnchanged<History>(engine, sessionId, async (record) => {
        const gathered = await gather(
          engine,
          record,
          loopId ?? record.currentLoopId,
          ({ messages }) => messages.length >= limit,
        );
        if (!gathered.ok) return gathered;
        const messages = gathered.history.messages.slice(0, limit).reverse();
        const { damaged } = gathered;
        const session = sessionOf(sessionId, record);
        return { ok: true, session, messages, ...(damaged.length > 0 && { damaged }) };
      }),
  );
}

/** What a compaction is decided on, as it was read. */
export interface CompactionGround {
  readonly ok: true;
  readonly incarnation: string;
  readonly currentLoopId: string | null;
  readonly revision: number;
  /** Where the last turns begin that a model can see: everything before may be compacted. */
  readonly position: number;
}

/** Reads where the last turns of a branch begin, and what the session was then. */
export function readCompactionGround(
  engine: Engine,
  sessionId: string,
  keepTurns: number,
  loopId: string | undefined,
): Promise<CompactionGround | Refused> {
  return readUnchanged<Omit<CompactionGround, 'ok'>>(engine, sessionId, async (record) => {
    const { incarnation, currentLoopId, revision, nextPosition } = record;
    const ground = { ok: true as const, incarnation, currentLoopId, revision };
    if (keepTurns === 0) return { ...ground, position: nextPosition };
    const gathered = await gather(
      engine,
      record,
      loopId ?? currentLoopId,
      ({ turns }) => turns.length >= keepTurns,
    );
    if (!gathered.ok) return gathered;
    return { ...ground, position: gathered.history.turns[keepTurns - 1] ?? 0 };
  });
}

/** Gathers the history of a branch from its end, until there is enough. */
async function gather(
  engine: Engine,
  record: SessionRecord,
  tipLoopId: string | null,
  isEnough: (history: HistoryGathering) => boolean,
): Promise<
  | { readonly ok: true; readonly history: HistoryGathering; readonly damaged: readonly TranscriptDamage[] }
  | Refused
> {
  const opened = await walkBranch(engine, record, tipLoopId);
  if (!opened.ok) return opened;
  const { walk } = opened;
  const gathering = gatherHistory();
  while (!isEnough(gathering)) {
    const page = await walk.next();
    if (!page.ok) return page;
    if (!page.entries) {
      gathering.end();
      break;
    }
    for (const entry of page.entries) {
      if (isEnough(gathering)) break;
      // What is hidden is not looked at: it may be large. The overlay's own messages come up at what lies before it.
      if (gathering.isHidden(entry.position)) continue;
      const visited = await visit(engine, walk, gathering, entry);
      if (!visited.ok) return visited;
    }
    const { position } = page.entries.at(-1) as StoredEntry;
    walk.skipTo(gathering.nextVisible(position));
  }
  return { ok: true, history: gathering, damaged: walk.damaged };
}

async function visit(
  engine: Engine,
  walk: BranchWalk,
  gathering: HistoryGathering,
  stored: StoredEntry,
): Promise<{ readonly ok: true } | Refused> {
  const { type } = stored.record;
  if (type === 'turn') gathering.visit({ type, position: stored.position });
  if (type !== 'message' && type !== 'overlay') return { ok: true };
  const content = await contentOf(engine, stored);
  if (!content.ok) return content;
  if (isDamage(content.entry)) walk.damaged.push(content.entry);
  else gathering.visit(historyEntryOf(content.entry));
  return { ok: true };
}

function historyEntryOf(entry: ReadEntry): HistoryEntry {
  const { position } = entry;
  if (entry.type === 'message') return { type: 'message', position, message: entry.message as JsonFields };
  return {
    type: 'overlay',
    position,
    from: entry.from as number,
    to: entry.to as number,
    messages: entry.messages as readonly JsonFields[],
  };
}
