import { checked, wrong } from '../core/input-rules.js';
import { agentIdOf, objectOf, onlyFields } from './input-problem-rules.js';
import { indexEntryOf, indexRange, isLive, type Range, sessionKey, sessionOf } from './transcript-records.js';
import { listLimitDefault, listLimitMax, listPagesMax } from './transcript-limits.js';
import { problemOf, sessionShape } from './record-shapes.js';
import { readValues, unreadable } from './record-pages.js';
import type { TranscriptListOptions, TranscriptPage } from './transcript-input-types.js';
import { decodeKey, type Key } from '../core/keys.js';
import type { Engine } from '../engine/engine.js';
import type { Refused } from '../core/refusals.js';
import type { TranscriptSession } from './transcript-types.js';

/**
 * A page of sessions, the one that was active last first. Walks an index in which a session may stand a second behind its
 * last activity, so within a page the sessions themselves decide the order.
 */
export async function listSessions(
  engine: Engine,
  options: TranscriptListOptions = {},
): Promise<TranscriptPage | Refused> {
  const query = checked(() => checkOptions(options));
  if ('refusal' in query) return query;
  const { range, limit } = query;
  const sessions: TranscriptSession[] = [];
  const damaged: string[] = [];
  let end = query.end;
  for (let pages = 0; pages < listPagesMax; pages++) {
    const ask = limit - sessions.length - damaged.length;
    const index = await engine.range<number>({ start: range.start, end, limit: ask, reverse: true });
    if (!index.ok) return index;
    const read = await readListed(
      engine,
      index.entries.map(({ key }) => key),
      sessions,
      damaged,
    );
    if (!read.ok) return read;
    const last = index.entries.at(-1);
    if (!last || index.entries.length < ask) return page(sessions, damaged, undefined);
    end = last.key;
    if (sessions.length + damaged.length >= limit) break;
  }
  return page(sessions, damaged, end);
}

function checkOptions(options: TranscriptListOptions): {
  readonly range: Range<number>;
  readonly end: Key<number>;
  readonly limit: number;
} {
  onlyFields('the options of list', objectOf('options', options), ['agentId', 'limit', 'cursor']);
  const { agentId, limit = listLimitDefault, cursor } = options;
  if (typeof limit !== 'number') throw new TypeError('limit must be a number');
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > listLimitMax)
    wrong('limit', `must be a whole number from 1 to ${listLimitMax}`);
  const range = indexRange(agentId === undefined ? undefined : agentIdOf(agentId));
  return { range, limit, end: cursor === undefined ? range.end : fromCursor(cursor, range) };
}

function page(
  sessions: TranscriptSession[],
  damaged: readonly string[],
  end: Key<number> | undefined,
): TranscriptPage {
  sessions.sort((a, b) => b.lastActiveAtMs - a.lastActiveAtMs);
  return { ok: true, sessions, damaged, ...(end !== undefined && { cursor: toCursor(end) }) };
}

async function readListed(
  engine: Engine,
  keys: readonly Key<number>[],
  sessions: TranscriptSession[],
  damaged: string[],
): Promise<{ readonly ok: true } | Refused> {
  const places = keys.map(indexEntryOf);
  const read = await readValues(
    engine,
    places.map(({ sessionId }) => sessionKey(sessionId)),
  );
  if (!read.ok) return read;
  for (const [at, { sessionId, indexedAtMs }] of places.entries()) {
    const record = read.values[at];
    // It was deleted since.
    if (record === undefined) continue;
    if (record === unreadable || problemOf(record, sessionShape) !== undefined) damaged.push(sessionId);
    // One that has moved meanwhile stood further up already.
    else if (isLive(record, read.now) && record.indexedAtMs === indexedAtMs)
      sessions.push(sessionOf(sessionId, record));
  }
  return { ok: true };
}

function toCursor(key: Key): string {
  return Buffer.from(key).toString('base64url');
}

/** The key a page ended at; anything that is no key of this very index is refused. */
function fromCursor(cursor: unknown, range: Range<number>): Key<number> {
  if (typeof cursor !== 'string') throw new TypeError('cursor must be a string');
  const key = Buffer.from(cursor, 'base64url').toString() as Key<number>;
  try {
    if (key.startsWith(range.start.slice(0, -1)) && decodeKey(key).length > 0) return key;
  } catch {
    // Said below.
  }
  return wrong('cursor', 'is none that a list of these sessions gave; start without one');
}
