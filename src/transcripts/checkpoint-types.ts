import type { AmbitError } from '../core/errors.js';
import type { Refused } from '../core/refusals.js';

/** Something that a framework wrote with its own serializer. */
export interface SerializedValue {
  /** The serializer's name of its kind. */
  readonly type: string;
  /** Its text, or base64 of its bytes: the framework knows which. */
  readonly text: string;
}

/** A channel, the version it has, and its value where that is kept. */
export interface CheckpointChannel {
  readonly channel: string;
  readonly version: string | number;
  readonly value?: SerializedValue;
  /** It has a value, which is left out here since it is to be that of the parent. */
  readonly isUnchanged?: boolean;
}

/** Which checkpoint: of a thread, and of a graph within it. */
export interface CheckpointPlace {
  readonly threadId: string;
  /** Of a graph within a graph; `''` for the outermost. */
  readonly namespace: string;
  readonly checkpointId: string;
}

/** A checkpoint to keep. */
export interface NewCheckpoint extends CheckpointPlace {
  readonly parentId?: string;
  /** The checkpoint without the values of its channels. */
  readonly checkpoint: SerializedValue;
  readonly metadata: SerializedValue;
  /**
   * Its channels: with a value those that changed, without one those that did not, whose value its parent has where that
   * has the same version of the channel. Where it has not, those marked as unchanged are missing, and the others have none.
   */
  readonly channels: readonly CheckpointChannel[];
  /** Channels that changed and have no value now: of those, none is taken over from the parent. */
  readonly emptied?: readonly string[];
  /** How many of its ancestors it cannot be read without, since they hold what it adds to. */
  readonly ancestorsNeeded?: number;
  /**
   * Where its namespace is of one step only: the checkpoints of the graphs around it that this step belongs to. Once one of
   * them is deleted as too old, nobody can go on from this one, and it goes too.
   */
  readonly partOf?: readonly Pick<CheckpointPlace, 'namespace' | 'checkpointId'>[];
}

/** A write of a task that waits for a checkpoint's next step. */
export interface CheckpointWrite extends SerializedValue {
  readonly taskId: string;
  /** Its place among those of the task; one below zero replaces what was there before. */
  readonly index: number;
  readonly channel: string;
}

/** A checkpoint as it is kept. */
export interface SavedCheckpoint extends CheckpointPlace {
  readonly parentId?: string;
  readonly checkpoint: SerializedValue;
  readonly metadata: SerializedValue;
  /** The channels that have a value. */
  readonly channels: readonly (CheckpointChannel & { readonly value: SerializedValue })[];
  /** In the order of their tasks, and within a task of their places. */
  readonly writes: readonly CheckpointWrite[];
}

/** A checkpoint of which something cannot be read, and what to say of it. */
export interface DamagedCheckpoint extends CheckpointPlace {
  readonly error: AmbitError;
}

/** What is found where a checkpoint is looked for. */
export type FoundCheckpoint =
  | { readonly ok: true; readonly checkpoint: SavedCheckpoint }
  | { readonly ok: true; readonly checkpoint: undefined; readonly damaged: DamagedCheckpoint };

/** Which checkpoints to list. */
export interface CheckpointListOptions {
  readonly threadId?: string;
  readonly namespace?: string;
  /** Only those with a lower id. */
  readonly before?: string;
}

type CheckpointAnswer<T> = Promise<({ readonly ok: true } & T) | Refused>;

/** Checkpoints of threads, on any store: what the savers of graph frameworks stand on. */
export interface Checkpoints {
  /**
   * Keeps a checkpoint, in one transaction. With `keep`, older ones of its thread are deleted now and then, as `prune` does:
   * if that fails, the checkpoint is kept all the same, and they are deleted later. Where it answers with channels that are
   * missing, it has kept nothing: put it again with the values of those.
   */
  put(
    checkpoint: NewCheckpoint,
    options?: { readonly keep?: number },
  ): CheckpointAnswer<{ readonly missing: readonly string[] }>;
  /** Keeps writes of a task, all or none; one that is there stays as it is, but for those below zero. */
  putWrites(place: CheckpointPlace, writes: readonly CheckpointWrite[]): CheckpointAnswer<object>;
  /** A checkpoint, or the newest one. */
  get(place: {
    readonly threadId: string;
    readonly namespace: string;
    readonly checkpointId?: string;
  }): CheckpointAnswer<{ checkpoint: SavedCheckpoint | undefined }>;
  /** Checkpoints, newest first within a thread and namespace; one that is damaged hides no other. A refusal ends it. */
  list(options?: CheckpointListOptions): AsyncGenerator<FoundCheckpoint | Refused, void>;
  /**
   * Deletes old checkpoints of a thread: the newest `keep` of each namespace are left, and what they need; of a namespace that is
   * of one step, nothing is left once that step's checkpoint is gone. What is being written to meanwhile may be left as well.
   */
  prune(threadId: string, keep: number): CheckpointAnswer<{ deleted: number }>;
  /** Deletes a thread: at once, with everything under it. */
  deleteThread(threadId: string): CheckpointAnswer<object>;
}
