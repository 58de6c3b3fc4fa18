import {
  backslash,
  closeBrace,
  closeBracket,
  comma,
  isSpace,
  openBrace,
  openBracket,
  quote,
} from './json-bytes.js';

/** One member of a JSON object as it stands in the text: its key, decoded, and where its value begins and ends. */
export interface MemberSpan {
  readonly key: string;
  readonly start: number;
  readonly end: number;
}

/** Where a value stands in the text: from `start` up to, not including, `end`. */
export interface ValueSpan {
  readonly start: number;
  readonly end: number;
}

/**
 * The members of the object that begins at or after `at`, in the order of the text, duplicates included: the part of
 * JSON that `JSON.parse` hides. The text must have passed `JSON.parse`; nothing is validated twice. Linear time.
 *
 * @returns `undefined` if there are more than `membersMax`, or no object begins there
 */
export function membersOf(text: string, at: number, membersMax: number): MemberSpan[] | undefined {
  let index = skipSpace(text, at);
  if (text.charCodeAt(index) !== openBrace) return undefined;
  const members: MemberSpan[] = [];
  index = skipSpace(text, index + 1);
  while (text.charCodeAt(index) === quote) {
    if (members.length === membersMax) return undefined;
    const keyEnd = skipString(text, index);
    // JSON.parse decodes the escapes: "n\u0061me" is the key name.
    const key = JSON.parse(text.slice(index, keyEnd)) as string;
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const end = skipValue(text, start);
    members.push({ key, start, end });
    index = skipSpace(text, end);
    if (text.charCodeAt(index) === comma) index = skipSpace(text, index + 1);
  }
  return members;
}

/** The elements of the array that begins at or after `at`. The text must have passed `JSON.parse`. Linear time. */
export function elementsOf(text: string, at: number): ValueSpan[] | undefined {
  let index = skipSpace(text, at);
  if (text.charCodeAt(index) !== openBracket) return undefined;
  const elements: ValueSpan[] = [];
  index = skipSpace(text, index + 1);
  while (index < text.length && text.charCodeAt(index) !== closeBracket) {
    const end = skipValue(text, index);
    elements.push({ start: index, end });
    index = skipSpace(text, end);
    if (text.charCodeAt(index) === comma) index = skipSpace(text, index + 1);
  }
  return elements;
}

/** Whether arrays and objects are nested at most `depthMax` deep. Needs no valid JSON: it is what guards the parser. */
export function isDepthWithin(text: string, depthMax: number): boolean {
  let depth = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit === quote) index = skipString(text, index) - 1;
    else if (unit === openBrace || unit === openBracket) {
      if (++depth > depthMax) return false;
    } else if (unit === closeBrace || unit === closeBracket) depth--;
  }
  return true;
}

/** The index after the string that begins at `at`; the end of the text if it never ends. */
function skipString(text: string, at: number): number {
  let from = at + 1;
  for (;;) {
    const found = text.indexOf('"', from);
    if (found < 0) return text.length;
    let escapes = found;
    while (text.charCodeAt(escapes - 1) === backslash && escapes > from) escapes--;
    // An even number of backslashes escape each other; an odd one escapes the quote.
    if ((found - escapes) % 2 === 0) return found + 1;
    from = found + 1;
  }
}

/** The index after the value that begins at `at`. */
function skipValue(text: string, at: number): number {
  const first = text.charCodeAt(at);
  if (first === quote) return skipString(text, at);
  if (first !== openBrace && first !== openBracket) return skipScalar(text, at);
  let depth = 0;
  for (let index = at; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit === quote) index = skipString(text, index) - 1;
    else if (unit === openBrace || unit === openBracket) depth++;
    else if ((unit === closeBrace || unit === closeBracket) && --depth === 0) return index + 1;
  }
  return text.length;
}

function skipScalar(text: string, at: number): number {
  let index = at;
  while (index < text.length && !isScalarEnd(text.charCodeAt(index))) index++;
  return index;
}

function isScalarEnd(unit: number): boolean {
  return unit === comma || unit === closeBrace || unit === closeBracket || isSpace(unit);
}

function skipSpace(text: string, at: number): number {
  let index = at;
  while (isSpace(text.charCodeAt(index))) index++;
  return index;
}
