import type { Delete, Key, Put, Version } from '../storage.js';

/**
 * Writes as text, a few lines each: a key holds no line feed, nor does a version, and JSON escapes it.
 *
 *     +KEY \n VERSION \n EXPIRY \n VALUE \n     a record as it is from here on; EXPIRY is empty where there is none
 *     -KEY \n                                   no record from here on
 */
export function entryOf(write: Put | Delete, text: string): string {
  if (write.kind === 'delete') return `-${write.key}\n`;
  return recordEntry(write.key, write.version, write.expiresAtMs, text);
}

export function recordEntry(
  key: Key,
  version: Version,
  expiresAtMs: number | undefined,
  text: string,
): string {
  return `+${key}\n${version}\n${expiresAtMs === undefined ? '' : expiresAtMs}\n${text}\n`;
}

/** A value's text on one line: JSON that somebody else laid out over several lines means the same on one. */
export function oneLine(text: string): string {
  return text.includes('\n') ? JSON.stringify(JSON.parse(text)) : text;
}

/** Who is told of each entry, in order. */
export interface EntryReader {
  put(key: Key, version: Version, expiresAtMs: number | undefined, text: string): void;
  remove(key: Key): void;
}

const lineFeed = 0x0a;
const plus = 0x2b;
const minus = 0x2d;

/**
 * Reads the entries of a frame whose checksum was right.
 *
 * @returns how many there were; undefined if this is not what {@link entryOf} makes
 */
export function readEntries(bytes: Buffer, reader: EntryReader): number | undefined {
  let at = 0;
  let count = 0;

  /** The next line; the fields are looked for by hand, since a million records are to be read in seconds. */
  function line(): string | undefined {
    const start = at;
    let seen = 0;
    while (at < bytes.length) {
      const byte = bytes[at++] as number;
      // Most lines are ASCII, which is read several times as fast.
      if (byte === lineFeed) return bytes.toString(seen < 0x80 ? 'latin1' : 'utf8', start, at - 1);
      seen |= byte;
    }
    return undefined;
  }

  while (at < bytes.length) {
    const sign = bytes[at++];
    const key = line() as Key | undefined;
    if (key === undefined) return undefined;
    if (sign === minus) {
      reader.remove(key);
    } else {
      const [version, expiry, text] = [line(), line(), line()];
      if (sign !== plus || version === undefined || expiry === undefined || text === undefined)
        return undefined;
      reader.put(key, version, expiry === '' ? undefined : Number(expiry), text);
    }
    count++;
  }
  return count;
}
