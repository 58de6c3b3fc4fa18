import type { Appended, AppendOptions, Compaction, NewLoop } from './transcript-input-types.js';
import { checkEntries, contentOf, type Planned, type PlannedEntry } from './entry-input-rules.js';
import {
  crowdedEntryBytesMax,
  inlineAppendBytesMax,
  inlineEntryBytesMax,
  innerIdCharsMax,
  tailTurnsMax,
} from './transcript-limits.js';
import { wholeOf, wrong } from '../core/input-rules.js';
import { objectOf, onChecked, onlyFields, sessionIdOf, text } from './input-problem-rules.js';
import {
  findLive,
  keptUntil,
  operationKey,
  operationsOf,
  type PiecesRef,
  sessionKey,
  sessionOf,
  stagingKey,
} from './transcript-records.js';
import { canonicalText } from './json-rules.js';
import { checkNewSession } from './session-input-rules.js';
import { createHash } from 'node:crypto';
import { minuteMs } from '../core/time.js';
import { decideAppend, type PlannedAppend } from './append-rules.js';
import { readCompactionGround, readSession } from './transcript-reading.js';
import { operationReused, sessionChanged, sessionNotFound } from './transcript-refusals.js';
import type { Json } from '../core/json.js';
import type { Key } from '../core/keys.js';
import type { PlannedSession } from './session-rules.js';
import { invalidInput, type Refused } from '../core/refusals.js';
import type { SessionFormation } from './transcript-types.js';
import type { TranscriptContext } from './transcript-context.js';
import { writePieces } from './large-fields.js';

/** Appends entries that a caller sent. */
export function append(
  context: TranscriptContext,
  sessionId: string,
  entries: unknown,
  options: AppendOptions = {},
): Promise<Appended | Refused> {
  return onChecked(
    () => ({ ...checkAppend(context, sessionId, options), entries: checkEntries(entries, context.mint) }),
    (plan) => appendPlanned(context, { ...plan, operation: operationOf(options, entries) }),
  );
}

function checkAppend(
  context: TranscriptContext,
  sessionId: string,
  options: AppendOptions,
): Omit<PlannedAppend, 'entries' | 'pieces' | 'operation'> {
  const { operationId, expectedRevision, incarnation, create } = objectOf(
    'options',
    options,
  ) as AppendOptions;
  onlyFields('the options of append', options, [
    'operationId',
    'operationContent',
    'create',
    'expectedRevision',
    'incarnation',
  ]);
  if (operationId !== undefined) text('operationId', operationId, innerIdCharsMax);
  return {
    sessionId: sessionIdOf('sessionId', sessionId),
    create: create === undefined ? undefined : plannedSession(context, sessionId, create, 'first-loop'),
    expectedRevision:
      expectedRevision === undefined
        ? undefined
        : wholeOf('expectedRevision', expectedRevision, 0, Number.MAX_SAFE_INTEGER),
    incarnation: incarnation === undefined ? undefined : text('incarnation', incarnation, innerIdCharsMax),
    firstLoopId: context.mint(),
  };
}

/** Chance comes in here: a rule may run any number of times. */
export function plannedSession(
  { mint, ephemeralLifetimeMs }: TranscriptContext,
  sessionId: string,
  input: object,
  formation: SessionFormation,
  alsoKnown: readonly string[] = [],
): PlannedSession {
  const session = checkNewSession(input, alsoKnown);
  return { ...session, sessionId, incarnation: mint(), identity: mint(), formation, ephemeralLifetimeMs };
}

function operationOf(options: AppendOptions, entries: unknown): PlannedAppend['operation'] {
  if (options.operationId === undefined) return undefined;
  const content = contentOf(options.operationContent === undefined ? entries : options.operationContent);
  return { id: options.operationId, sha256: sha256Of(content) };
}

const sha256Of = (content: Json): string =>
  createHash('sha256').update(canonicalText(content)).digest('base64url');

