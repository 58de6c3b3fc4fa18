import {
  checkpointKey,
  type CheckpointRecord,
  type PlaceKeys,
  valueKey,
  writesOf,
} from './checkpoint-records.js';
import type { CheckpointPlace, CheckpointWrite, SavedCheckpoint } from './checkpoint-types.js';
import { readAll, readValues, unreadable } from './record-pages.js';
import { AmbitError } from '../core/errors.js';
import type { Engine } from '../engine/engine.js';
import { keyName } from './checkpoint-names.js';
import { checkpointShape, problemOf } from './record-shapes.js';
import { quoted } from '../core/text-rules.js';
import { readText } from './checkpoint-texts.js';
import type { Refused } from '../core/refusals.js';

type Read = { readonly ok: true; readonly checkpoint: SavedCheckpoint | undefined };

/** A checkpoint with its values and writes. */
export async function readCheckpoint(
  engine: Engine,
  keys: PlaceKeys,
  place: CheckpointPlace,
): Promise<Read | Refused> {
  const read = await readValues(engine, [checkpointKey(keys, place.checkpointId)]);
  if (!read.ok) return read;
  const [record] = read.values;
  if (record === undefined) return { ok: true, checkpoint: undefined };
  if (record === unreadable || problemOf(record, checkpointShape) !== undefined) throw damaged(place);
  const checkpoint = await readText(engine, record.checkpoint);
  if (!checkpoint.ok) return checkpoint;
  const metadata = await readText(engine, record.metadata);
  if (!metadata.ok) return metadata;
  if (!checkpoint.value || !metadata.value) throw damaged(place);
  const channels = await readChannels(engine, keys, record, place);
  if (!channels.ok) return channels;
  const writes = await readWrites(engine, keys, place);
  if (!writes.ok) return writes;
  return {
    ok: true,
    checkpoint: {
      ...place,
      ...(record.parentId !== null && { parentId: record.parentId }),
      checkpoint: checkpoint.value,
      metadata: metadata.value,
      channels: channels.channels,
      writes: writes.writes,
    },
  };
}

async function readChannels(
  engine: Engine,
  keys: PlaceKeys,
  { values }: CheckpointRecord,
  place: CheckpointPlace,
): Promise<{ readonly ok: true; readonly channels: SavedCheckpoint['channels'] } | Refused> {
  const read = await readValues(
    engine,
    values.map(([channel, , writer]) => valueKey(keys, writer, keyName(channel))),
  );
  if (!read.ok) return read;
  const channels: SavedCheckpoint['channels'][number][] = [];
  for (const [index, [channel, version]] of values.entries()) {
    const stored = read.values[index];
    if (stored === undefined || stored === unreadable) throw damaged(place);
    const text = await readText(engine, stored);
    if (!text.ok) return text;
    if (!text.value) throw damaged(place);
    channels.push({ channel, version, value: text.value });
  }
  return { ok: true, channels };
}

async function readWrites(
  engine: Engine,
  keys: PlaceKeys,
  place: CheckpointPlace,
): Promise<{ readonly ok: true; readonly writes: readonly CheckpointWrite[] } | Refused> {
  const found = await readAll(engine, writesOf(keys, place.checkpointId));
  if (!found.ok) return found;
  if (found.unreadable.length > 0) throw damaged(place);
  const writes: CheckpointWrite[] = [];
  for (const { value } of found.found) {
    const text = await readText(engine, value);
    if (!text.ok) return text;
    if (!text.value) throw damaged(place);
    const { taskId, index, channel } = value;
    writes.push({ taskId, index, channel, ...text.value });
  }
  return { ok: true, writes };
}

/** A run that went on from a part of its state would do harm: unlike a conversation, it is all or nothing. */
function damaged({ threadId, checkpointId }: CheckpointPlace): AmbitError {
  const what = `the checkpoint ${quoted(checkpointId)} of the thread ${quoted(threadId)}`;
  return new AmbitError('STORE_CORRUPT', `${what} is damaged; go on from the one before it`);
}
