import type {
  AgentInputItem,
  SessionHistoryRewriteArgs,
  SessionHistoryRewriteAwareSession,
  SessionHistoryTransactionArgs,
  SessionHistoryTransactionAwareSession,
} from '@openai/agents';
import { type BytesCoding, decodeItem, encodeItem, mutatedItems } from './item-rules.js';
import type {
  SessionScope,
  TranscriptDamage,
  TranscriptSession,
  VisibleMessage,
} from '../../transcripts/transcript-types.js';
import { AmbitError } from '../../core/errors.js';
import type { NewTranscriptEntry } from '../../transcripts/transcript-input-types.js';
import type { Refusal, Refused } from '../../core/refusals.js';
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { quoted } from '../../core/text-rules.js';
import type { Transcripts } from '../../transcripts/transcripts-face.js';

/** Which session, and how it is kept. */
export interface OpenAiAgentsSessionOptions {
  /** Its id: any text without control characters, at most 512 of them. */
  readonly sessionId: string;
  /** The agent whose list it is in; `openai-agents` unless said. */
  readonly agentId?: string;
  /** `persistent` unless said. */
  readonly scope?: SessionScope;
  /** What a damaged record of its history does: it throws, unless `skip` is said, and then it is as if it were not there. */
  readonly damaged?: 'throw' | 'skip';
}

/** A session of the OpenAI Agents SDK with its optional capabilities, each atomic. */
export interface OpenAiAgentsSession
  extends SessionHistoryTransactionAwareSession, SessionHistoryRewriteAwareSession {
  applyHistoryTransaction(args: SessionHistoryTransactionArgs): Promise<void>;
  applyHistoryMutations(args: SessionHistoryRewriteArgs): Promise<void>;
  replaceHistoryWithCompaction(items: AgentInputItem[]): Promise<void>;
}

/** What a session rejects with where Ambit refused: the SDK knows no refusals as values. */
export interface OpenAiAgentsSessionError extends Error {
  readonly refusal: Refusal;
}

/**
 * The session of the OpenAI Agents SDK on transcripts, on any backend: durable, safe with many writers, and with history transactions
 * that are done once however often they are sent. It begins with its first item; what is taken back or compacted stays in the
 * transcript, under an overlay.
 *
 * @throws TypeError where `transcripts` is not the `transcripts` of an open Ambit; what the session does throws an AmbitError
 * `STORE_CORRUPT` where what it has to read of the history is damaged, unless `damaged` is `skip`
 * @example
 * ```ts
 * import { Agent, run } from '@openai/agents';
 * import { openAmbit } from 'ambit';
 * import { openAiAgentsSession } from 'ambit/openai-agents';
 *
 * const ambit = await openAmbit({ storage: 'sqlite:./conversations.db' });
 * const session = openAiAgentsSession(ambit.transcripts, { sessionId: 'chat-1' });
 * await run(new Agent({ name: 'Assistant' }), 'Hello', { session });
 * ```
 */
export function openAiAgentsSession(
  transcripts: Transcripts,
  options: OpenAiAgentsSessionOptions,
): OpenAiAgentsSession {
  const names = ['sessionId', 'agentId', 'scope', 'damaged'];
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new RangeError(`openAiAgentsSession: ${unknown} is no option of it; give ${names.join(', ')}`);
  if (typeof transcripts?.append !== 'function')
    throw new TypeError(
      'openAiAgentsSession needs the transcripts of an open Ambit: openAiAgentsSession(ambit.transcripts, …)',
    );
  if (typeof options.sessionId !== 'string')
    throw new TypeError('openAiAgentsSession: sessionId must be a string');
  if (!['throw', 'skip', undefined].includes(options.damaged))
    throw new RangeError('openAiAgentsSession: damaged is throw or skip');
  return new TranscriptAgentsSession(transcripts, options);
}

/** How often a change is decided anew because somebody else wrote meanwhile: each time, one of the others got on. */
const triesMax = 100;

/** Entries of one append. */
const itemsAtOnce = 1_000;

/** Longer ids of operations are known by their hash. */
const operationIdCharsMax = 200;

