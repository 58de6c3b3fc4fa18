import { AmbitError } from '../storage.js';
import { corrupt, removingManifest, shown } from './file-errors.js';
import { crc32 } from 'node:zlib';
import type { DiskFile } from './file-disk.js';
import type { FileKind } from './file-names.js';
import { randomBytes } from 'node:crypto';
import { saltBytes, sectorBytes } from './file-frames.js';

/** The first sector of every file: what it is, in words that a person can read. */
export interface FileHeader {
  readonly kind: FileKind | 'manifest';
  /** Of this file; in a manifest, of the newest journal. */
  readonly number: number;
  /**
   * The sequence number of the first group that is written after this file was begun: the journal before it ends just
   * before, whatever else lies in it.
   */
  readonly firstSequence: number;
  /** Which store it belongs to: files of two stores in one directory are noticed. */
  readonly storeId: string;
  /** Drawn for each file, and part of every frame in it: no value that a caller stores can look like a frame. */
  readonly salt: Buffer;
}

/** The version of the layout of journals and snapshots. A program that knows only older ones refuses the store. */
export const formatVersion = 1;

const crcDigits = 8;

export function newHeader(header: Omit<FileHeader, 'salt'>): FileHeader {
  return { ...header, salt: randomBytes(saltBytes) };
}

export function encodeHeader(header: FileHeader, format: number = formatVersion): Buffer {
  const { kind, number, firstSequence, storeId, salt } = header;
  const words = JSON.stringify({
    ambit: kind,
    format,
    number,
    firstSequence,
    store: storeId,
    salt: salt.toString('hex'),
  });
  const text = `${words.padEnd(sectorBytes - crcDigits - 2)}\n`;
  return Buffer.from(`${text}${crc32(text).toString(16).padStart(crcDigits, '0')}\n`, 'latin1');
}

/**
 * Reads and checks the first sector.
 *
 * @param number what the file's name says, if it says one
 * @throws AmbitError `STORE_CORRUPT`, `STORE_SCHEMA_TOO_NEW`
 */
export async function readHeader(
  file: DiskFile,
  path: string,
  kind: FileHeader['kind'],
  number?: number,
): Promise<FileHeader> {
  const damaged = (problem: string): AmbitError =>
    corrupt(path, 0, problem, kind === 'manifest' ? removingManifest : undefined);
  const sector = Buffer.alloc(sectorBytes);
  if ((await file.read(sector, 0)) < sectorBytes) throw damaged('it ends within its header');
  const text = sector.toString('latin1', 0, sectorBytes - crcDigits - 1);
  const found = sector.toString('latin1', sectorBytes - crcDigits - 1);
  if (found !== `${crc32(text).toString(16).padStart(crcDigits, '0')}\n`)
    throw damaged('its header is damaged, or it is not a file of Ambit');
  const words = JSON.parse(text) as Record<string, unknown>;
  const { ambit, format, number: own, firstSequence, store, salt } = words;
  if (typeof format === 'number' && format > formatVersion) {
    throw new AmbitError(
      'STORE_SCHEMA_TOO_NEW',
      `file: ${shown(path)} is of format ${format}, written by a newer Ambit, and this one knows up to ${formatVersion}; update Ambit`,
    );
  }
  // A file that was copied over another one, or renamed.
  if (ambit !== kind || (number !== undefined && own !== number))
    throw damaged(
      `its header says it is ${String(ambit)} ${String(own)}, and its name says ${kind} ${number ?? ''}`.trimEnd(),
    );
  if (
    typeof own !== 'number' ||
    typeof firstSequence !== 'number' ||
    typeof store !== 'string' ||
    typeof salt !== 'string'
  )
    throw damaged('its header lacks what this version writes');
  return { kind, number: own, firstSequence, storeId: store, salt: Buffer.from(salt, 'hex') };
}
