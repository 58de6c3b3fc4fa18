/**
 * Says what is wrong with a name that a caller sent, or nothing. Control characters would reach logs, tables and
 * terminals; half a surrogate pair has no UTF-8, so two such names would be one on disk.
 */
export function nameProblem(text: string, charsMax: number): string | undefined {
  if (text.length === 0) return 'is empty';
  if (text.length > charsMax) return `is longer than ${charsMax} characters`;
  return characterProblem(text);
}

/** Says which character does not belong into a line of text, or nothing. */
export function characterProblem(text: string): string | undefined {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    // Printable ASCII, nearly always.
    if (unit >= 0x20 && unit < 0x7f) continue;
    if (unit < 0xa0 || unit === 0x2028 || unit === 0x2029) return 'holds a control character';
    if (unit >= 0xd800 && unit < 0xe000 && !text.isWellFormed()) return 'holds half of a surrogate pair';
  }
  return undefined;
}

/** Bytes of UTF-8. */
export function utf8Bytes(text: string): number {
  let bytes = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    // Each half of a surrogate pair stands for two of its four bytes.
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 2 : 3;
  }
  return bytes;
}

/** Characters of a caller's text that a message repeats: enough to recognise it, too few to fill a model's context. */
const quotedCharsMax = 64;

/**
 * A caller's text for use in a message: quoted, cut, and with everything invisible escaped, so that it can neither end
 * the line nor pretend to be a part of the message.
 */
export function quoted(text: string): string {
  let shown = '';
  let count = 0;
  for (const character of text) {
    if (++count > quotedCharsMax) return `"${shown}…"`;
    shown += printable(character);
  }
  return `"${shown}"`;
}

function printable(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`;
  // Control, format (direction overrides too), lone surrogate, private and unassigned; line and paragraph separators.
  if (!/[\p{C}\p{Zl}\p{Zp}]/u.test(character)) return character;
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
