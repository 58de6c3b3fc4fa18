import { encodeKey, type Key, keysBelow } from '../core/keys.js';
import type { CheckpointWrite, NewCheckpoint } from './checkpoint-types.js';
import type { PiecesRef, Range } from './transcript-records.js';

/** Where a thread's records lie: another incarnation is another record. */
export interface ThreadRecord {
  readonly schema: number;
  readonly threadId: string;
  readonly incarnation: string;
  /** How many checkpoints are still to be put before old ones are looked for, by those who bound them. */
  readonly putsUntilPruning?: number;
}

/** Text of a framework's serializer, or where it lies. */
export interface StoredText {
  readonly type: string;
  readonly text?: string;
  readonly pieces?: PiecesRef;
}

/** What a checkpoint is without its values, and what is known about it. */
export interface CheckpointTexts {
  readonly checkpoint: StoredText;
  readonly metadata: StoredText;
}

/** A checkpoint without its values, and without its texts where they are long: who looks for old ones reads all of these. */
export interface CheckpointRecord extends Partial<CheckpointTexts>, Pick<NewCheckpoint, 'partOf'> {
  readonly schema: number;
  readonly checkpointId: string;
  readonly parentId: string | null;
  /**
   * Its channels' values: of which version they are, and which checkpoint wrote them. Named by the one who wrote them, and not by their
   * version, since two branches of a thread count to the same version.
   */
  readonly values: readonly (readonly [channel: string, version: string | number, writer: string])[];
  readonly ancestorsNeeded: number;
  /** Where its own text lies in pieces: named for those who collect. */
  readonly pieceSets?: readonly string[];
}

/** The texts of a checkpoint that are not in its record. */
export interface CheckpointTextsRecord extends CheckpointTexts {
  readonly schema: number;
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
  /** How often a checkpoint was put in it: who deletes what nobody refers to can tell whether somebody does since. */
  readonly puts?: number;
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
/** Where the texts of a checkpoint lie that are not in its record: beside its values, under what is no channel's name in keys. */
export const textKey = ({ incarnation, namespace }: PlaceKeys, id: string): Key<CheckpointTextsRecord> =>
  encodeKey(['checkpoint-value', incarnation, namespace, id, '#texts']);
export const writeKey = (
  { incarnation, namespace }: PlaceKeys,
  id: string,
  task: string,
  index: number,
): Key<WriteRecord> => encodeKey(['checkpoint-write', incarnation, namespace, id, task, index + indexOffset]);
export const writesOf = ({ incarnation, namespace }: PlaceKeys, id: string): Range<WriteRecord> =>
  keysBelow(['checkpoint-write', incarnation, namespace, id]) as Range<WriteRecord>;
export const writesIn = ({ incarnation, namespace }: PlaceKeys): Range<WriteRecord> =>
  keysBelow(['checkpoint-write', incarnation, namespace]) as Range<WriteRecord>;
/** Writes of all checkpoints of a namespace with a lower id. */
export const writesBelow = (place: PlaceKeys, id: string): Range<WriteRecord> => ({
  start: writesIn(place).start,
  end: encodeKey(['checkpoint-write', place.incarnation, place.namespace, id]),
});
