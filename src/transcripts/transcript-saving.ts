import type { CheckedEntry, CheckedTranscript } from './save-input-rules.js';
import { checkTranscript } from './save-input-rules.js';
import { batchBytesMax, batchRecordsMax, inlineEntryBytesMax, schemaVersion } from './transcript-limits.js';
import {
  childKey,
  droppedKey,
  entryKey,
  groupKey,
  isStaged,
  loopKey,
  loopStateKey,
  type PiecesRef,
  sessionKey,
  stagingKey,
} from './transcript-records.js';
import type { ForkOptions, ImportOptions, SaveOptions } from './transcript-input-types.js';
import { objectOf, onChecked, onlyFields, sessionIdOf } from './input-problem-rules.js';
import { stage, writePieces } from './large-fields.js';
import { decideSwitch, type PlannedSwitch } from './session-rules.js';
import { isPhiCore, transcriptOfPhiCore } from './phi-core-rules.js';
import type { Key } from '../core/keys.js';
import { load } from './transcript-loading.js';
import type { Refused } from '../core/refusals.js';
import { tookTooLong } from './transcript-refusals.js';
import type { TranscriptContext } from './transcript-context.js';
import type { TranscriptSession } from './transcript-types.js';

type Saved = { readonly ok: true; readonly session: TranscriptSession };

/** Replaces a session by a whole transcript, or creates it. */
export function save(
  context: TranscriptContext,
  transcript: unknown,
  options: SaveOptions = {},
): Promise<Saved | Refused> {
  return onChecked(
    () => onlyFields('the options of save', objectOf('options', options), ['overwrite', 'forgetOperations']),
    () =>
      withChecked(context, transcript, (checked) =>
        write(context, checked, {
          replace: true,
          isPart: checked.isPart && options.overwrite !== true,
          expected: options.overwrite === true ? undefined : checked.loaded,
          lastActiveAtMs: undefined,
          operations: options.forgetOperations === true ? context.mint() : undefined,
        }),
      ),
  );
}

/** Makes a session of a file. */
export function importTranscript(
  context: TranscriptContext,
  file: unknown,
  options: ImportOptions = {},
): Promise<Saved | Refused> {
  return onChecked(
    () => {
      onlyFields('the options of import', objectOf('options', options), [
        'replace',
        'overwrite',
        'sessionId',
      ]);
      const { sessionId } = options;
      return sessionId === undefined ? undefined : sessionIdOf('sessionId', sessionId);
    },
    (sessionId) =>
      withChecked(context, isPhiCore(file) ? transcriptOfPhiCore(file) : file, (checked) =>
        write(context, sessionId === undefined ? checked : renamed(checked, sessionId), {
          replace: options.replace === true,
          isPart: checked.isPart && options.overwrite !== true,
          expected: undefined,
          lastActiveAtMs: checked.lastActiveAtMs,
          operations: undefined,
        }),
      ),
  );
}

/** Under another id it is a copy: its sub-agents were started by the one before, as with a fork. */
const renamed = (checked: CheckedTranscript, sessionId: string): CheckedTranscript =>
  sessionId === checked.sessionId ? checked : { ...checked, sessionId, children: [] };

/** Copies a session, or a branch of it, into a new one. */
export function fork(
  context: TranscriptContext,
  sessionId: string,
  options: ForkOptions = {},
): Promise<Saved | Refused> {
  return onChecked(
    () => {
      onlyFields('the options of fork', objectOf('options', options), [
        'sessionId',
        'loopId',
        'agentId',
        'metadata',
      ]);
      return options.sessionId === undefined ? context.mint() : sessionIdOf('sessionId', options.sessionId);
    },
    async (copyId) => {
      const { loopId, agentId, metadata } = options;
      const loaded = await load(context.engine, sessionId, loopId === undefined ? {} : { loopId });
      if (!loaded.ok) return loaded;
      const { session, children: _children, ...content } = loaded.transcript;
      const {
        createdAtMs: _c,
        lastActiveAtMs: _l,
        expiresAtMs: _e,
        incarnation,
        previousSessionId: _p,
        parent: _above,
        ...kept
      } = session;
      const copy = {
        ...content,
        session: {
          ...kept,
          sessionId: copyId,
          formation: 'explicit',
          ...(agentId !== undefined && { agentId }),
          ...(metadata !== undefined && { metadata }),
          ...(loopId !== undefined && { currentLoopId: loopId }),
          forkedFrom: { sessionId, incarnation, position: session.nextPosition - 1 },
        },
      };
      return withChecked(context, copy, (checked) =>
        write(context, checked, {
          replace: false,
          isPart: false,
          expected: undefined,
          lastActiveAtMs: undefined,
          operations: undefined,
        }),
      );
    },
  );
}

async function withChecked(
  context: TranscriptContext,
  transcript: unknown,
  run: (checked: CheckedTranscript, nowMs: number) => Promise<Saved | Refused>,
): Promise<Saved | Refused> {
  const clock = await context.engine.read([]);
  if (!clock.ok) return clock;
  const nowMs = clock.now.latestMs;
  return onChecked(
    () => lasting(checkTranscript(transcript, nowMs, context.mint), nowMs, context),
    (checked) => run(checked, nowMs),
  );
}

/**
 * An ephemeral session is kept as long as it says, or as long as all of them are. One whose time is over begins a new one:
 * else it would be gone the moment it is there.
 */
