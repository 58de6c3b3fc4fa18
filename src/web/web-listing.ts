import { checkListOptions, checkUserId } from './web-input-rules.js';
import { decodeKey, type Key } from '../core/keys.js';
import type { ListedWebSession, ListWebOptions, WebSessions } from './web-types.js';
import { listLimitDefault, walkBatchMax } from './web-limits.js';
import type { SessionRecord, UserRecord } from './web-records.js';
import { bury } from './session-rules.js';
import type { Interval } from '../core/time.js';
import { isAlive } from './lifetime-rules.js';
import { invalidInput, type Refused } from '../core/refusals.js';
import type { WebService } from './web-service.js';

/** A page of a user's live sessions, newest first. Walks the user's list and skips what dangles. */
export async function listForUser(
  service: WebService,
  userId: string,
  options: ListWebOptions,
): ReturnType<WebSessions['listForUser']> {
  const wrong = checkUserId(userId) ?? checkListOptions(options);
  if (wrong) return wrong;
  const { engine, keys } = service;
  const limit = options.limit ?? listLimitDefault;
  const range = keys.userSessions(userId);
  const end = options.cursor === undefined ? range.end : fromCursor(options.cursor, range.start);
  if (end === undefined) return invalidInput('cursor', 'is none that a list gave; start without one');
  const sessions: ListedWebSession[] = [];
  let before = end;
  while (sessions.length < limit) {
    const ask = Math.min(limit - sessions.length, walkBatchMax);
    const index = await engine.range({ start: range.start, end: before, limit: ask, reverse: true });
    if (!index.ok) return index;
    const hashes = index.entries.map((entry) => String(decodeKey(entry.key).at(-1)));
    const read = await engine.read<unknown>([
      keys.user(userId),
      ...hashes.map((hash): Key => keys.session(hash)),
    ]);
    if (!read.ok) return read;
    const [user, ...records] = read.values as [UserRecord | undefined, ...(SessionRecord | undefined)[]];
    for (const [at, record] of records.entries()) {
      if (record?.userId === userId && isAlive(record, user, read.now)) {
        sessions.push(listed(hashes[at] as string, userId, record));
      }
    }
    if (index.entries.length < ask) return { ok: true, sessions };
    before = index.entries.at(-1)?.key ?? before;
  }
  return { ok: true, sessions, cursor: Buffer.from(before).toString('base64url') };
}

/** Shows every live session to `see`, piece by piece: pages of one walk are not of one instant. */
export async function walkSessions(
  { engine, keys }: WebService,
  see: (record: SessionRecord) => void,
): Promise<{ readonly ok: true } | Refused> {
  let end = keys.sessions.end;
  for (;;) {
    const page = await engine.range<SessionRecord>({
      start: keys.sessions.start,
      end,
      limit: walkBatchMax,
      reverse: true,
    });
    if (!page.ok) return page;
    const userIds = [...new Set(page.entries.flatMap(({ value }) => value.userId ?? []))];
    const users = new Map<string, UserRecord | undefined>();
    let now: Interval = page.now;
    if (userIds.length > 0) {
      const read = await engine.read(userIds.map((userId) => keys.user(userId)));
      if (!read.ok) return read;
      for (const [at, userId] of userIds.entries()) users.set(userId, read.values[at]);
      now = read.now;
    }
    for (const { value } of page.entries) {
      const user = value.userId === null ? undefined : users.get(value.userId);
      if (isAlive(value, user, now)) see(value);
    }
    const last = page.entries.at(-1);
    if (page.entries.length < walkBatchMax || !last) return { ok: true };
    end = last.key;
  }
}

/** Deletes every session there is, in pieces that hold nobody up. */
export async function clearSessions({ engine, keys }: WebService): ReturnType<WebSessions['clear']> {
  let destroyed = 0;
  let end = keys.sessions.end;
  for (;;) {
    const page = await engine.range({ start: keys.sessions.start, end, limit: walkBatchMax, reverse: true });
    if (!page.ok) return page;
    const found = page.entries.map((entry) => entry.key);
    const last = found.at(-1);
    if (!last) return { ok: true, destroyed };
    const answer = await engine.transact(found, (view) => {
      const present = found.filter((key) => view.get(key) !== undefined);
      for (const key of present) bury(view, keys, String(decodeKey(key).at(-1)));
      return { ok: true as const, count: present.length };
    });
    if (!answer.ok) return answer;
    destroyed += answer.count;
    if (found.length < walkBatchMax) return { ok: true, destroyed };
    end = last;
  }
}

function listed(handle: string, userId: string, record: SessionRecord): ListedWebSession {
  const { userName, createdAtMs, lastAccessedMs, expiresAtMs, absoluteExpiresAtMs } = record;
  return {
    handle,
    userId,
    ...(userName !== null && { userName }),
    createdAtMs,
    lastAccessedMs,
    expiresAtMs,
    absoluteExpiresAtMs,
  };
}

/** The key a page ended at; undefined for what is no key of this user's list. */
function fromCursor(cursor: string, start: Key): Key | undefined {
  if (typeof cursor !== 'string') throw new TypeError('cursor must be a string');
  const key = Buffer.from(cursor, 'base64url').toString() as Key;
  try {
    return key.startsWith(start.slice(0, -1)) && decodeKey(key).length > 0 ? key : undefined;
  } catch {
    return undefined;
  }
}
