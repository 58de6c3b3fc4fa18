import {
  checkpointKey,
  type CheckpointRecord,
  type CheckpointTexts,
  type PlaceKeys,
  textKey,
  valueKey,
  writesOf,
} from './checkpoint-records.js';
import type {
  CheckpointPlace,
  CheckpointWrite,
  DamagedCheckpoint,
  FoundCheckpoint,
  SavedCheckpoint,
} from './checkpoint-types.js';
import { readAll, readValues, unreadable } from './record-pages.js';
import { AmbitError } from '../core/errors.js';
import type { Engine } from '../engine/engine.js';
import { isCheckpointRecord, isTextsRecord, isValueRecord, isWriteRecord } from './checkpoint-shapes.js';
import { keyName } from './checkpoint-names.js';
import { quoted } from '../core/text-rules.js';
import { readText } from './checkpoint-texts.js';
import { isRefused, type Refused } from '../core/refusals.js';

/** A part of a checkpoint that is not there, or is none. */
const isDamaged: unique symbol = Symbol('damaged');

/** A checkpoint with its values and writes; nothing where there is none. */
export async function readCheckpoint(
  engine: Engine,
  keys: PlaceKeys,
  place: CheckpointPlace,
): Promise<FoundCheckpoint | { readonly ok: true; readonly checkpoint: undefined } | Refused> {
  for (let tries = 1; ; tries++) {
    // Writes first: a checkpoint that is deleted goes before its writes, and is not found without them.
    const writes = await readWrites(engine, keys, place);
    if (isRefused(writes)) return writes;
    const read = await readValues(engine, [checkpointKey(keys, place.checkpointId)]);
    if (!read.ok) return read;
    const [record] = read.values;
    if (record === undefined) return { ok: true, checkpoint: undefined };
    if (record !== unreadable && isCheckpointRecord(record) && writes !== isDamaged) {
      const content = await readContent(engine, keys, record);
      if (isRefused(content)) return content;
      if (content !== isDamaged) return { ok: true, checkpoint: { ...place, ...content, writes } };
    }
    // It may have been deleted while it was read: then it is gone, and not damaged.
    if (tries > 1) return { ok: true, checkpoint: undefined, damaged: damaged(place) };
  }
}

async function readContent(
  engine: Engine,
  keys: PlaceKeys,
  record: CheckpointRecord,
): Promise<
  Pick<SavedCheckpoint, 'parentId' | keyof CheckpointTexts | 'channels'> | typeof isDamaged | Refused
> {
  const texts = await readTexts(engine, keys, record);
  if (texts === isDamaged || isRefused(texts)) return texts;
  const channels = await readChannels(engine, keys, record);
  if (channels === isDamaged || isRefused(channels)) return channels;
  return { ...(record.parentId !== null && { parentId: record.parentId }), ...texts, channels };
}

async function readTexts(
  engine: Engine,
  keys: PlaceKeys,
  record: CheckpointRecord,
): Promise<Pick<SavedCheckpoint, keyof CheckpointTexts> | typeof isDamaged | Refused> {
  let texts: Partial<CheckpointTexts> = record;
  if (record.checkpoint === undefined) {
    const read = await readValues(engine, [textKey(keys, record.checkpointId)]);
    if (!read.ok) return read;
    const [own] = read.values;
    if (own === unreadable || !isTextsRecord(own)) return isDamaged;
    texts = own;
  }
  const checkpoint = await readText(engine, texts.checkpoint);
  if (!checkpoint.ok) return checkpoint;
  const metadata = await readText(engine, texts.metadata);
  if (!metadata.ok) return metadata;
  if (!checkpoint.value || !metadata.value) return isDamaged;
  return { checkpoint: checkpoint.value, metadata: metadata.value };
}

async function readChannels(
  engine: Engine,
  keys: PlaceKeys,
  { values }: CheckpointRecord,
): Promise<SavedCheckpoint['channels'] | typeof isDamaged | Refused> {
  const read = await readValues(
    engine,
    values.map(([channel, , writer]) => valueKey(keys, writer, keyName(channel))),
  );
  if (!read.ok) return read;
  const channels: SavedCheckpoint['channels'][number][] = [];
  for (const [index, [channel, version]] of values.entries()) {
    const stored = read.values[index];
    if (stored === unreadable || !isValueRecord(stored)) return isDamaged;
    const text = await readText(engine, stored);
    if (!text.ok) return text;
    if (!text.value) return isDamaged;
    channels.push({ channel, version, value: text.value });
  }
  return channels;
}

async function readWrites(
  engine: Engine,
  keys: PlaceKeys,
  place: CheckpointPlace,
): Promise<readonly CheckpointWrite[] | typeof isDamaged | Refused> {
  const found = await readAll(engine, writesOf(keys, place.checkpointId));
  if (!found.ok) return found;
  if (found.unreadable.length > 0) return isDamaged;
  const writes: CheckpointWrite[] = [];
  for (const { value } of found.found) {
    if (!isWriteRecord(value)) return isDamaged;
    const text = await readText(engine, value);
    if (!text.ok) return text;
    if (!text.value) return isDamaged;
    const { taskId, index, channel } = value;
    writes.push({ taskId, index, channel, ...text.value });
  }
  return writes;
}

/** A run that went on from a part of its state would do harm: unlike a conversation, it is all or nothing. */
export function damaged(place: CheckpointPlace): DamagedCheckpoint {
  const what = `the checkpoint ${quoted(place.checkpointId)} of the thread ${quoted(place.threadId)}`;
  const error = new AmbitError('STORE_CORRUPT', `${what} is damaged; go on from the one before it`);
  return { ...place, error };
}
