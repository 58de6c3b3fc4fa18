import { crc32 } from 'node:zlib';

/**
 * The frame that everything in a journal or snapshot is written in: a header of 40 bytes, a text, and zeros up to the
 * next sector. All numbers are big-endian.
 *
 *     0  u32   CRC-32 of everything after it, to the end of the last sector
 *     4  u32   CRC-32 of bytes 8 to 39, so that a header can be told from anything else by itself
 *     8  8     the salt of the file
 *    16  f64   sequence number: one more than that of the frame before, also across journals
 *    24  f64   the last sequence number that was durable when this one was written
 *    32  u32   bytes of text
 *    36  u32   kind
 *    40        text
 */
export interface FrameHeader {
  readonly sequence: number;
  readonly durableSequence: number;
  readonly textBytes: number;
  readonly kind: FrameKind;
}

/**
 * 1: a group of writes, flushed before the next one; 2: the store was closed here; 3: records of a snapshot; 4: the end of a
 * snapshot; 5: a group of writes that was not flushed.
 */
export type FrameKind = 1 | 2 | 3 | 4 | 5;

export const groupFrame = 1;
export const closedFrame = 2;
export const recordsFrame = 3;
export const endFrame = 4;
export const unflushedFrame = 5;

/**
 * A disk writes a sector whole or not at all, and leaves others alone. Every frame begins in a sector of its own, so a
 * frame that is cut short by a power cut takes no acknowledged one with it.
 */
export const sectorBytes = 512;

export const frameHeaderBytes = 40;
export const saltOffset = 8;
export const saltBytes = 8;

export function framedBytes(textBytes: number): number {
  return Math.ceil((frameHeaderBytes + textBytes) / sectorBytes) * sectorBytes;
}

/** Makes frames in a buffer that it uses again. */
export class FrameMaker {
  readonly #salt: Buffer;
  #buffer = Buffer.alloc(64 * 1_024);

  constructor(salt: Buffer) {
    this.#salt = salt;
  }

  /** The frame, to be written before the next one is made. */
  make(text: string, header: Omit<FrameHeader, 'textBytes'>): Buffer {
    // A UTF-16 unit is at most 3 bytes of UTF-8.
    const bytesMax = framedBytes(text.length * 3);
    if (this.#buffer.length < bytesMax) this.#buffer = Buffer.alloc(bytesMax * 2);
    const buffer = this.#buffer;
    const textBytes = buffer.write(text, frameHeaderBytes, 'utf8');
    const total = framedBytes(textBytes);
    buffer.fill(0, frameHeaderBytes + textBytes, total);
    this.#salt.copy(buffer, saltOffset);
    buffer.writeDoubleBE(header.sequence, 16);
    buffer.writeDoubleBE(header.durableSequence, 24);
    buffer.writeUInt32BE(textBytes, 32);
    buffer.writeUInt32BE(header.kind, 36);
    buffer.writeUInt32BE(crc32(buffer.subarray(8, frameHeaderBytes)), 4);
    buffer.writeUInt32BE(crc32(buffer.subarray(4, total)), 0);
    const frame = buffer.subarray(0, total);
    // What one enormous group needed is not kept for ever.
    if (buffer.length > bufferBytesKept) this.#buffer = Buffer.alloc(64 * 1_024);
    return frame;
  }
}

const bufferBytesKept = 16 * 1_048_576;

/** The header at a place, if there is one that this file's store wrote; the rest of its frame may still be wrong. */
export function headerAt(buffer: Buffer, at: number, salt: Buffer): FrameHeader | undefined {
  if (at + frameHeaderBytes > buffer.length) return undefined;
  if (buffer.compare(salt, 0, saltBytes, at + saltOffset, at + saltOffset + saltBytes) !== 0)
    return undefined;
  if (buffer.readUInt32BE(at + 4) !== crc32(buffer.subarray(at + 8, at + frameHeaderBytes))) return undefined;
  const kind = buffer.readUInt32BE(at + 36);
  if (kind < groupFrame || kind > unflushedFrame) return undefined;
  return {
    sequence: buffer.readDoubleBE(at + 16),
    durableSequence: buffer.readDoubleBE(at + 24),
    textBytes: buffer.readUInt32BE(at + 32),
    kind: kind as FrameKind,
  };
}

/** Whether a frame, all of it in the buffer, is as it was written. */
export function isWhole(frame: Buffer): boolean {
  return frame.readUInt32BE(0) === crc32(frame.subarray(4));
}
