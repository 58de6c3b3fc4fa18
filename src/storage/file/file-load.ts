import { type AmbitError } from '../storage.js';
import {
  closedFrame,
  endFrame,
  framedBytes,
  frameHeaderBytes,
  groupFrame,
  type FrameHeader,
  headerAt,
  recordsFrame,
  sectorBytes,
  unflushedFrame,
} from './file-frames.js';
import { type EntryReader, readEntries } from './file-entries.js';
import { type FileHeader, readHeader } from './file-header.js';
import { corrupt } from './file-errors.js';
import type { DiskFile } from './file-disk.js';
import { type FrameReader, readFrames, type Tail } from './file-reader.js';
import { isLeftOver, isRuinOfAnother, lacksPart, repairedHeader } from './file-remains.js';

/** What a snapshot held. */
export interface LoadedSnapshot {
  readonly header: FileHeader;
  readonly records: number;
  /** Groups up to this one may be in it, so the journals must hold them all. */
  readonly lastSequence: number;
  readonly bytes: number;
}

/**
 * Reads a snapshot. It was put under its name when it was whole and durable, so anything in it that is not as it was
 * written is damage.
 *
 * @throws AmbitError `STORE_CORRUPT`, with the offset
 */
export async function loadSnapshot(
  file: DiskFile,
  path: string,
  number: number,
  reader: EntryReader,
): Promise<LoadedSnapshot> {
  const header = await readHeader(file, path, 'snapshot', number);
  const frames = await readFrames(file, header.salt);
  let records = 0;
  for (let at = sectorBytes, sequence = 1; ; sequence++) {
    const frame = await frames.frameAt(at);
    if (frame === undefined || frame.header.sequence !== sequence)
      throw corrupt(path, at, 'a checksum is wrong, or records are missing');
    if (frame.header.kind === endFrame) {
      if (frame.end !== frames.length) throw corrupt(path, frame.end, 'it goes on after its end');
      const text = frame.text.toString('latin1');
      if (Number(text) !== records)
        throw corrupt(path, at, `it holds ${records} records and should hold ${text}`);
      return { header, records, lastSequence: frame.header.durableSequence, bytes: frames.length };
    }
    const count = frame.header.kind === recordsFrame ? readEntries(frame.text, reader) : undefined;
    if (count === undefined) throw corrupt(path, at, 'what it holds there is no list of records');
    records += count;
    at = frame.end;
  }
}

/** What a journal held. */
export interface LoadedJournal {
  readonly header: FileHeader;
  /** Where its frames end. */
  readonly position: number;
  /** Where the first frame begins that no later one says was durable. */
  readonly unprovenAt: number;
  readonly length: number;
  /** Of its last frame; one less than its first where it has none. */
  readonly lastSequence: number;
  readonly groups: number;
  /** Whether its last frame says that it was closed there. */
  readonly closed: boolean;
  /** Where what is no whole frame begins, if it is the remains of a group that was not acknowledged. */
  readonly tornAt: number | undefined;
}

/** What the other files of a store say of a journal. */
export interface JournalBounds {
  /** Groups up to this one were durable: a journal that ends before is damaged. */
  readonly atLeastTo: number;
  /** The journal after it begins with the next one: whatever else lies in this one was never acknowledged. */
  readonly endsWith: number | undefined;
}

/**
 * Reads a journal. What is no whole frame ends it. That is as it should be for zeros, and for the remains of the last
 * group, if the power was cut while it was written. It is damage where something tells that the group had been durable: a
 * frame behind it that was written after that, a snapshot, or the next journal.
 *
 * @throws AmbitError `STORE_CORRUPT`, with the offset
 */
