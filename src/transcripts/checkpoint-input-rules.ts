import type {
  CheckpointChannel,
  CheckpointPlace,
  CheckpointWrite,
  NewCheckpoint,
  SerializedValue,
} from './checkpoint-types.js';
import { checkpointDepthMax } from './checkpoint-limits.js';
import { checkpointEntriesMax, entryBytesMax, frameworkIdCharsMax } from './transcript-limits.js';
import { wholeOf, wrong } from '../core/input-rules.js';
import { objectOf, text } from './input-problem-rules.js';

/** What a framework names: any text, and the empty one where it may be. */
function nameOf(field: string, value: unknown, mayBeEmpty = false): string {
  if (value === '' && mayBeEmpty) return '';
  if (typeof value !== 'string') throw new TypeError(`${field} must be a string`);
  if (value === '') wrong(field, 'is empty');
  if (value.length > frameworkIdCharsMax) wrong(field, `is longer than ${frameworkIdCharsMax} characters`);
  if (!value.isWellFormed()) wrong(field, 'holds half of a surrogate pair');
  return value;
}

export const threadIdOf = (value: unknown): string => nameOf('threadId', value);

export function placeOf(input: object): CheckpointPlace {
  const { threadId, namespace, checkpointId } = objectOf('a checkpoint', input);
  return {
    threadId: threadIdOf(threadId),
    namespace: namespaceOf(namespace),
    checkpointId: checkpointIdOf(checkpointId),
  };
}

export const namespaceOf = (value: unknown): string => nameOf('namespace', value, true);

/** An id is a part of several keys as it is, since it is what they are ordered by. */
export const checkpointIdOf = (value: unknown): string => text('checkpointId', value, 128);

export function checkCheckpoint(input: NewCheckpoint): NewCheckpoint {
  const { parentId, checkpoint, metadata, channels, emptied = [], ancestorsNeeded, partOf = [] } = input;
  listOf('channels', channels);
  if (listOf('partOf', partOf).length > checkpointDepthMax)
    wrong('partOf', `are more than ${checkpointDepthMax}`);
  return {
    ...placeOf(input),
    ...(parentId !== undefined && { parentId: checkpointIdOf(parentId) }),
    checkpoint: valueOf('checkpoint', checkpoint),
    metadata: valueOf('metadata', metadata),
    channels: channels.map(channelOf),
    emptied: listOf('emptied', emptied).map((channel) => nameOf('emptied', channel)),
    ancestorsNeeded:
      ancestorsNeeded === undefined
        ? 0
        : wholeOf('ancestorsNeeded', ancestorsNeeded, 0, Number.MAX_SAFE_INTEGER),
    partOf: partOf.map((one) => {
      const { namespace, checkpointId } = objectOf('partOf', one);
      return { namespace: namespaceOf(namespace), checkpointId: checkpointIdOf(checkpointId) };
    }),
  };
}

function listOf(field: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError(`${field} must be an array`);
  if (value.length > checkpointEntriesMax) wrong(field, `are more than ${checkpointEntriesMax}`);
  return value as readonly unknown[];
}

function channelOf({ channel, version, value, isUnchanged }: CheckpointChannel): CheckpointChannel {
  if (typeof version !== 'string' && typeof version !== 'number')
    throw new TypeError('the version of a channel must be a number or a string');
  return {
    channel: nameOf('channel', channel),
    version,
    ...(value && { value: valueOf(`the value of ${channel}`, value) }),
    ...(isUnchanged === true && { isUnchanged }),
  };
}

function valueOf(field: string, value: SerializedValue): SerializedValue {
  const { type, text: content } = objectOf(field, value);
  if (typeof type !== 'string' || typeof content !== 'string')
    throw new TypeError(`${field} must have a type and a text`);
  if (content.length > entryBytesMax) wrong(field, `is longer than ${entryBytesMax} characters`);
  return { type, text: content };
}

export function checkWrites(input: readonly CheckpointWrite[]): readonly CheckpointWrite[] {
  listOf('writes', input);
  return input.map((write) => ({
    taskId: nameOf('taskId', write.taskId),
    index: wholeOf('index', write.index, -64, Number.MAX_SAFE_INTEGER - 64),
    channel: nameOf('channel', write.channel),
    ...valueOf(`a write to ${write.channel}`, write),
  }));
}

export const checkKeep = (value: unknown): number => wholeOf('keep', value, 1, Number.MAX_SAFE_INTEGER);