/** Of a store that lost much, a line that names it all would be read by nobody. */
const damagedNamedMax = 5;

/** A history as it was read: the session, unless there is none, and its visible messages. */
interface Read {
  readonly session: TranscriptSession | undefined;
  readonly messages: readonly VisibleMessage[];
}

class TranscriptAgentsSession implements OpenAiAgentsSession {
  readonly #transcripts: Transcripts;
  readonly #sessionId: string;
  readonly #create: { readonly agentId: string; readonly scope: SessionScope };
  readonly #skipsDamaged: boolean;
  /** Up to where this session knows the history: what it read last, and what it added next to that. */
  #seen:
    | {
        readonly incarnation: string | undefined;
        readonly to: number;
        /** How many items can be seen up to there. */
        readonly count: number;
      }
    | undefined;

  constructor(transcripts: Transcripts, { sessionId, agentId, scope, damaged }: OpenAiAgentsSessionOptions) {
    this.#transcripts = transcripts;
    this.#sessionId = sessionId;
    this.#create = { agentId: agentId ?? 'openai-agents', scope: scope ?? 'persistent' };
    this.#skipsDamaged = damaged === 'skip';
  }

  async getSessionId(): Promise<string> {
    return this.#sessionId;
  }

  async getItems(limit?: number): Promise<AgentInputItem[]> {
    const { session, messages } = await this.#read(limit);
    if (limit === undefined)
      this.#seen = {
        incarnation: session?.incarnation,
        to: (session?.nextPosition ?? 0) - 1,
        count: messages.length,
      };
    return messages.map(itemOf);
  }

  async addItems(items: AgentInputItem[]): Promise<void> {
    for (let index = 0; index < items.length; index += itemsAtOnce) {
      const entries = items.slice(index, index + itemsAtOnce).map(entryOf);
      const done = granted(
        await this.#transcripts.append(this.#sessionId, entries, { create: this.#create }),
      );
      this.#noteOwn(done, entries.length);
    }
  }

  async popItem(): Promise<AgentInputItem | undefined> {
    return this.#retried(async () => {
      const { messages } = await this.#read(1);
      const [last] = messages;
      if (!last) return { done: undefined };
      // Of an overlay, those before it are needed as well: they stand there still.
      const read = await this.#read(last.index + 1);
      if (!isDeepStrictEqual(read.messages.at(-1), last)) return 'again';
      const changed = await this.#replaceFrom(read, read.messages.length - 1, []);
      return changed ? { done: itemOf(last) } : 'again';
    });
  }

  async clearSession(): Promise<void> {
    const found = await this.#transcripts.get(this.#sessionId);
    if (!found.ok && found.refusal.code === 'SESSION_NOT_FOUND') return;
    const { currentLoopId: _loop, incarnation: _i, revision: _r, ...session } = granted(found).session;
    const options = { overwrite: true, forgetOperations: true };
    granted(await this.#transcripts.save({ session, loops: [], entries: [] }, options));
    this.#seen = undefined;
  }

  async applyHistoryTransaction({
    operationId: given,
    transaction,
  }: SessionHistoryTransactionArgs): Promise<void> {
    if (typeof given !== 'string' || given.trim() === '')
      throw new TypeError('openAiAgentsSession: operationId must be a non-empty string');
    const operationId = shortened(given);
    const operationContent = encodeItem(transaction, coding);
    if (transaction.type === 'append_items') {
      const entries = entriesOrMark(transaction.items);
      const options = { operationId, operationContent, create: this.#create };
      this.#noteOwn(
        granted(await this.#transcripts.append(this.#sessionId, entries, options)),
        transaction.items.length,
      );
      return;
    }
    const { expectedSuffix, replacement } = transaction;
    const expected = plain(expectedSuffix);
    await this.#retried(async () => {
      const before = await this.#transcripts.findOperation(this.#sessionId, operationId, operationContent);
      if (!before.ok && before.refusal.code !== 'SESSION_NOT_FOUND') granted(before);
      if (before.ok && before.found) return { done: undefined };
      const read = await this.#readSuffix(expectedSuffix.length);
      const start = read.messages.length - expectedSuffix.length;
      const suffix = start < 0 ? undefined : read.messages.slice(start).map(({ message }) => message);
      if (suffix === undefined || !isDeepStrictEqual(suffix, expected)) {
        // Somebody may have done this very operation since it was looked for.
        const done = await this.#transcripts.findOperation(this.#sessionId, operationId, operationContent);
        if (done.ok && done.found) return { done: undefined };
        throw new Error(
          'openAiAgentsSession: the end of the history is not what the transaction expects; read it again',
        );
      }
      const changed = await this.#replaceFrom(read, start, replacement, { operationId, operationContent });
      return changed ? { done: undefined } : 'again';
    });
  }

  async applyHistoryMutations({ mutations }: SessionHistoryRewriteArgs): Promise<void> {
    if (mutations.length === 0) return;
    await this.#retried(async () => {
      const read = await this.#read();
      const items = read.messages.map(itemOf);
      const mutated = mutatedItems(items, mutations) as readonly AgentInputItem[];
      const start = items.findIndex((item, index) => item !== mutated[index]);
      if (start < 0) return { done: undefined };
      return (await this.#replaceFrom(read, start, mutated.slice(start))) ? { done: undefined } : 'again';
    });
  }

  /** Covers what this session has read as a whole or added itself: what others added since was compacted by nobody. */
  async replaceHistoryWithCompaction(items: AgentInputItem[]): Promise<void> {
    const seen = this.#seen;
    const messages = items.map((item) => encodeItem(item, coding) as object);
    await this.#retried(async () => {
      const read = await this.#read();
      const { session } = read;
      const end = (session?.nextPosition ?? 0) - 1;
      const to = seen ? Math.min(seen.to, end) : end;
      const isSame = !seen || seen.to < 0 || seen.incarnation === session?.incarnation;
      // Fewer where some were taken back, replaced or compacted since.
      if (!isSame || (seen && seen.count !== read.messages.filter(({ position }) => position <= to).length))
        throw new Error(
          'openAiAgentsSession: the history was changed since it was read; read it again, and compact that',
        );
      const done =
        to < 0 || !session
          ? await this.#replaceFrom(read, read.messages.length, items)
          : await this.#appendIfSame(
              read,
              [
                { type: 'loop', kind: 'compaction', status: 'completed' },
                { type: 'overlay', reason: 'compaction', from: 0, to, messages },
              ],
              messages.length - (seen?.count ?? 0),
            );
      return done ? { done: undefined } : 'again';
    });
  }

  /** What was added next to what is known is known too; `more` is by how many items there are more to be seen then. */
  #noteOwn(
    { session, position }: { readonly session: TranscriptSession; readonly position: number },
    more: number,
  ): void {
    const seen = this.#seen;
    if (!seen || position !== seen.to + 1 || (seen.to >= 0 && seen.incarnation !== session.incarnation))
      return;
    const count = seen.count + more;
    this.#seen = { incarnation: session.incarnation, to: session.nextPosition - 1, count };
  }

  async #read(limit?: number): Promise<Read> {
    const answer = await this.#transcripts.history(this.#sessionId, limit === undefined ? {} : { limit });
    if (!answer.ok && answer.refusal.code === 'SESSION_NOT_FOUND')
      return { session: undefined, messages: [] };
    const { session, messages, damaged } = granted(answer);
    // A result without its call would be read on in silence, and the next compaction would cover the hole for good.
    if (damaged && !this.#skipsDamaged) throw damagedHistory(this.#sessionId, damaged);
    return { session, messages };
  }

  /** At least so many messages from the end, and of the overlay that they begin in all that stand before them. */
  async #readSuffix(count: number): Promise<Read> {
    for (let limit = count; ;) {
      const read = await this.#read(limit);
      const first = read.messages[0];
      if (!first || first.index === 0) return read;
      limit = read.messages.length + first.index;
    }
  }

  /**
   * Puts items in the place of the messages from one on, in one transaction, if nobody wrote since they were read. Of an overlay
   * that begins before that one, the messages before it are said again: the new overlay covers what it covered.
   */
  async #replaceFrom(
    { session, messages }: Read,
    start: number,
    items: readonly AgentInputItem[],
    operation: { readonly operationId?: string; readonly operationContent?: unknown } = {},
  ): Promise<boolean> {
    const first = messages[start];
    const kept = first ? messages.slice(0, start).filter(({ position }) => position === first.position) : [];
    const entries: readonly NewTranscriptEntry[] =
      first && session
        ? [
            {
              type: 'overlay',
              reason: 'history changed',
              from: first.from,
              to: session.nextPosition - 1,
              messages: [
                ...kept.map(({ message }) => message),
                ...items.map((item) => encodeItem(item, coding) as object),
              ],
            },
          ]
        : entriesOrMark(items);
    return this.#appendIfSame({ session }, entries, start - messages.length + items.length, operation);
  }

  /** Appends if nobody wrote since the session was read. */
  async #appendIfSame(
    { session }: Pick<Read, 'session'>,
    entries: readonly NewTranscriptEntry[],
    more: number,
    operation: { readonly operationId?: string; readonly operationContent?: unknown } = {},
  ): Promise<boolean> {
    const answer = await this.#transcripts.append(this.#sessionId, entries, {
      ...operation,
      ...(session
        ? { expectedRevision: session.revision, incarnation: session.incarnation }
        : { create: this.#create, expectedRevision: 0 }),
    });
    if (
      !answer.ok &&
      (answer.refusal.code === 'SESSION_CHANGED' || answer.refusal.code === 'SESSION_NOT_FOUND')
    )
      return false;
    this.#noteOwn(granted(answer), more);
    return true;
  }

  /** Decides anew for as long as somebody else was faster. */
  async #retried<T>(decide: () => Promise<{ readonly done: T } | 'again'>): Promise<T> {
    for (let tries = 0; tries < triesMax; tries++) {
      const answer = await decide();
      if (answer !== 'again') return answer.done;
    }
    throw new Error(
      `openAiAgentsSession: others wrote ${triesMax} times while this was decided; try again later`,
    );
  }
}

