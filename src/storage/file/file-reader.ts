import {
  type FrameHeader,
  framedBytes,
  frameHeaderBytes,
  headerAt,
  isWhole,
  sectorBytes,
} from './file-frames.js';
import type { DiskFile } from './file-disk.js';

/** Read at once: a file of a gigabyte is not held in memory twice. */
const windowBytes = 4 * 1_048_576;

export interface Frame {
  readonly header: FrameHeader;
  readonly text: Buffer;
  /** Where the frame after it would be. */
  readonly end: number;
}

/** What lies behind the last frame of a file. */
export interface Tail {
  /** The first byte that is not zero. */
  readonly dirtyAt: number | undefined;
  /** The end of the last sector that is not zero. */
  readonly dirtyEnd: number;
  /** The first sector that `proves` said something of. */
  readonly proofAt: number | undefined;
}

/** Reads the frames of a file from front to back. */
export interface FrameReader {
  readonly length: number;
  /** So many bytes, or what there is of them. */
  bytesAt(at: number, bytes: number): Promise<Buffer>;
  /** The whole frame that begins there, if there is one. */
  frameAt(at: number): Promise<Frame | undefined>;
  /** @param proves is asked of each sector that is not zero, with the header in it if there is one that is whole in itself */
  tailFrom(
    at: number,
    proves: (header: FrameHeader | undefined, sector: Buffer, at: number) => boolean,
  ): Promise<Tail>;
}

export async function readFrames(file: DiskFile, salt: Buffer): Promise<FrameReader> {
  const length = await file.length();
  let buffer = Buffer.allocUnsafe(windowBytes);
  let start = 0;
  let filled = 0;

  /** The bytes from `at` on, at least so many unless the file ends before. */
  async function bytesAt(at: number, bytes: number): Promise<Buffer> {
    if (at >= start && at + bytes <= start + filled) return buffer.subarray(at - start, filled);
    if (bytes > buffer.length) buffer = Buffer.allocUnsafe(bytes);
    else if (buffer.length > windowBytes && bytes <= windowBytes) buffer = Buffer.allocUnsafe(windowBytes);
    start = at;
    filled = await file.read(buffer, at);
    return buffer.subarray(0, filled);
  }

  return {
    length,
    bytesAt: async (at, bytes) => (await bytesAt(at, bytes)).subarray(0, bytes),
    async frameAt(at) {
      const head = await bytesAt(at, Math.min(sectorBytes, Math.max(0, length - at)));
      const header = headerAt(head, 0, salt);
      if (header === undefined) return undefined;
      const total = framedBytes(header.textBytes);
      if (at + total > length) return undefined;
      const bytes = (await bytesAt(at, total)).subarray(0, total);
      if (bytes.length < total || !isWhole(bytes)) return undefined;
      const text = bytes.subarray(frameHeaderBytes, frameHeaderBytes + header.textBytes);
      return { header, text, end: at + total };
    },
    async tailFrom(from, proves) {
      let dirtyAt: number | undefined;
      let dirtyEnd = from;
      for (let at = from; at < length;) {
        const bytes = await bytesAt(at, Math.min(windowBytes, length - at));
        if (bytes.length === 0) break;
        for (let offset = 0; offset < bytes.length; offset += sectorBytes) {
          const sector = bytes.subarray(offset, offset + sectorBytes);
          if (isZero(sector)) continue;
          dirtyAt ??= at + offset + sector.findIndex((byte) => byte !== 0);
          dirtyEnd = at + offset + sector.length;
          const header = headerAt(bytes, offset, salt);
          if (proves(header, sector, at + offset)) return { dirtyAt, dirtyEnd, proofAt: at + offset };
        }
        at += bytes.length;
      }
      return { dirtyAt, dirtyEnd, proofAt: undefined };
    },
  };
}

const zeros = Buffer.alloc(sectorBytes);

function isZero(sector: Buffer): boolean {
  return sector.equals(sector.length === sectorBytes ? zeros : zeros.subarray(0, sector.length));
}
