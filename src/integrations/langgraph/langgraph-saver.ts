import {
  BaseCheckpointSaver,
  type ChannelVersions,
  type Checkpoint,
  type CheckpointListOptions,
  type CheckpointMetadata,
  type CheckpointTuple,
  getCheckpointId,
  maxChannelVersion,
  type PendingWrite,
  type SerializerProtocol,
  TASKS,
  WRITES_IDX_MAP,
} from '@langchain/langgraph-checkpoint';
import type {
  CheckpointChannel,
  Checkpoints,
  NewCheckpoint,
  SavedCheckpoint,
} from '../../transcripts/checkpoint-types.js';
import type { Refusal, Refused } from '../../core/refusals.js';
import { deserialized, serialized } from './serialized-values.js';
import { isDeepStrictEqual } from 'node:util';
import type { Transcripts } from '../../transcripts/transcripts-face.js';

/** How {@link langGraphSaver} keeps checkpoints. */
export interface LangGraphSaverOptions {
  /**
   * How many of the newest checkpoints of a thread stay at least, with what they are built on and the graphs within them;
   * older ones are deleted now and then. All, unless said: then a thread grows with every step.
   */
  readonly keep?: number;
  /** LangGraph's serializer of values, unless said. */
  readonly serde?: SerializerProtocol;
}

/** What a saver rejects with where Ambit refused: LangGraph knows no refusals as values. */
export interface LangGraphSaverError extends Error {
  readonly refusal: Refusal;
}

/**
 * LangGraph's checkpoints on any backend: pending writes, channel deltas, and a checkpoint that is written whole or not at
 * all. A value is stored once, by the checkpoint that changed it, also where branches of a thread count to the same version.
 *
 * @throws TypeError where `transcripts` is not the `transcripts` of an open Ambit, and RangeError for a wrong option
 * @example
 * ```ts
 * import { openAmbit } from 'ambit';
 * import { langGraphSaver } from 'ambit/langgraph';
 *
 * const ambit = await openAmbit({ storage: 'sqlite:./threads.db' });
 * const checkpointer = langGraphSaver(ambit.transcripts, { keep: 100 });
 * // builder.compile({ checkpointer })
 * ```
 */
export function langGraphSaver(
  transcripts: Pick<Transcripts, 'checkpoints'>,
  options: LangGraphSaverOptions = {},
): BaseCheckpointSaver {
  const unknown = Object.keys(options).find((name) => name !== 'keep' && name !== 'serde');
  if (unknown !== undefined)
    throw new RangeError(`langGraphSaver: ${unknown} is no option of it; give keep or serde`);
  const { keep, serde } = options;
  if (typeof transcripts?.checkpoints?.put !== 'function')
    throw new TypeError(
      'langGraphSaver needs the transcripts of an open Ambit: langGraphSaver(ambit.transcripts)',
    );
  if (keep !== undefined && !(Number.isSafeInteger(keep) && keep >= 1))
    throw new RangeError(`langGraphSaver: keep is ${keep}; it must be a whole number from 1`);
  return new LangGraphSaver(transcripts.checkpoints, keep, serde);
}

/** LangGraph's configuration of a run, as far as a saver looks at it. */
type Config = Parameters<BaseCheckpointSaver['getTuple']>[0];

class LangGraphSaver extends BaseCheckpointSaver {
  readonly #checkpoints: Checkpoints;
  readonly #keep: number | undefined;

  constructor(checkpoints: Checkpoints, keep: number | undefined, serde: SerializerProtocol | undefined) {
    super(serde);
    this.#checkpoints = checkpoints;
    this.#keep = keep;
  }