const coding: BytesCoding = {
  encode: (bytes) => Buffer.from(bytes).toString('base64'),
  decode: (text) => new Uint8Array(Buffer.from(text, 'base64')),
};

const itemOf = ({ message }: Pick<VisibleMessage, 'message'>): AgentInputItem =>
  decodeItem(message, coding) as AgentInputItem;

const entryOf = (item: AgentInputItem): NewTranscriptEntry => ({
  type: 'message',
  message: encodeItem(item, coding) as object,
});

/** An operation without items is remembered all the same. */
function entriesOrMark(items: readonly AgentInputItem[]): readonly NewTranscriptEntry[] {
  return items.length > 0 ? items.map(entryOf) : [{ type: 'event', event: { type: 'history-unchanged' } }];
}

/** Items as the store has them: what is undefined is left out, and bytes are text. */
function plain(items: readonly AgentInputItem[]): unknown {
  return JSON.parse(JSON.stringify(items.map((item) => encodeItem(item, coding))));
}

function damagedHistory(sessionId: string, damaged: readonly TranscriptDamage[]): AmbitError {
  const named = damaged.slice(0, damagedNamedMax).map(({ what, problem }) => `${what} ${problem}`);
  const more = damaged.length > named.length ? `, and ${damaged.length - named.length} more` : '';
  return new AmbitError(
    'STORE_CORRUPT',
    `the history of the session ${quoted(sessionId)} is damaged: ${named.join(', ')}${more}; ` +
      "save what transcripts.export gives of the rest, or read on without it with the option damaged: 'skip'",
  );
}

function shortened(operationId: string): string {
  if (operationId.length <= operationIdCharsMax) return operationId;
  return `sha256:${createHash('sha256').update(operationId).digest('base64url')}`;
}

function granted<T extends { readonly ok: true }>(answer: T | Refused): T {
  if (answer.ok) return answer;
  const error = new Error(`openAiAgentsSession: ${answer.refusal.message}`);
  throw Object.assign(error, { name: 'OpenAiAgentsSessionError', refusal: answer.refusal });
}
