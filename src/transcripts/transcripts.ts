import { checkInactiveMs } from './session-input-rules.js';
import { createCheckpoints } from './checkpoints.js';
import { createKnownOperations, type TranscriptContext } from './transcript-context.js';
import { decideCreated, decideDelete, decideOpenCurrent } from './session-rules.js';
import {
  ephemeralLifetimeMsDefault,
  ephemeralLifetimeMsMax,
  ephemeralLifetimeMsMin,
} from './transcript-limits.js';
import { fork, importTranscript, save } from './transcript-saving.js';
import { history, readSession } from './transcript-reading.js';
import { append, chain, compact, findOperation, plannedSession } from './transcript-writing.js';
import { onChecked, sessionIdOf } from './input-problem-rules.js';
import { currentKey, sessionKey, sessionOf } from './transcript-records.js';
import type { NewTranscript, OpenCurrent, TranscriptSettings } from './transcript-input-types.js';
import { AmbitError } from '../core/errors.js';
import { collect } from './transcript-collecting.js';
import type { Engine } from '../engine/engine.js';
import { listSessions } from './transcript-listing.js';
import { load } from './transcript-loading.js';
import { readUsage } from './transcript-usage.js';
import type { Transcripts } from './transcripts-face.js';
import { v7 as newId } from 'uuid';

/**
 * Transcripts over an engine. Thin: checks what comes in, and hands pure rules to the engine.
 *
 * @throws AmbitError `INVALID_INPUT` for settings out of their bounds
 */
export function createTranscripts(engine: Engine, settings: TranscriptSettings = {}): Transcripts {
  const context = contextOf(engine, settings);
  return {
    create: (session) => create(context, session),
    openCurrent: (options) => openCurrent(context, options),
    append: (sessionId, entries, options) => append(context, sessionId, entries, options),
    chain: (sessionId, parentLoopId, loop) => chain(context, sessionId, parentLoopId, loop),
    compact: (sessionId, compaction) => compact(context, sessionId, compaction),
    async findOperation(sessionId, operationId, content) {
      const answer = await findOperation(context, sessionId, operationId, content);
      return answer.ok ? { ok: true, found: answer.answer !== undefined } : answer;
    },
    get: (sessionId) =>
      onChecked(
        () => sessionIdOf('sessionId', sessionId),
        async () => {
          const found = await readSession(context.engine, sessionId);
          return found.ok ? { ok: true as const, session: sessionOf(sessionId, found.record) } : found;
        },
      ),
    load: (sessionId, options) => load(context.engine, sessionId, options),
    history: (sessionId, options) => history(context.engine, sessionId, options),
    usage: (sessionId) => readUsage(context.engine, sessionId),
    async listIds(options) {
      const page = await listSessions(context.engine, options);
      if (!page.ok) return page;
      const ids = page.sessions.map(({ sessionId }) => sessionId);
      return { ok: true, ids, ...(page.cursor !== undefined && { cursor: page.cursor }) };
    },
    list: (options) => listSessions(context.engine, options),
    listForAgent: (agentId, options) => listSessions(context.engine, { ...options, agentId }),
    save: (transcript, options) => save(context, transcript, options),
    fork: (sessionId, options) => fork(context, sessionId, options),
    delete: (sessionId) => remove(context, sessionId),
    export: (sessionId) => load(context.engine, sessionId),
    import: (file, options) => importTranscript(context, file, options),
    collect: () => collect(context.engine),
    checkpoints: createCheckpoints(context),
  };
}

function create(context: TranscriptContext, session: NewTranscript): ReturnType<Transcripts['create']> {
  return onChecked(
    () => {
      const plan = plannedSession(context, '', session, 'explicit');
      return {
        ...plan,
        sessionId:
          session.sessionId === undefined ? context.mint() : sessionIdOf('sessionId', session.sessionId),
      };
    },
    (plan) =>
      context.engine.transact([sessionKey(plan.sessionId)], (view, now) => decideCreated(view, now, plan)),
  );
}

function openCurrent(
  context: TranscriptContext,
  options: OpenCurrent,
): ReturnType<Transcripts['openCurrent']> {
  return onChecked(
    () => {
      const plan = plannedSession(context, '', options, 'explicit', ['inactiveMs']);
      const sessionId =
        options.sessionId === undefined ? context.mint() : sessionIdOf('sessionId', options.sessionId);
      return { plan: { ...plan, sessionId }, inactiveMs: checkInactiveMs(options.inactiveMs) };
    },
    ({ plan, inactiveMs }) =>
      context.engine.transact([currentKey(plan.agentId), sessionKey(plan.sessionId)], (view, now) =>
        decideOpenCurrent(view, now, plan, inactiveMs),
      ),
  );
}

function remove(context: TranscriptContext, sessionId: string): ReturnType<Transcripts['delete']> {
  return onChecked(
    () => sessionIdOf('sessionId', sessionId),
    async () => {
      const answer = await context.engine.transact([sessionKey(sessionId)], (view, now) =>
        decideDelete(view, now, sessionId),
      );
      if (answer.ok) context.collectSoon();
      return answer;
    },
  );
}

function contextOf(engine: Engine, settings: TranscriptSettings): TranscriptContext {
  const unknown = Object.keys(settings).find((name) => name !== 'ephemeralLifetimeMs');
  if (unknown !== undefined)
    throw new AmbitError('INVALID_INPUT', `transcripts.${unknown} is no setting; give ephemeralLifetimeMs`);
  const { ephemeralLifetimeMs = ephemeralLifetimeMsDefault } = settings;
  const isWithin =
    ephemeralLifetimeMs >= ephemeralLifetimeMsMin && ephemeralLifetimeMs <= ephemeralLifetimeMsMax;
  if (!Number.isSafeInteger(ephemeralLifetimeMs) || !isWithin) {
    const bounds = `it must be a whole number from ${ephemeralLifetimeMsMin} to ${ephemeralLifetimeMsMax}`;
    throw new AmbitError(
      'INVALID_INPUT',
      `transcripts.ephemeralLifetimeMs is ${ephemeralLifetimeMs}; ${bounds}`,
    );
  }
  const guarded = guardedEngine(engine);
  let collecting: Promise<unknown> | undefined;
  return {
    engine: guarded,
    ephemeralLifetimeMs,
    mint: newId,
    known: createKnownOperations(),
    collectSoon() {
      // What fails here is tried again by the next sweep.
      collecting ??= collect(guarded)
        .catch(() => undefined)
        .finally(() => (collecting = undefined));
    },
  };
}

/** The engine, with what JSON.parse says of a damaged record said in words. */
function guardedEngine(engine: Engine): Engine {
  return {
    ...engine,
    async transact(keys, body, constants) {
      try {
        return await engine.transact(keys, body, constants);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        throw new AmbitError(
          'STORE_CORRUPT',
          'a record of this transcript is damaged; other transcripts are not affected',
          { cause: error },
        );
      }
    },
  };
}