function lasting(
  checked: CheckedTranscript,
  nowMs: number,
  { ephemeralLifetimeMs }: TranscriptContext,
): CheckedTranscript {
  if (checked.session.scope === 'persistent') return { ...checked, expiresAtMs: undefined };
  const { expiresAtMs } = checked;
  const isToCome = expiresAtMs !== undefined && expiresAtMs > nowMs;
  return { ...checked, expiresAtMs: isToCome ? expiresAtMs : nowMs + ephemeralLifetimeMs };
}

type Switching = Pick<PlannedSwitch, 'replace' | 'isPart' | 'expected' | 'lastActiveAtMs' | 'operations'>;

/** Writes everything under an incarnation that nobody can reach, and switches the session over to it. */
async function write(
  context: TranscriptContext,
  checked: CheckedTranscript,
  switching: Switching,
): Promise<Saved | Refused> {
  const { engine, mint } = context;
  const { sessionId, session, createdAtMs } = checked;
  const incarnation = mint();
  const identity = mint();
  const owners = [incarnation, identity];
  const staged = await stage(engine, owners);
  if (!staged.ok) return staged;
  const written = await writeContent(context, checked, incarnation, identity);
  const answer = written.ok
    ? await engine.transact([sessionKey(sessionId), ...owners.map(stagingKey)], (view, now) =>
        decideSwitch(view, now, {
          sessionId,
          record: { ...session, incarnation, expiresAtMs: checked.expiresAtMs ?? null },
          createdAtMs,
          identity,
          ...switching,
        }),
      )
    : written;
  if (!answer.ok) await giveUp(context, owners);
  context.collectSoon();
  return answer;
}

/** What was written will not be switched over to. Where this fails as well, it is collected an hour later. */
async function giveUp({ engine }: TranscriptContext, owners: readonly string[]): Promise<void> {
  await engine.transact(owners.map(stagingKey), (view) => {
    for (const owner of owners) {
      // Not there: it was switched over to after all, by a call whose answer was lost, or it was given up already.
      if (!isStaged(view, owner)) continue;
      view.delete(stagingKey(owner));
      view.insert(droppedKey(owner), schemaVersion);
    }
    return { ok: true as const };
  });
}

interface Batch {
  readonly puts: { readonly key: Key; readonly value: unknown }[];
  readonly sets: string[];
  bytes: number;
}

async function writeContent(
  context: TranscriptContext,
  checked: CheckedTranscript,
  incarnation: string,
  identity: string,
): Promise<{ readonly ok: true } | Refused> {
  const kept = checked.expiresAtMs === undefined ? {} : { expiresAtMs: checked.expiresAtMs };
  let batch: Batch = { puts: [], sets: [], bytes: 0 };
  const flush = async (): Promise<{ readonly ok: true } | Refused> => {
    const { puts, sets } = batch;
    batch = { puts: [], sets: [], bytes: 0 };
    const staged = [incarnation, identity, ...sets];
    return context.engine.transact<{ readonly ok: true } | Refused>(staged.map(stagingKey), (view) => {
      if (staged.some((owner) => !isStaged(view, owner))) return tookTooLong();
      for (const { key, value } of puts) view.insert(key, value, kept);
      for (const set of sets) view.delete(stagingKey(set));
      return { ok: true };
    });
  };
  const add = async (
    key: Key,
    value: unknown,
    bytes: number,
    set?: string,
  ): Promise<{ readonly ok: true } | Refused> => {
    const isFull = batch.puts.length >= batchRecordsMax || batch.bytes + bytes > batchBytesMax;
    const flushed = isFull && batch.puts.length > 0 ? await flush() : { ok: true as const };
    batch.puts.push({ key, value });
    if (set !== undefined) batch.sets.push(set);
    batch.bytes += bytes;
    return flushed;
  };
  for (const record of recordsAround(checked, incarnation, identity)) {
    const added = await add(record.key, record.value, JSON.stringify(record.value).length);
    if (!added.ok) return added;
  }
  for (const entry of checked.entries) {
    const large =
      entry.planned.bytes > inlineEntryBytesMax
        ? await writePieces(context, entry.planned.fields, kept)
        : undefined;
    if (large && !large.ok) return large;
    const bytes = large ? 0 : entry.planned.bytes;
    const added = await add(
      entryKey(incarnation, entry.position),
      entryOf(entry, large?.ref),
      bytes,
      large?.ref.set,
    );
    if (!added.ok) return added;
  }
  return batch.puts.length > 0 ? flush() : { ok: true };
}

function* recordsAround(
  { loops, selected, children }: CheckedTranscript,
  incarnation: string,
  identity: string,
): Generator<{ readonly key: Key; readonly value: unknown }> {
  for (const { loopId, record, state } of loops) {
    yield { key: loopKey(incarnation, loopId), value: record };
    yield { key: loopStateKey(incarnation, loopId), value: state };
  }
  for (const [groupId, selectedLoopId] of selected)
    yield { key: groupKey(incarnation, groupId), value: { schema: schemaVersion, selectedLoopId } };
  for (const { sessionId, ...link } of children) yield { key: childKey(identity, sessionId), value: link };
}

function entryOf({ planned, loopId, atMs }: CheckedEntry, pieces: PiecesRef | undefined): unknown {
  const content = pieces ? { pieces } : { fields: planned.fields };
  return { schema: schemaVersion, type: planned.type, loopId, atMs, ...content };
}
