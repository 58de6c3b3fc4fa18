import { crc32 } from 'node:zlib';
import { frameHeaderBytes, type FrameHeader, headerAt, saltBytes, saltOffset } from './file-frames.js';

/**
 * What a crash leaves of a frame, told from damage. A sector is written whole or not at all, and what was never written is
 * zero; a process that ends within a write, of a frame or of the zeros that take one away, has done the beginning of it.
 * Nothing else is left by a crash.
 */
export function isLeftOver(sector: Buffer, salt: Buffer, sequence?: number): boolean {
  const first = sector.findIndex((byte) => byte !== 0);
  if (first === -1) return true;
  const last = sector.findLastIndex((byte) => byte !== 0);
  const begun = last < frameHeaderBytes && isAsExpected(sector, salt, sequence, 0, last + 1);
  // Zeros that end within the first checksum leave a header that is whole.
  const erased = first > 4 && isAsExpected(sector, salt, sequence, first, frameHeaderBytes);
  return begun || erased;
}

/** Whether text that lies in one sector was not written, or not all of it: text has no zeros. */
export function lacksPart(text: Buffer): boolean {
  const first = text.findIndex((byte) => byte !== 0);
  if (first === -1) return true;
  const behind = text.length - 1 - text.findLastIndex((byte) => byte !== 0);
  return Math.max(first, behind) >= zerosMin;
}

/** Fewer may be bytes that were changed. */
const zerosMin = 8;

/** Compares what is known of a header beforehand: the salt, the sequence number if it is given, zeros above the kind. */
function isAsExpected(
  sector: Buffer,
  salt: Buffer,
  sequence: number | undefined,
  from: number,
  to: number,
): boolean {
  const expected = Buffer.from(sector.subarray(0, frameHeaderBytes));
  salt.copy(expected, saltOffset);
  if (sequence !== undefined) expected.writeDoubleBE(sequence, 16);
  expected.fill(0, 36, 39);
  for (let at = from; at < to; at++) if (sector[at] !== expected[at]) return false;
  return true;
}

/**
 * Whether a sector that has no whole header shows all the same that a frame began there which was written once the group of
 * this number was durable, or that was damaged: then more than the last group is in ruins. What callers store does not look
 * like the salt, which is random.
 */
export function isRuinOfAnother(sector: Buffer, salt: Buffer, sequence: number): boolean {
  if (sector.length < frameHeaderBytes) return false;
  let alike = 0;
  for (let at = 0; at < saltBytes; at++) if (sector[saltOffset + at] === salt[at]) alike++;
  if (alike < saltBytesAlikeMin) return false;
  return !isLeftOver(sector, salt) || sector.readDoubleBE(24) >= sequence;
}

/** Fewer, and a text would be taken for a header once in a few million sectors; more, and few damaged bytes would hide one. */
const saltBytesAlikeMin = 4;

/** The header that was written in this place, if a single byte of it was changed since. */
export function repairedHeader(sector: Buffer, salt: Buffer, sequence: number): FrameHeader | undefined {
  const tried = Buffer.from(sector.subarray(0, frameHeaderBytes));
  if (tried.length < frameHeaderBytes) return undefined;
  for (let at = 4; at < frameHeaderBytes; at++) {
    const found = tried[at] as number;
    for (let byte = 0; byte < 256; byte++) {
      tried[at] = byte;
      if (tried.readUInt32BE(4) !== crc32(tried.subarray(8))) continue;
      const header = headerAt(tried, 0, salt);
      if (header?.sequence === sequence) return header;
    }
    tried[at] = found;
  }
  return undefined;
}
