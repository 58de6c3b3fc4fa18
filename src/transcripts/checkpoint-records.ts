import { encodeKey, type Key, keysBelow } from '../core/keys.js';
import type { CheckpointWrite } from './checkpoint-types.js';
import type { PiecesRef, Range } from './transcript-records.js';

/** Where a thread's records lie: another incarnation is another record. */
export interface ThreadRecord {
  readonly schema: number;
  readonly threadId: string;
  readonly incarnation: string;
}

/** Text of a framework's serializer, or where it lies. */
export interface StoredText {
  readonly type: string;
  readonly text?: string;
  readonly pieces?: PiecesRef;
}

/** A checkpoint without its values. */
export interface CheckpointRecord {
  readonly schema: number;
  readonly checkpointId: string;
  readonly parentId: string | null;
  readonly checkpoint: StoredText;
  readonly metadata: StoredText;
  /**
   * Its channels' values: of which version they are, and which checkpoint wrote them. Named by the one who wrote them, and not by their
   * version, since two branches of a thread count to the same version.
   */
  readonly values: readonly (readonly [channel: string, version: string | number, writer: string])[];
  readonly ancestorsNeeded: number;
  /** Where its own text lies in pieces: named for those who collect. */
  readonly pieceSets?: readonly string[];
}

/** The value that a checkpoint gave a channel. */
export interface ValueRecord extends StoredText {
  readonly schema: number;
}

export interface WriteRecord extends StoredText, Pick<CheckpointWrite, 'taskId' | 'index' | 'channel'> {
  readonly schema: number;
}

/** A namespace of a thread that holds checkpoints. */
export interface NamespaceRecord {
  readonly schema: number;
  readonly namespace: string;
}

/** A namespace of a thread, by the names it has in keys. */
export interface PlaceKeys {
  readonly incarnation: string;
  readonly namespace: string;
}

/** Where the places of writes begin, since those of special ones lie below zero and a key's numbers do not. */
const indexOffset = 64;

export const threadKey = (name: string): Key<ThreadRecord> => encodeKey(['checkpoint-thread', name]);
export const allThreads: Range<ThreadRecord> = keysBelow(['checkpoint-thread']) as Range<ThreadRecord>;
export const namespaceKey = ({ incarnation, namespace }: PlaceKeys): Key<NamespaceRecord> =>
  encodeKey(['checkpoint-namespace', incarnation, namespace]);
export const namespacesOf = (incarnation: string): Range<NamespaceRecord> =>
  keysBelow(['checkpoint-namespace', incarnation]) as Range<NamespaceRecord>;
export const checkpointKey = ({ incarnation, namespace }: PlaceKeys, id: string): Key<CheckpointRecord> =>
  encodeKey(['checkpoint', incarnation, namespace, id]);
export const checkpointsOf = ({ incarnation, namespace }: PlaceKeys): Range<CheckpointRecord> =>
  keysBelow(['checkpoint', incarnation, namespace]) as Range<CheckpointRecord>;
export const valueKey = (
  { incarnation, namespace }: PlaceKeys,
  id: string,
  channel: string,
): Key<ValueRecord> => encodeKey(['checkpoint-value', incarnation, namespace, id, channel]);
export const valuesOf = ({ incarnation, namespace }: PlaceKeys): Range<ValueRecord> =>
  keysBelow(['checkpoint-value', incarnation, namespace]) as Range<ValueRecord>;
export const writeKey = (
  { incarnation, namespace }: PlaceKeys,
  id: string,
  task: string,
  index: number,
): Key<WriteRecord> => encodeKey(['checkpoint-write', incarnation, namespace, id, task, index + indexOffset]);
export const writesOf = ({ incarnation, namespace }: PlaceKeys, id: string): Range<WriteRecord> =>
  keysBelow(['checkpoint-write', incarnation, namespace, id]) as Range<WriteRecord>;
/** Writes of all checkpoints of a namespace with a lower id. */
export const valuesBefore = (place: PlaceKeys, id: string): Range<ValueRecord> => ({
  start: valuesOf(place).start,
  end: encodeKey(['checkpoint-value', place.incarnation, place.namespace, id]),
});
