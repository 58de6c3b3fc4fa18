import {
  allThreads,
  checkpointKey,
  type CheckpointRecord,
  checkpointsOf,
  type NamespaceRecord,
  namespacesOf,
  type PlaceKeys,
  type StoredText,
  threadKey,
  type ThreadRecord,
} from './checkpoint-records.js';
import {
  checkCheckpoint,
  checkKeep,
  checkWrites,
  namespaceOf,
  placeOf,
  threadIdOf,
} from './checkpoint-input-rules.js';
import type {
  CheckpointListOptions,
  CheckpointPlace,
  Checkpoints,
  NewCheckpoint,
} from './checkpoint-types.js';
import { checked } from '../core/input-rules.js';
import { onChecked } from './input-problem-rules.js';
import { checkpointsPageMax, schemaVersion } from './transcript-limits.js';
import { compareKeys, type Key } from '../core/keys.js';
import {
  damagedThread,
  decidePutCheckpoint,
  decidePutWrites,
  type PlannedPlace,
} from './checkpoint-rules.js';
import { droppedKey, lastPartOf, type Range } from './transcript-records.js';
import { isNamespaceRecord, isThreadRecord } from './checkpoint-shapes.js';
import { isRefused, type Refused } from '../core/refusals.js';
import { readAll, readPage, readValues } from './record-pages.js';
import { keyName } from './checkpoint-names.js';
import { pruneThread } from './checkpoint-pruning.js';
import { readCheckpoint } from './checkpoint-reading.js';
import { storeTexts } from './checkpoint-texts.js';
import type { TranscriptContext } from './transcript-context.js';

/** Checkpoints of threads, on the engine of transcripts. */
export function createCheckpoints(context: TranscriptContext): Checkpoints {
  return {
    put: (input, options = {}) =>
      onChecked(
        () => ({
          checkpoint: checkCheckpoint(input),
          keep: options.keep === undefined ? undefined : checkKeep(options.keep),
        }),
        ({ checkpoint, keep }) => put(context, checkpoint, keep),
      ),
    putWrites: (place, writes) => putWrites(context, place, writes),
    get: (place) =>
      onChecked(
        () => ({ threadId: threadIdOf(place.threadId), namespace: namespaceOf(place.namespace) }),
        (at) => get(context, { ...place, ...at }),
      ),
    list: (options) => list(context, options),
    prune: (threadId, keep) =>
      onChecked(
        () => ({ id: threadIdOf(threadId), kept: checkKeep(keep) }),
        ({ id, kept }) => prune(context, id, kept),
      ),
    deleteThread: (threadId) =>
      onChecked(
        () => threadIdOf(threadId),
        (id) => deleteThread(context, id),
      ),
  };
}

function plannedPlace({ mint }: TranscriptContext, place: CheckpointPlace): PlannedPlace {
  return {
    ...place,
    threadName: keyName(place.threadId),
    namespaceName: keyName(place.namespace),
    newIncarnation: mint(),
  };
}

async function put(
  context: TranscriptContext,
  input: NewCheckpoint,
  keep: number | undefined,
): ReturnType<Checkpoints['put']> {
  const { engine } = context;
  const changed = input.channels.flatMap(({ channel, value }) => (value ? [{ channel, value }] : []));
  const texts = await storeTexts(context, [
    input.checkpoint,
    input.metadata,
    ...changed.map(({ value }) => value),
  ]);
  if (!texts.ok) return texts;
  const [checkpoint, metadata, ...values] = texts.stored as readonly [
    StoredText,
    StoredText,
    ...StoredText[],
  ];
  const plan = {
    ...input,
    ...plannedPlace(context, input),
    checkpoint,
    metadata,
    values: changed.map(({ channel }, index) => ({
      channel,
      name: keyName(channel),
      stored: values[index] as StoredText,
    })),
    sets: texts.sets,
    isBounded: keep !== undefined,
  };
  const done = await engine.transact([threadKey(plan.threadName)], (view) => decidePutCheckpoint(view, plan));
  if (!done.ok) return done;
  const { isTimeToPrune, missing } = done;
  // It is kept, whatever becomes of the old ones: they are looked for again later.
  if (isTimeToPrune && keep !== undefined) await prune(context, input.threadId, keep).catch(() => undefined);
  return { ok: true, missing };
}

async function putWrites(
  context: TranscriptContext,
  place: CheckpointPlace,
  input: Parameters<Checkpoints['putWrites']>[1],
): ReturnType<Checkpoints['putWrites']> {
  return onChecked(
    () => ({ at: placeOf(place), writes: checkWrites(input) }),
    async ({ at, writes }) => {
      const texts = await storeTexts(context, writes);
      if (!texts.ok) return texts;
      const plan = {
        ...plannedPlace(context, at),
        writes: writes.map((write, index) => ({
          write,
          task: keyName(write.taskId),
          stored: texts.stored[index] as StoredText,
        })),
      };
      return context.engine.transact([threadKey(plan.threadName)], (view) => decidePutWrites(view, plan));
    },
  );
}

async function get(
  context: TranscriptContext,
  { threadId, namespace, checkpointId }: Parameters<Checkpoints['get']>[0],
): ReturnType<Checkpoints['get']> {
  const thread = await findThread(context, threadId);
  if (!thread.ok || !thread.incarnation) return thread.ok ? { ok: true, checkpoint: undefined } : thread;
  const keys = { incarnation: thread.incarnation, namespace: keyName(namespace) };
  const id = checkpointId ?? (await newestId(context, keys));
  if (typeof id === 'object') return id;
  if (id === undefined) return { ok: true, checkpoint: undefined };
  const found = await readCheckpoint(context.engine, keys, { threadId, namespace, checkpointId: id });
  if (found.ok && 'damaged' in found) throw found.damaged.error;
  return found;
}

