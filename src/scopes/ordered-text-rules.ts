import { encodeKey, type Key, type KeyPart, keysBelow } from '../core/keys.js';
import { plainPointsMax } from './scope-limits.js';

/**
 * Text of up to 1,024 bytes as parts of a key, in the order of its code points, whatever characters it holds: up to 256
 * code points as they are, and of longer text the rest packed six bits a character, since escaping would double it. All
 * longer texts are cut at the same place, so the order of the parts is that of the texts.
 */
export function textParts(text: string): KeyPart[] {
  const head = headOf(text);
  return head.length === text.length ? [text] : [head, pack(utf8.encode(text.slice(head.length)))];
}

/** The text that {@link textParts} made parts of. */
export function textOfParts(parts: readonly KeyPart[]): string {
  const [head = '', tail] = parts as readonly string[];
  return tail === undefined
    ? head
    : head + new TextDecoder('utf-8', { ignoreBOM: true }).decode(unpack(tail));
}

/** The half-open range of keys that begin with these parts and go on with a text that begins with `prefix`. */
export function textsFrom(before: readonly KeyPart[], prefix: string): { start: Key; end: Key } {
  if (prefix === '') return keysBelow(before);
  const head = headOf(prefix);
  if (head.length === prefix.length) {
    // Without the space that would end the part.
    const start = encodeKey([...before, prefix]).slice(0, -1);
    return { start: start as Key, end: textAfter(start) as Key };
  }
  const inHead: string = encodeKey([...before, head]);
  const tail = utf8.encode(prefix.slice(head.length));
  return { start: `${inHead}$${pack(tail)}` as Key, end: `${inHead}$${pack(bytesAfter(tail))}` as Key };
}

const utf8 = new TextEncoder();

/** The first code points of a text, as many as stay plain. */
function headOf(text: string): string {
  if (text.length <= plainPointsMax) return text;
  let units = 0;
  for (let points = 0; points < plainPointsMax && units < text.length; points++) {
    units += (text.codePointAt(units) ?? 0) > 0xffff ? 2 : 1;
  }
  return text.slice(0, units);
}

/** In the order of their codes, so that packed bytes sort as the bytes do; a space, which ends a part, sorts before them. */
const digits = '-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz';
const valueOfDigit = new Map(Array.from(digits, (digit, value) => [digit, value] as const));

function pack(bytes: Uint8Array): string {
  let packed = '';
  let rest = 0;
  let bits = 0;
  for (const byte of bytes) {
    rest = ((rest << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 6) {
      bits -= 6;
      packed += digits.charAt((rest >> bits) & 63);
    }
  }
  return bits === 0 ? packed : packed + digits.charAt((rest << (6 - bits)) & 63);
}

function unpack(packed: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.floor((packed.length * 6) / 8));
  let rest = 0;
  let bits = 0;
  let at = 0;
  for (const digit of packed) {
    rest = ((rest << 6) | (valueOfDigit.get(digit) ?? 0)) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = (rest >> bits) & 255;
  }
  return bytes;
}

/** The least text that sorts after everything that begins with this one. */
function textAfter(text: string): string {
  const points = Array.from(text);
  for (;;) {
    const last = points.pop()?.codePointAt(0) ?? 0;
    // After U+10FFFF there is nothing: then the character before it must change.
    if (last < 0x10_ffff) return points.join('') + String.fromCodePoint(last === 0xd7ff ? 0xe000 : last + 1);
  }
}

/** The same for bytes of UTF-8, none of which is 255. */
function bytesAfter(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte, index) => (index === bytes.length - 1 ? byte + 1 : byte));
}