async function appendPlanned(
  context: TranscriptContext,
  plan: Omit<PlannedAppend, 'pieces'>,
): Promise<Appended | Refused> {
  const { engine, known } = context;
  const pieces = await writeLarge(context, plan);
  if (!pieces.ok) return pieces;
  const answer = await engine.transact(keysOf(context, plan, pieces.refs), (view, now) =>
    decideAppend(view, now, { ...plan, pieces: pieces.refs }),
  );
  if (!answer.ok) return answer;
  known.see(plan.sessionId, answer.operations);
  return answer.appended;
}

/** The keys that an append will touch, as far as they can be known. */
function keysOf(
  { known }: TranscriptContext,
  { sessionId, operation }: Omit<PlannedAppend, 'pieces'>,
  pieces: ReadonlyMap<number, PiecesRef>,
): Key[] {
  const operations = known.of(sessionId);
  const keys: Key[] = [sessionKey(sessionId)];
  if (operations !== undefined && operation) keys.push(operationKey(operations, operation.id));
  for (const { set } of pieces.values()) keys.push(stagingKey(set));
  return keys;
}

/** Writes the entries beforehand that do not fit into one transaction with the others. */
async function writeLarge(
  context: TranscriptContext,
  { entries, sessionId, create }: Omit<PlannedAppend, 'pieces'>,
): Promise<{ readonly ok: true; readonly refs: ReadonlyMap<number, PiecesRef> } | Refused> {
  const refs = new Map<number, PiecesRef>();
  let bytes = 0;
  for (const entry of entries) bytes += bytesOf(entry);
  const inlineMax = bytes > inlineAppendBytesMax ? crowdedEntryBytesMax : inlineEntryBytesMax;
  const isLarge = (entry: Planned): entry is PlannedEntry => entry.is === 'entry' && entry.bytes > inlineMax;
  if (!entries.some(isLarge)) return { ok: true, refs };
  const kept = await keptFor(context, sessionId, create);
  if (!kept.ok) return kept;
  for (const [index, entry] of entries.entries()) {
    if (!isLarge(entry)) continue;
    const written = await writePieces(context, entry.fields, kept.until);
    if (!written.ok) return written;
    refs.set(index, written.ref);
  }
  return { ok: true, refs };
}

function bytesOf(entry: Planned): number {
  if (entry.is === 'entry') return entry.bytes;
  return entry.is === 'loop' && entry.config ? JSON.stringify(entry.config).length : 0;
}

/** How long the pieces of a session's entries are to be kept: as long as the session, or a little longer. */
async function keptFor(
  { engine, ephemeralLifetimeMs }: TranscriptContext,
  sessionId: string,
  create: PlannedSession | undefined,
): Promise<{ readonly ok: true; readonly until: { readonly expiresAtMs?: number } } | Refused> {
  const found = await readSession(engine, sessionId);
  if (found.ok) return { ok: true, until: keptUntil(found.record) };
  if (found.refusal.code !== 'SESSION_NOT_FOUND' || !create) return found;
  if (create.scope === 'persistent') return { ok: true, until: {} };
  const clock = await engine.read([]);
  return clock.ok
    ? { ok: true, until: { expiresAtMs: clock.now.latestMs + ephemeralLifetimeMs + minuteMs } }
    : clock;
}

/** Begins a continuation of a loop. */
export function chain(
  context: TranscriptContext,
  sessionId: string,
  parentLoopId: string,
  loop: Omit<NewLoop, 'type' | 'parentLoopId'> = {},
): Promise<Appended | Refused> {
  return append(context, sessionId, [
    { kind: 'continuation', ...objectOf('loop', loop), type: 'loop', parentLoopId },
  ]);
}

/**
 * Appends a compaction: a loop of its own, in which an overlay says what a model sees instead. It is applied only to what was
 * read for it: on what somebody else put in its place, or on a branch that somebody else began meanwhile, it would hide what
 * its messages do not tell.
 */