  override async getTuple(config: Config): Promise<CheckpointTuple | undefined> {
    const threadId = fieldOf(config, 'thread_id');
    if (threadId === undefined) return undefined;
    const checkpointId = getCheckpointId(config);
    const { checkpoint } = granted(
      await this.#checkpoints.get({
        threadId,
        namespace: fieldOf(config, 'checkpoint_ns') ?? '',
        ...(checkpointId !== '' && { checkpointId }),
      }),
    );
    return checkpoint && this.#tupleOf(checkpoint);
  }

  override async *list(config: Config, options: CheckpointListOptions = {}): AsyncGenerator<CheckpointTuple> {
    const { before, limit = Number.POSITIVE_INFINITY, filter } = options;
    const threadId = fieldOf(config, 'thread_id');
    const namespace = fieldOf(config, 'checkpoint_ns');
    const checkpointId = fieldOf(config, 'checkpoint_id');
    const beforeId = before && getCheckpointId(before);
    const found = this.#checkpoints.list({
      ...(threadId !== undefined && { threadId }),
      ...(namespace !== undefined && { namespace }),
      ...(beforeId !== undefined && beforeId !== '' && { before: beforeId }),
    });
    let left = limit;
    if (left <= 0) return;
    for await (const answer of found) {
      const one = granted(answer);
      if (one.checkpoint === undefined) {
        // Who wants the newest of them must not be given an older one for it; in a history it is left out.
        const isWanted =
          checkpointId === undefined ? limit !== Infinity : checkpointId === one.damaged.checkpointId;
        if (isWanted) throw one.damaged.error;
        continue;
      }
      const { checkpoint } = one;
      if (checkpointId !== undefined && checkpoint.checkpointId !== checkpointId) continue;
      const metadata = (await deserialized(this.serde, checkpoint.metadata)) as Record<string, unknown>;
      const isWanted = Object.entries(filter ?? {}).every(([name, value]) =>
        isDeepStrictEqual(metadata[name], value),
      );
      if (!isWanted) continue;
      yield await this.#tupleOf(checkpoint);
      if (--left <= 0) return;
    }
  }

  override async put(
    config: Config,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    newVersions: ChannelVersions,
  ): Promise<Config> {
    const threadId = required(config, 'thread_id');
    const namespace = fieldOf(config, 'checkpoint_ns') ?? '';
    const parentId = getCheckpointId(config);
    const { channel_values: values, ...rest } = checkpoint;
    const changed = Object.keys(newVersions);
    // One that nothing was before has the values only that it came with; the copy of a first one has all of them.
    const isAdded = parentId !== '' || metadata.source === 'fork';
    const channelsWith = (given: ReadonlySet<string>): Promise<CheckpointChannel[]> =>
      Promise.all(
        Object.entries(checkpoint.channel_versions).map(async ([channel, version]) => {
          if (!Object.hasOwn(values, channel)) return { channel, version };
          if (!given.has(channel)) return { channel, version, ...(isAdded && { isUnchanged: true }) };
          return { channel, version, value: await serialized(this.serde, values[channel]) };
        }),
      );
    const kept = {
      threadId,
      namespace,
      checkpointId: checkpoint.id,
      ...(parentId !== '' && { parentId }),
      checkpoint: await serialized(this.serde, rest),
      metadata: await serialized(this.serde, metadata),
      emptied: changed.filter((channel) => !Object.hasOwn(values, channel)),
      ancestorsNeeded: ancestorsNeeded(checkpoint, metadata),
      partOf: stepOf(namespace, metadata),
    };
    const options = this.#keep === undefined ? {} : { keep: this.#keep };
    const given = new Set(changed);
    for (;;) {
      const channels = await channelsWith(given);
      const { missing } = granted(await this.#checkpoints.put({ ...kept, channels }, options));
      if (missing.length === 0) return configOf(threadId, namespace, checkpoint.id);
      // A copy of a checkpoint names as its parent one that need not hold its values; nor need one that was deleted since.
      for (const channel of missing) given.add(channel);
    }
  }

  override async putWrites(config: Config, writes: PendingWrite[], taskId: string): Promise<void> {
    const place = {
      threadId: required(config, 'thread_id'),
      namespace: fieldOf(config, 'checkpoint_ns') ?? '',
      checkpointId: required(config, 'checkpoint_id'),
    };
    const kept = writes.map(async ([channel, value], index) => ({
      taskId,
      index: Object.hasOwn(WRITES_IDX_MAP, channel) ? (WRITES_IDX_MAP[channel] ?? index) : index,
      channel,
      ...(await serialized(this.serde, value)),
    }));
    granted(await this.#checkpoints.putWrites(place, await Promise.all(kept)));
  }

  override async deleteThread(threadId: string): Promise<void> {
    granted(await this.#checkpoints.deleteThread(threadId));
  }

  async #tupleOf(saved: SavedCheckpoint): Promise<CheckpointTuple> {
    const { threadId, namespace, checkpointId, parentId } = saved;
    const checkpoint = (await deserialized(this.serde, saved.checkpoint)) as Checkpoint;
    const channels = saved.channels.map(
      async ({ channel, value }) => [channel, await deserialized(this.serde, value)] as const,
    );
    checkpoint.channel_values = Object.fromEntries(await Promise.all(channels));
    if (checkpoint.v < 4 && parentId !== undefined) await this.#addPendingSends(checkpoint, saved, parentId);
    const writes = saved.writes.map(async (write): Promise<[string, string, unknown]> => [
      write.taskId,
      write.channel,
      await deserialized(this.serde, write),
    ]);
    return {
      config: configOf(threadId, namespace, checkpointId),
      checkpoint,
      metadata: (await deserialized(this.serde, saved.metadata)) as CheckpointMetadata,
      pendingWrites: await Promise.all(writes),
      ...(parentId !== undefined && { parentConfig: configOf(threadId, namespace, parentId) }),
    };
  }

  /** Up to version 3 of its format, what a step sent was not in the checkpoint, but among its parent's writes. */
  async #addPendingSends(checkpoint: Checkpoint, { threadId, namespace }: SavedCheckpoint, parentId: string) {
    const found = granted(await this.#checkpoints.get({ threadId, namespace, checkpointId: parentId }));
    const sends = (found.checkpoint?.writes ?? []).filter(({ channel }) => channel === TASKS);
    checkpoint.channel_values[TASKS] = await Promise.all(sends.map((send) => deserialized(this.serde, send)));
    const versions = Object.values(checkpoint.channel_versions);
    checkpoint.channel_versions[TASKS] =
      versions.length > 0 ? maxChannelVersion(...versions) : this.getNextVersion(undefined);
  }
}

function configOf(threadId: string, namespace: string, checkpointId: string): Config {
  return { configurable: { thread_id: threadId, checkpoint_ns: namespace, checkpoint_id: checkpointId } };
}

function fieldOf(config: Config, name: string): string | undefined {
  const value: unknown = config.configurable?.[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw new TypeError(`langGraphSaver: configurable.${name} must be a string`);
  return value;
}

function required(config: Config, name: string): string {
  const value = fieldOf(config, name);
  if (value === undefined || value === '')
    throw new TypeError(
      `langGraphSaver: configurable.${name} is missing; say which thread a run belongs to: { configurable: { thread_id } }`,
    );
  return value;
}

/**
 * A channel of deltas is read from its last snapshot on: so many steps ago it was, or fewer checkpoints. Up to version 3 of
 * the format, a checkpoint is read with the writes of the one before.
 */
function ancestorsNeeded(checkpoint: Checkpoint, metadata: CheckpointMetadata): number {
  const steps = Object.values(metadata.counters_since_delta_snapshot ?? {}).map(
    ([, supersteps]) => supersteps + 1,
  );
  return Math.max(0, checkpoint.v < 4 ? 1 : 0, ...steps);
}

/**
 * The checkpoints whose step a graph within a graph belongs to, unless it goes on in later steps. LangGraph names the namespace
 * of a step after the task: `name:id`; without an id, it is that of all steps.
 */
function stepOf(
  namespace: string,
  { parents = {} }: Partial<CheckpointMetadata>,
): NonNullable<NewCheckpoint['partOf']> {
  if (!namespace.includes(':')) return [];
  return Object.entries(parents).flatMap(([outer, checkpointId]) =>
    outer === '' || namespace.startsWith(`${outer}|`) ? [{ namespace: outer, checkpointId }] : [],
  );
}

function granted<T extends { readonly ok: true }>(answer: T | Refused): T {
  if (answer.ok) return answer;
  const error = new Error(`langGraphSaver: ${answer.refusal.message}`) as LangGraphSaverError;
  throw Object.assign(error, { name: 'LangGraphSaverError', refusal: answer.refusal });
}
