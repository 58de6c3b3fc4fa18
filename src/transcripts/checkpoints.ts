import {
  allThreads,
  checkpointKey,
  type CheckpointRecord,
  checkpointsOf,
  namespacesOf,
  type PlaceKeys,
  type StoredText,
  threadKey,
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
import { checkpointsPageMax, countedNamespacesMax, pruneSlack, schemaVersion } from './transcript-limits.js';
import { decidePutCheckpoint, decidePutWrites, type PlannedPlace } from './checkpoint-rules.js';
import { droppedKey, lastPartOf, type Range } from './transcript-records.js';
import { checked, onChecked } from './input-problem-rules.js';
import { keyName } from './checkpoint-names.js';
import { pruneNamespace } from './checkpoint-pruning.js';
import { readAll } from './record-pages.js';
import { readCheckpoint } from './checkpoint-reading.js';
import { isRefused, type Refused } from '../core/refusals.js';
import { storeTexts } from './checkpoint-texts.js';
import type { TranscriptContext } from './transcript-context.js';

/** Checkpoints of threads, on the engine of transcripts. */
export function createCheckpoints(context: TranscriptContext): Checkpoints {
  const { engine } = context;
  const prunedAt = new Map<string, number>();

  /** Counts the puts of a namespace, and looks for old ones where some have gathered. */
  async function putAndPrune(input: NewCheckpoint, keep: number | undefined): ReturnType<Checkpoints['put']> {
    const done = await put(context, input);
    if (!done.ok || done.missing.length > 0 || keep === undefined) return done;
    const counted = `${keyName(input.threadId)} ${keyName(input.namespace)}`;
    if (prunedAt.size >= countedNamespacesMax) prunedAt.clear();
    // This process has not looked yet: another one may have left some behind.
    const puts = (prunedAt.get(counted) ?? pruneSlack) + 1;
    prunedAt.set(counted, puts > pruneSlack ? 0 : puts);
    if (puts <= pruneSlack) return done;
    const place = await findPlace(context, input.threadId, input.namespace);
    if (!place.ok || !place.keys) return place.ok ? done : place;
    const pruned = await pruneNamespace(engine, place.keys, keep);
    return pruned.ok ? done : pruned;
  }

  return {
    put: (input, options = {}) =>
      onChecked(
        () => ({
          checkpoint: checkCheckpoint(input),
          keep: options.keep === undefined ? undefined : checkKeep(options.keep),
        }),
        ({ checkpoint, keep }) => putAndPrune(checkpoint, keep),
      ),
    putWrites: (place, writes) => putWrites(context, place, writes),
    get: (place) =>
      onChecked(
        () => ({ threadId: threadIdOf(place.threadId), namespace: namespaceOf(place.namespace) }),
        async ({ threadId, namespace }) => {
          const found = await findPlace(context, threadId, namespace);
          if (!found.ok || !found.keys)
            return found.ok ? { ok: true as const, checkpoint: undefined } : found;
          const id = place.checkpointId ?? (await newestId(context, found.keys));
          if (typeof id === 'object') return id;
          if (id === undefined) return { ok: true as const, checkpoint: undefined };
          return readCheckpoint(engine, found.keys, { threadId, namespace, checkpointId: id });
        },
      ),
    list: (options) => list(context, options),
    prune: (threadId, keep) =>
      onChecked(
        () => ({ id: threadIdOf(threadId), kept: checkKeep(keep) }),
        ({ id, kept }) => pruneThread(context, id, kept),
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

async function put(context: TranscriptContext, input: NewCheckpoint): ReturnType<Checkpoints['put']> {
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
  };
  return engine.transact([threadKey(plan.threadName)], (view) => decidePutCheckpoint(view, plan));
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

/** Where a namespace's records lie; nowhere where there is no such thread. */
async function findPlace(
  { engine }: TranscriptContext,
  threadId: string,
  namespace: string,
): Promise<{ readonly ok: true; readonly keys: PlaceKeys | undefined } | Refused> {
  const read = await engine.read([threadKey(keyName(threadId))]);
  if (!read.ok) return read;
  const incarnation = read.values[0]?.incarnation;
  return {
    ok: true,
    keys: incarnation === undefined ? undefined : { incarnation, namespace: keyName(namespace) },
  };
}

async function newestId(
  { engine }: TranscriptContext,
  place: PlaceKeys,
): Promise<string | undefined | Refused> {
  const page = await engine.range<CheckpointRecord>({ ...checkpointsOf(place), limit: 1, reverse: true });
  if (!page.ok) return page;
  return page.entries[0]?.value.checkpointId;
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
  if (!threads.ok) {
    yield threads;
    return;
  }
  for (const { threadId, incarnation } of threads.found) {
    const namespaces = await readAll(context.engine, namespacesOf(incarnation));
    if (!namespaces.ok) {
      yield namespaces;
      return;
    }
    for (const { value } of namespaces.found) {
      if (wanted.namespace !== undefined && value.namespace !== wanted.namespace) continue;
      const keys = { incarnation, namespace: keyName(value.namespace) };
      yield* listNamespace(context, keys, threadId, value.namespace, options.before);
    }
  }
}

async function threadsOf(
  { engine }: TranscriptContext,
  threadId: string | undefined,
): Promise<
  | {
      readonly ok: true;
      readonly found: readonly { readonly threadId: string; readonly incarnation: string }[];
    }
  | Refused
> {
  if (threadId === undefined) {
    const all = await readAll(engine, allThreads);
    return all.ok ? { ok: true, found: all.found.map(({ value }) => value) } : all;
  }
  const one = await engine.read([threadKey(keyName(threadId))]);
  return one.ok ? { ok: true, found: one.values.filter((record) => record !== undefined) } : one;
}

async function* listNamespace(
  { engine }: TranscriptContext,
  keys: PlaceKeys,
  threadId: string,
  namespace: string,
  before: string | undefined,
): ReturnType<Checkpoints['list']> {
  const range: Range<CheckpointRecord> = checkpointsOf(keys);
  let end = before === undefined ? range.end : checkpointKey(keys, before);
  for (;;) {
    const page = await engine.range<CheckpointRecord>({
      start: range.start,
      end,
      limit: checkpointsPageMax,
      reverse: true,
      nameUnreadable: true,
    });
    if (!page.ok) {
      yield page;
      return;
    }
    for (const { key } of page.entries) {
      const read = await readCheckpoint(engine, keys, { threadId, namespace, checkpointId: lastPartOf(key) });
      if (!read.ok) {
        yield read;
        return;
      }
      // It was deleted since.
      if (read.checkpoint) yield { ok: true, checkpoint: read.checkpoint };
    }
    const last = page.entries.at(-1);
    if (!last || page.entries.length + page.unreadable.length < checkpointsPageMax) return;
    end = last.key;
  }
}

async function pruneThread(
  context: TranscriptContext,
  threadId: string,
  keep: number,
): ReturnType<Checkpoints['prune']> {
  const threads = await threadsOf(context, threadId);
  if (!threads.ok) return threads;
  let deleted = 0;
  for (const { incarnation } of threads.found) {
    const namespaces = await readAll(context.engine, namespacesOf(incarnation));
    if (!namespaces.ok) return namespaces;
    for (const { value } of namespaces.found) {
      const done = await pruneNamespace(
        context.engine,
        { incarnation, namespace: keyName(value.namespace) },
        keep,
      );
      if (!done.ok) return done;
      deleted += done.deleted;
    }
  }
  return { ok: true, deleted };
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
    view.insert(droppedKey(record.incarnation), schemaVersion);
    return { ok: true as const };
  });
  if (done.ok) context.collectSoon();
  return done;
}
