import { indexRange, makeTaskKeys, sessionOf, type TermsRecord, type UseRecord } from './task-records.js';
import type { ListOptions, TaskSession } from './task-types.js';
import { listLimitDefault, listLimitMax, listWalkMax } from './task-limits.js';
import { decodeKey, type Key } from '../core/keys.js';
import type { Engine } from '../engine/engine.js';
import { invalidInput, type Refused } from '../core/refusals.js';

interface Page {
  readonly ok: true;
  readonly sessions: readonly TaskSession[];
  readonly cursor?: string;
}

/**
 * A page of sessions, newest first. Walks an index and skips what dangles: the index is written with the session, but
 * outlives it.
 */
export async function listSessions(engine: Engine, options: ListOptions): Promise<Page | Refused> {
  const limit = options.limit ?? listLimitDefault;
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > listLimitMax) {
    return invalidInput('limit', `must be a whole number from 1 to ${listLimitMax}`);
  }
  const range = indexRange(options.agentId);
  const end = options.cursor === undefined ? range.end : fromCursor(options.cursor, range);
  if (end === undefined) return invalidInput('cursor', 'is none that a list gave; start without one');

  const sessions: TaskSession[] = [];
  let before = end;
  let walked = 0;
  while (sessions.length < limit && walked < listWalkMax) {
    // A list without a filter needs as many records as sessions; a filter looks further at once.
    const ask = Math.min(options.status ? listLimitMax : limit - sessions.length, listWalkMax - walked);
    const index = await engine.range<string>({ start: range.start, end: before, limit: ask, reverse: true });
    if (!index.ok) return index;
    const found = await sessionsOf(
      engine,
      index.entries.map((entry) => entry.value),
    );
    if ('refusal' in found) return found;
    for (const [at, entry] of index.entries.entries()) {
      walked++;
      before = entry.key;
      const session = found.sessions[at];
      if (session && (options.status === undefined || session.status === options.status))
        sessions.push(session);
      if (sessions.length === limit) return { ok: true, sessions, cursor: toCursor(before) };
    }
    if (index.entries.length < ask) return { ok: true, sessions };
  }
  return { ok: true, sessions, cursor: toCursor(before) };
}

async function sessionsOf(
  engine: Engine,
  ids: readonly string[],
): Promise<{ readonly sessions: readonly (TaskSession | undefined)[] } | Refused> {
  const keys = ids.map(makeTaskKeys);
  const answer = await engine.read<unknown>(keys.flatMap((one) => [one.terms as Key, one.use as Key]));
  if (!answer.ok) return answer;
  const sessions = keys.map((_, index) => {
    const terms = answer.values[2 * index] as TermsRecord | undefined;
    const use = answer.values[2 * index + 1] as UseRecord | undefined;
    return terms && use ? sessionOf(terms, use, answer.now.latestMs) : undefined;
  });
  return { sessions };
}

function toCursor(key: Key): string {
  return Buffer.from(key).toString('base64url');
}

/** The key a page ended at; undefined for anything that is not a key of this very index. */
function fromCursor(
  cursor: string,
  range: { start: Key<string>; end: Key<string> },
): Key<string> | undefined {
  if (typeof cursor !== 'string') throw new TypeError('cursor must be a string');
  const key = Buffer.from(cursor, 'base64url').toString() as Key<string>;
  const prefix = range.start.slice(0, -1);
  try {
    return key.startsWith(prefix) && decodeKey(key).length > 0 ? key : undefined;
  } catch {
    return undefined;
  }
}