/** Where a thread's records lie; nowhere where there is no such thread. */
async function findThread(
  { engine }: TranscriptContext,
  threadId: string,
): Promise<{ readonly ok: true; readonly incarnation: string | undefined } | Refused> {
  const read = await readValues<ThreadRecord>(engine, [threadKey(keyName(threadId))]);
  if (!read.ok) return read;
  const [record] = read.values;
  if (record === undefined) return { ok: true, incarnation: undefined };
  if (isThreadRecord(record)) return { ok: true, incarnation: record.incarnation };
  throw damagedThread(threadId);
}

async function newestId(
  { engine }: TranscriptContext,
  place: PlaceKeys,
): Promise<string | undefined | Refused> {
  const page = await readPage<CheckpointRecord>(engine, checkpointsOf(place), 1, true);
  if (!page.ok) return page;
  // A damaged one too: nobody asked for the one before it.
  return page.last === undefined ? undefined : lastPartOf(page.last);
}

async function* list(
  context: TranscriptContext,
  options: CheckpointListOptions = {},
): ReturnType<Checkpoints['list']> {
  const wanted = checked(() => ({
    threadId: options.threadId === undefined ? undefined : threadIdOf(options.threadId),
    namespace: options.namespace === undefined ? undefined : namespaceOf(options.namespace),
  }));
  if (isRefused(wanted)) {
    yield wanted;
    return;
  }
  const threads = await threadsOf(context, wanted.threadId);
  if (isRefused(threads)) {
    yield threads;
    return;
  }
  for (const { threadId, incarnation } of threads) {
    const namespaces =
      wanted.namespace === undefined ? await namespacesIn(context, incarnation) : [wanted.namespace];
    if (isRefused(namespaces)) {
      yield namespaces;
      return;
    }
    for (const namespace of namespaces) {
      const keys = { incarnation, namespace: keyName(namespace) };
      yield* listNamespace(context, keys, { threadId, namespace }, options.before);
    }
  }
}

/** All threads, or one. Of one whose record is damaged nobody knows where its checkpoints lie. */
async function threadsOf(
  context: TranscriptContext,
  threadId: string | undefined,
): Promise<readonly Pick<ThreadRecord, 'threadId' | 'incarnation'>[] | Refused> {
  if (threadId === undefined) {
    const all = await readAll<ThreadRecord>(context.engine, allThreads);
    return all.ok ? all.found.map(({ value }) => value).filter(isThreadRecord) : all;
  }
  const one = await findThread(context, threadId);
  if (!one.ok) return one;
  return one.incarnation === undefined ? [] : [{ threadId, incarnation: one.incarnation }];
}

/** The names of a thread's namespaces; a short one is known by its key, also where its record is damaged. */
async function namespacesIn(
  { engine }: TranscriptContext,
  incarnation: string,
): Promise<readonly string[] | Refused> {
  const all = await readAll<NamespaceRecord>(engine, namespacesOf(incarnation));
  if (!all.ok) return all;
  const damaged: Key[] = all.found.flatMap(({ key, value }) => (isNamespaceRecord(value) ? [] : [key]));
  return [
    ...all.found.flatMap(({ value }) => (isNamespaceRecord(value) ? [value.namespace] : [])),
    ...[...damaged, ...all.unreadable].map(lastPartOf),
  ];
}

async function* listNamespace(
  { engine }: TranscriptContext,
  keys: PlaceKeys,
  of: Omit<CheckpointPlace, 'checkpointId'>,
  before: string | undefined,
): ReturnType<Checkpoints['list']> {
  const { start, end } = checkpointsOf(keys);
  let range: Range<CheckpointRecord> = {
    start,
    end: before === undefined ? end : checkpointKey(keys, before),
  };
  for (;;) {
    const page = await readPage<CheckpointRecord>(engine, range, checkpointsPageMax, true);
    if (!page.ok) {
      yield page;
      return;
    }
    const ids = [...page.found.map(({ key }) => key as Key), ...page.unreadable].sort(compareKeys).reverse();
    for (const checkpointId of ids.map(lastPartOf)) {
      const read = await readCheckpoint(engine, keys, { ...of, checkpointId });
      if (!read.ok) {
        yield read;
        return;
      }
      // Else it was deleted since.
      if (read.checkpoint !== undefined || 'damaged' in read) yield read;
    }
    if (page.last === undefined) return;
    range = { start, end: page.last as Key<CheckpointRecord> };
  }
}

async function prune(
  context: TranscriptContext,
  threadId: string,
  keep: number,
): ReturnType<Checkpoints['prune']> {
  const threads = await threadsOf(context, threadId);
  if (isRefused(threads)) return threads;
  const [thread] = threads;
  if (!thread) return { ok: true, deleted: 0 };
  const done = await pruneThread(context.engine, thread, keep);
  return done.ok ? { ok: true, deleted: done.deleted } : done;
}

async function deleteThread(
  context: TranscriptContext,
  threadId: string,
): ReturnType<Checkpoints['deleteThread']> {
  const key = threadKey(keyName(threadId));
  const done = await context.engine.transact([key], (view) => {
    const record = view.get(key);
    // A thread that never was is as gone as one that was deleted.
    if (!record) return { ok: true as const };
    view.delete(key);
    if (isThreadRecord(record)) view.insert(droppedKey(record.incarnation), schemaVersion);
    return { ok: true as const };
  });
  if (done.ok) context.collectSoon();
  return done;
}
