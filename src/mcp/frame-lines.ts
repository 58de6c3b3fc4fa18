/** A line without its end (LF or CRLF), or word that one was longer than allowed and is being skipped. */
export type FrameLine = { readonly kind: 'line'; readonly bytes: Buffer } | { readonly kind: 'too-long' };

/** Cuts a stream of bytes into lines at LF alone. Never holds more than `lineBytesMax` of an unfinished line. */
export interface LineCutter {
  /** The lines that these bytes finish, in order. A line too long is told once, as soon as it is. */
  push(chunk: Buffer): FrameLine[];
  /** What came after the last LF, when the stream ends. */
  end(): FrameLine[];
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

export function createLineCutter(lineBytesMax: number): LineCutter {
  let parts: Buffer[] = [];
  let partsBytes = 0;
  let skipping = false;

  /** Adds a part of a line; answers whether the line has just become too long. One byte more is allowed, for a CR. */
  function add(part: Buffer): boolean {
    if (skipping) return false;
    partsBytes += part.length;
    if (partsBytes > lineBytesMax + 1) {
      parts = [];
      skipping = true;
      return true;
    }
    parts.push(part);
    return false;
  }

  function finish(): FrameLine | undefined {
    const whole = parts.length === 1 ? parts[0] : Buffer.concat(parts, skipping ? 0 : partsBytes);
    const skipped = skipping;
    parts = [];
    partsBytes = 0;
    skipping = false;
    if (skipped || whole === undefined) return undefined;
    const bytes = whole.at(-1) === carriageReturn ? whole.subarray(0, -1) : whole;
    return bytes.length > lineBytesMax ? { kind: 'too-long' } : { kind: 'line', bytes };
  }

  return {
    push(chunk) {
      const lines: FrameLine[] = [];
      let start = 0;
      for (;;) {
        const found = chunk.indexOf(lineFeed, start);
        const end = found < 0 ? chunk.length : found;
        if (end > start && add(chunk.subarray(start, end))) lines.push({ kind: 'too-long' });
        if (found < 0) return lines;
        const line = finish();
        if (line !== undefined) lines.push(line);
        start = found + 1;
      }
    },
    end() {
      const line = finish();
      return line === undefined || (line.kind === 'line' && line.bytes.length === 0) ? [] : [line];
    },
  };
}
