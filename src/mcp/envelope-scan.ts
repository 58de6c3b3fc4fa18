import {
  backslash,
  closeBrace,
  closeBracket,
  colon,
  comma,
  isSpace,
  openBrace,
  openBracket,
  quote,
} from './json-bytes.js';
import type { FrameId } from './frame-types.js';
import { idCharsMax } from './leash-limits.js';

/** What is known of a message that was not parsed: whether it asks or answers, and under which id. */
export interface Envelope {
  /** `undefined` where there is none, or more than one, or none that a request can have. */
  readonly id: FrameId | undefined;
  readonly kind: 'request' | 'answer' | undefined;
}

/** Looks for the envelope in the bytes of a message that is too long to be held, or cannot be parsed. */
export interface EnvelopeScan {
  push(bytes: Buffer): void;
  /** What was found, once all bytes were pushed. Nothing in what is no JSON object from its first byte to its last. */
  end(): Envelope;
}

/** Bytes kept of a name or an id: each unit of an id may be written as an escape of six. */
const keptBytesMax = idCharsMax * 6 + 2;

/**
 * Follows the nesting only, and keeps the names of the outermost members and the value of `id`: whoever waits for an
 * answer must be told that it does not come, and servers write the id at the end as often as at the beginning.
 */
export function createEnvelopeScan(): EnvelopeScan {
  const counts = { id: 0, method: 0, result: 0, error: 0 };
  let name: unknown;
  let depth = 0;
  let inString = false;
  let escaped = false;
  let inValue = false;
  let isOver = false;
  let isBroken = false;
  let kept: number[] = [];
  let idText: string | undefined;

  function endValue(): void {
    if (name === 'id') idText = textOf(kept);
    kept = [];
    inValue = false;
  }

  /** Between strings. */
  function structure(byte: number): void {
    if (isSpace(byte)) return;
    if (isOver || (depth === 0 && byte !== openBrace)) isBroken = true;
    else if (byte === openBrace || byte === openBracket) depth++;
    else if (byte === closeBrace || byte === closeBracket) {
      if (depth === 1) endValue();
      isOver = --depth === 0;
    } else if (depth === 1 && byte === colon && !inValue) {
      name = parsed(textOf(kept));
      if (typeof name === 'string' && Object.hasOwn(counts, name)) counts[name as keyof typeof counts]++;
      kept = [];
      inValue = true;
    } else if (depth === 1 && byte === comma) endValue();
    else keep(byte);
  }

  function keep(byte: number): void {
    if (depth === 1 && kept.length <= keptBytesMax && (!inValue || name === 'id')) kept.push(byte);
  }

  return {
    push(bytes) {
      for (const byte of bytes) {
        if (inString) {
          keep(byte);
          if (escaped) escaped = false;
          else if (byte === backslash) escaped = true;
          else if (byte === quote) inString = false;
        } else if (byte === quote && depth > 0) {
          keep(byte);
          inString = true;
        } else structure(byte);
        if (isBroken) return;
      }
    },
    end() {
      if (isBroken || !isOver) return { id: undefined, kind: undefined };
      const isAnswer = counts.result + counts.error > 0;
      const kind = counts.method > 0 ? 'request' : isAnswer ? 'answer' : undefined;
      return { id: counts.id === 1 ? idOf(parsed(idText)) : undefined, kind };
    },
  };
}

/** The envelope of a whole line. */
export function scanEnvelope(line: Buffer): Envelope {
  const scan = createEnvelopeScan();
  scan.push(line);
  return scan.end();
}

function textOf(kept: readonly number[]): string {
  return Buffer.from(kept).toString('utf8');
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}

function idOf(value: unknown): FrameId | undefined {
  if (typeof value === 'string') return value.length <= idCharsMax ? value : undefined;
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined;
}