export async function loadJournal(
  file: DiskFile,
  path: string,
  header: FileHeader,
  bounds: JournalBounds,
  reader: EntryReader,
): Promise<LoadedJournal> {
  const frames = await readFrames(file, header.salt);
  const last = bounds.endsWith ?? Number.MAX_SAFE_INTEGER;
  let at = sectorBytes;
  let sequence = header.firstSequence;
  let groups = 0;
  let closed = false;
  // Frames that are not known to be durable: one at most, if every group was flushed.
  let unproven: { sequence: number; at: number }[] = [];
  while (sequence <= last) {
    const frame = await frames.frameAt(at);
    if (frame === undefined || frame.header.sequence !== sequence) break;
    const { kind } = frame.header;
    if (kind === groupFrame || kind === unflushedFrame) {
      if (readEntries(frame.text, reader) === undefined)
        throw corrupt(path, at, 'what it holds there is no list of changes');
      groups++;
    } else if (kind !== closedFrame) {
      throw corrupt(path, at, 'it holds there what belongs into a snapshot');
    }
    closed = kind === closedFrame;
    const { durableSequence } = frame.header;
    if (unproven[0] && unproven[0].sequence <= durableSequence)
      unproven = unproven.filter((one) => one.sequence > durableSequence);
    unproven.push({ sequence, at });
    at = frame.end;
    sequence++;
  }
  const found = {
    header,
    position: at,
    unprovenAt: unproven[0]?.at ?? at,
    length: frames.length,
    lastSequence: sequence - 1,
    groups,
    closed,
  };
  // One sector more than is written was always there before anything was.
  if (at + sectorBytes > frames.length) throw corrupt(path, at, 'the file was cut short');
  if (sequence <= bounds.atLeastTo || (bounds.endsWith !== undefined && sequence <= bounds.endsWith))
    throw acknowledgedLost(path, at);
  // The journal that came after says where this one ends; without a mark of that here it ended in a failure.
  if (bounds.endsWith !== undefined && !closed) return { ...found, tornAt: undefined };
  const tornAt = await remainsAt(frames, path, header.salt, at, sequence);
  // A store that was closed and opened again may have failed with its next group, and gone on in the next journal: what is
  // left of that group here was not acknowledged, and need not be cut, since nothing is written here any more.
  return { ...found, tornAt: bounds.endsWith === undefined ? tornAt : undefined };
}

/**
 * Where the remains of a group begin that was being written when its process or the power went; undefined if there are
 * none. A sector is written whole or not at all, so remains look like a group with parts of it missing, and like nothing
 * else: with a flush after every group there are those of one group only.
 *
 * @throws AmbitError `STORE_CORRUPT` if what is there is anything else
 */
async function remainsAt(
  frames: FrameReader,
  path: string,
  salt: Buffer,
  at: number,
  sequence: number,
): Promise<number | undefined> {
  const tail = await frames.tailFrom(at, (behind, one, oneAt) =>
    behind === undefined
      ? oneAt > at && isRuinOfAnother(one, salt, sequence)
      : behind.durableSequence >= sequence || behind.sequence < sequence,
  );
  if (tail.proofAt !== undefined) throw acknowledgedLost(path, at);
  if (tail.dirtyAt === undefined) return undefined;
  // Remains neither: see above.
  if (tail.dirtyEnd + sectorBytes > frames.length) throw corrupt(path, at, 'the file was cut short');
  const sector = await frames.bytesAt(at, sectorBytes);
  const whole = headerAt(sector, 0, salt);
  const first = whole ?? repairedHeader(sector, salt, sequence);
  const fits =
    first === undefined
      ? isLeftOver(sector, salt, sequence)
      : first.sequence === sequence &&
        (tail.dirtyEnd <= at + framedBytes(first.textBytes) ||
          (whole !== undefined && (await isTornUnflushed(frames, at, tail, whole))));
  if (!fits) throw corrupt(path, at, 'what is there is not what a crash leaves of the last group');
  return tail.dirtyAt;
}

/**
 * Whether a group that was not flushed, and that others follow, lacks a part: a power cut takes what it likes of all that
 * was not flushed. A group that is all there, but wrong, was damaged instead.
 */
async function isTornUnflushed(
  frames: FrameReader,
  at: number,
  tail: Tail,
  { kind, textBytes }: FrameHeader,
): Promise<boolean> {
  if (kind !== unflushedFrame) return false;
  const end = Math.min(frameHeaderBytes + textBytes, tail.dirtyEnd - at);
  const frame = await frames.bytesAt(at, end);
  for (let from = frameHeaderBytes; from < end; from = nextSector(from))
    if (lacksPart(frame.subarray(from, Math.min(nextSector(from), end)))) return true;
  return false;
}

function nextSector(at: number): number {
  return (Math.floor(at / sectorBytes) + 1) * sectorBytes;
}

function acknowledgedLost(path: string, at: number): AmbitError {
  return corrupt(path, at, 'a checksum is wrong, and what is damaged had been acknowledged');
}
