import { createEnvelopeScan, type Envelope, type EnvelopeScan, scanEnvelope } from './envelope-scan.js';

/** A line without its end (LF or CRLF), or what is known of one that was longer than allowed. */
export type FrameLine =
  | { readonly kind: 'line'; readonly bytes: Buffer }
  | { readonly kind: 'too-long'; readonly envelope: Envelope };

/** Cuts a stream of bytes into lines at LF alone. Never holds more than `lineBytesMax` of an unfinished line. */
export interface LineCutter {
  /** The lines that these bytes finish, in order. */
  push(chunk: Buffer): FrameLine[];
  /** What came after the last LF, when the stream ends. */
  end(): FrameLine[];
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

export function createLineCutter(lineBytesMax: number): LineCutter {
  let parts: Buffer[] = [];
  let partsBytes = 0;
  /** Reads on in a line too long, of which nothing is held any more. */
  let skipping: EnvelopeScan | undefined;

  /** Adds a part of a line. One byte more than the limit is held, for a CR. */
  function add(part: Buffer): void {
    if (skipping) return skipping.push(part);
    partsBytes += part.length;
    parts.push(part);
    if (partsBytes <= lineBytesMax + 1) return;
    skipping = createEnvelopeScan();
    for (const held of parts) skipping.push(held);
    parts = [];
  }

  function finish(): FrameLine {
    const whole = parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
    const scan = skipping;
    parts = [];
    partsBytes = 0;
    skipping = undefined;
    if (scan) return { kind: 'too-long', envelope: scan.end() };
    const bytes = whole.at(-1) === carriageReturn ? whole.subarray(0, -1) : whole;
    return bytes.length > lineBytesMax
      ? { kind: 'too-long', envelope: scanEnvelope(bytes) }
      : { kind: 'line', bytes };
  }

  return {
    push(chunk) {
      const lines: FrameLine[] = [];
      let start = 0;
      for (;;) {
        const found = chunk.indexOf(lineFeed, start);
        const end = found < 0 ? chunk.length : found;
        if (end > start) add(chunk.subarray(start, end));
        if (found < 0) return lines;
        lines.push(finish());
        start = found + 1;
      }
    },
    end() {
      const line = finish();
      return line.kind === 'line' && line.bytes.length === 0 ? [] : [line];
    },
  };
}
