import { AmbitError } from './errors.js';
import { keyBytesMax } from './limits.js';

declare const recordType: unique symbol;

/** The encoded form of a tuple, with the type of the record that lies under it. Made by {@link encodeKey} only. */
export type Key<T = unknown> = string & { readonly [recordType]: T };

/** One part of a key: a well-formed string, or a safe integer >= 0. */
export type KeyPart = string | number;

/**
 * Encodes a tuple as a string that sorts by code point as the tuple sorts part by part: numbers by size and before
 * strings, strings by code point, a tuple before those it begins. (FoundationDB's tuple layer, with printable
 * characters.)
 *
 * A part is `$` + text or `#` + digit count + digits, and ends with a space. Inside text the characters up to `!`
 * (the only ones that do not sort after the space) become `!` and the character 0x40 above, so an encoding holds no
 * control character, and a person can still read it: `$task $0198… `.
 *
 * @param parts well-formed strings and safe integers >= 0
 * @returns at most 2,048 bytes of UTF-8
 * @throws AmbitError `INVALID_INPUT` for an ill-formed string, a number out of range, or a key too long
 * @example
 * ```ts
 * import { encodeKey } from 'ambit/storage';
 * encodeKey(['task', 'a b']); // '$task $a!`b '
 * ```
 */
export function encodeKey<T>(parts: readonly KeyPart[]): Key<T> {
  let encoded = '';
  for (const part of parts) encoded += typeof part === 'string' ? encodeText(part) : encodeNumber(part);
  // A UTF-16 unit is at most 3 bytes of UTF-8, so only long keys need counting.
  if (encoded.length * 3 > keyBytesMax && utf8Bytes(encoded) > keyBytesMax) {
    throw new AmbitError('INVALID_INPUT', `key: longer than ${keyBytesMax} bytes; use shorter names`);
  }
  return encoded as Key<T>;
}

/**
 * Decodes what {@link encodeKey} made.
 *
 * @throws AmbitError `STORE_CORRUPT` for anything else
 * @example
 * ```ts
 * import { decodeKey, encodeKey } from 'ambit/storage';
 * decodeKey(encodeKey(['task', 7])); // ['task', 7]
 * ```
 */
export function decodeKey(key: Key): KeyPart[] {
  if (key === '') return [];
  if (!key.endsWith(' ') || !key.isWellFormed()) throw notAKey(key);
  return key
    .slice(0, -1)
    .split(' ')
    .map((part) => {
      if (textPart.test(part)) return part.slice(1).replace(/![@-a]/g, unescapeCharacter);
      const digits = numberPart.exec(part)?.[1];
      // A wrong count would be a second name of the same number.
      const counted = digits !== undefined && part.charCodeAt(1) === 0x40 + digits.length;
      if (!counted || !Number.isSafeInteger(Number(digits))) throw notAKey(key);
      return Number(digits);
    });
}

/** What {@link encodeText} and {@link encodeNumber} make, without the space at the end. */
const textPart = /^\$(?:[^\u0000-!]|![@-a])*$/;
const numberPart = /^#[A-P](0|[1-9]\d*)$/;

/**
 * The half-open range `[start, end)` of all keys that begin with these parts and have more.
 *
 * @throws AmbitError `INVALID_INPUT` where {@link encodeKey} does
 * @example
 * ```ts
 * import { keysBelow, type Storage } from 'ambit/storage';
 * export const firstTasks = (storage: Storage) => storage.range({ ...keysBelow(['task']), limit: 10 });
 * ```
 */
export function keysBelow(parts: readonly KeyPart[]): { start: Key; end: Key } {
  const prefix: string = encodeKey(parts);
  // '#' and '$' begin every further part; '%' is the character after them.
  return { start: `${prefix}#` as Key, end: `${prefix}%` as Key };
}

/** Where a walk goes on after this key: before all that come after it. */
export function keyAfter(key: Key): Key {
  // No key has an empty part, so none begins like this.
  return `${key} ` as Key;
}

/**
 * Compares two keys by code point: negative, zero or positive. JavaScript's `<` compares UTF-16 units, which puts
 * U+10000 before U+E000; SQLite, PostgreSQL (collation "C") and Redis compare UTF-8 bytes, which is code point order.
 *
 * @example
 * ```ts
 * import { compareKeys, encodeKey } from 'ambit/storage';
 * [encodeKey(['b']), encodeKey(['a'])].sort(compareKeys); // a before b
 * ```
 */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left !== right) return codePointRank(left) - codePointRank(right);
  }
  return a.length - b.length;
}

/** Ranks a UTF-16 unit so that surrogates (code points above U+FFFF) come after the rest of the first plane. */
function codePointRank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

function encodeText(text: string): string {
  if (!text.isWellFormed()) {
    throw new AmbitError('INVALID_INPUT', 'key: a string with a lone surrogate; send well-formed Unicode');
  }
  return `$${text.replace(/[\u0000-!]/g, escapeCharacter)} `;
}

function escapeCharacter(character: string): string {
  return `!${String.fromCharCode(character.charCodeAt(0) + 0x40)}`;
}

function unescapeCharacter(pair: string): string {
  return String.fromCharCode(pair.charCodeAt(1) - 0x40);
}

/** Digits with their count in front (A = 1 … P = 16), so that longer numbers sort after shorter ones. */
function encodeNumber(value: number): string {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new AmbitError('INVALID_INPUT', `key: ${value} is not a whole number from 0 to 2^53 - 1`);
  }
  // Of -0 it is "0" as well.
  const digits = String(value);
  return `#${String.fromCharCode(0x40 + digits.length)}${digits} `;
}

function utf8Bytes(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return bytes;
}

function notAKey(key: string): AmbitError {
  return new AmbitError(
    'STORE_CORRUPT',
    `key ${JSON.stringify(key.slice(0, 80))} was not made by this program`,
  );
}
