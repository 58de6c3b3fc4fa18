import { decodeKey, encodeKey, type Key } from '../storage/storage.js';
import type { Refused } from '../core/refusals.js';
import type { TaskSessions } from '../tasks/task-types.js';
import type { Transcripts } from '../transcripts/transcripts-face.js';

/** A kind of session that is mirrored. */
export interface MirrorSource {
  readonly folder: string;
  /** What the keys begin with that are written whenever such a session changes. */
  readonly keyPrefix: string;
  idOf(key: Key): string;
  keyOf(id: string): Key;
  /** What is to be in its file; undefined if there is no such session. Throws if the store does not answer. */
  load(id: string): Promise<object | undefined>;
  /** Whether there is such a session. Throws if the store does not answer. */
  has(id: string): Promise<boolean>;
  /** All of them, a page at a time. */
  ids(): AsyncGenerator<readonly string[], void, undefined>;
}

export function taskSource(tasks: Pick<TaskSessions, 'get' | 'list'>): MirrorSource {
  return {
    folder: 'tasks',
    keyPrefix: encodeKey(['task-use']),
    idOf,
    keyOf: (id) => encodeKey(['task-use', id]),
    async load(id) {
      const answer = await tasks.get(id);
      return answer.ok ? answer.session : nothing(answer);
    },
    async has(id) {
      const answer = await tasks.get(id);
      return answer.ok || nothing(answer) !== undefined;
    },
    async *ids() {
      let cursor: string | undefined;
      do {
        const page = await tasks.list(cursor === undefined ? {} : { cursor });
        if (!page.ok) {
          nothing(page);
          return;
        }
        yield page.sessions.map(({ sessionId }) => sessionId);
        cursor = page.cursor;
      } while (cursor !== undefined);
    },
  };
}

export function transcriptSource(transcripts: Pick<Transcripts, 'get' | 'load' | 'listIds'>): MirrorSource {
  return {
    folder: 'transcripts',
    keyPrefix: encodeKey(['transcript']),
    idOf,
    keyOf: (id) => encodeKey(['transcript', id]),
    async load(id) {
      const answer = await transcripts.load(id);
      return answer.ok ? answer.transcript : nothing(answer);
    },
    async has(id) {
      const answer = await transcripts.get(id);
      return answer.ok || nothing(answer) !== undefined;
    },
    async *ids() {
      let cursor: string | undefined;
      do {
        const page = await transcripts.listIds(cursor === undefined ? {} : { cursor });
        if (!page.ok) {
          nothing(page);
          return;
        }
        yield page.ids;
        cursor = page.cursor;
      } while (cursor !== undefined);
    },
  };
}

function idOf(key: Key): string {
  return String(decodeKey(key)[1]);
}

/** A session that is not there has no file; a store that does not answer says nothing of it. */
function nothing({ refusal }: Refused): undefined {
  if (refusal.code === 'SESSION_NOT_FOUND') return undefined;
  throw new Error(refusal.message);
}