export async function compact(
  context: TranscriptContext,
  sessionId: string,
  compaction: Compaction,
): Promise<Appended | Refused> {
  return onChecked(
    () => checkCompaction(sessionId, compaction),
    async ({ keepTurns, to, loopId, expectedRevision, incarnation }) => {
      const { operationId, messages, usage, metadata } = compaction;
      // What it must be applied to is no part of what it does: the same may be sent again for what it has become.
      const { expectedRevision: _revision, incarnation: _incarnation, ...operationContent } = compaction;
      if (operationId !== undefined) {
        const done = await findOperation(context, sessionId, operationId, operationContent);
        if (!done.ok || done.answer) return done.ok ? (done.answer as Appended) : done;
      }
      const ground = await readCompactionGround(context.engine, sessionId, keepTurns, loopId);
      if (!ground.ok) return ground;
      if (expectedRevision !== undefined && ground.revision !== expectedRevision)
        return sessionChanged(sessionId);
      if (incarnation !== undefined && ground.incarnation !== incarnation) return sessionChanged(sessionId);
      const end = to ?? ground.position - 1;
      if (end < 0) return invalidInput('keepTurns', 'leaves nothing to be compacted');
      const parentLoopId = loopId ?? ground.currentLoopId;
      const loop = {
        type: 'loop',
        kind: 'compaction',
        status: 'completed',
        ...(parentLoopId !== null && { parentLoopId }),
        ...(usage && { usage }),
        ...(metadata && { metadata }),
      };
      const overlay = { type: 'overlay', reason: 'compaction', from: 0, to: end, messages };
      const options = {
        incarnation: ground.incarnation,
        ...(expectedRevision !== undefined && { expectedRevision }),
        ...(operationId !== undefined && { operationId, operationContent }),
      };
      const entries = [loop, overlay];
      return onChecked(
        () => ({
          ...checkAppend(context, sessionId, options),
          entries: checkEntries(entries, context.mint),
          ...(loopId === undefined && { currentLoopId: ground.currentLoopId }),
        }),
        (plan) => appendPlanned(context, { ...plan, operation: operationOf(options, entries) }),
      );
    },
  );
}

function checkCompaction(
  sessionId: string,
  compaction: Compaction,
): Pick<Compaction, 'expectedRevision' | 'incarnation' | 'loopId' | 'to'> & { readonly keepTurns: number } {
  sessionIdOf('sessionId', sessionId);
  onlyFields('a compaction', objectOf('a compaction', compaction), [
    'messages',
    'keepTurns',
    'to',
    'loopId',
    'operationId',
    'expectedRevision',
    'incarnation',
    'usage',
    'metadata',
  ]);
  const { keepTurns, to, loopId, expectedRevision, incarnation } = compaction;
  if (keepTurns !== undefined && to !== undefined) wrong('to', 'cannot be given beside keepTurns');
  if (loopId !== undefined) text('loopId', loopId, innerIdCharsMax);
  if (expectedRevision !== undefined)
    wholeOf('expectedRevision', expectedRevision, 0, Number.MAX_SAFE_INTEGER);
  if (incarnation !== undefined) text('incarnation', incarnation, innerIdCharsMax);
  if (to !== undefined) wholeOf('to', to, 0, Number.MAX_SAFE_INTEGER);
  return {
    ...compaction,
    keepTurns: keepTurns === undefined ? 0 : wholeOf('keepTurns', keepTurns, 0, tailTurnsMax),
  };
}

/** Whether an operation was done, and what it answered. */
export function findOperation(
  { engine }: TranscriptContext,
  sessionId: string,
  operationId: string,
  content: unknown,
): Promise<{ readonly ok: true; readonly answer: Appended | undefined } | Refused> {
  return onChecked(
    () => {
      sessionIdOf('sessionId', sessionId);
      text('operationId', operationId, innerIdCharsMax);
      return sha256Of(contentOf(content));
    },
    (sha256) =>
      engine.transact([sessionKey(sessionId)], (view, now) => {
        const record = findLive(view, now, sessionId);
        if (!record) return sessionNotFound(sessionId);
        const done = view.get(operationKey(operationsOf(record), operationId));
        if (!done) return { ok: true as const, answer: undefined };
        if (done.sha256 !== sha256) return operationReused();
        const session = sessionOf(sessionId, record);
        return {
          ok: true as const,
          answer: { ok: true as const, session, position: done.position, replayed: true as const },
        };
      }),
  );
}
