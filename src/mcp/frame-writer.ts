import type { Writable } from 'node:stream';

/** Writes lines to one side, in the order they are handed over. */
export interface FrameWriter {
  /** Does nothing once the other side is gone. */
  write(line: string | Buffer): void;
  /** Resolves when there is room for more, or nobody is left to read it. Whoever produces lines awaits it. */
  room(): Promise<void>;
  /** Ends the stream after what was written; a second call does nothing. */
  end(): void;
  /** Resolves when what was written has left, or nobody is left to read it. */
  flushed(): Promise<void>;
  /** Nobody reads what is written now: the other side is gone, or `end` was called. */
  readonly isClosed: boolean;
}

/** @param onGone told once when the other side stopped reading (EPIPE) or its stream was destroyed. */
export function createFrameWriter(stream: Writable, onGone: () => void): FrameWriter {
  let gone = stream.destroyed;
  let waiting: (() => void)[] = [];
  /** Lines handed to the stream and not taken from it yet. */
  let pending = 0;
  let flushWaiting: (() => void)[] = [];

  function wake(): void {
    const resolvers = waiting;
    waiting = [];
    for (const resolve of resolvers) resolve();
  }
  function wakeFlushed(): void {
    const resolvers = flushWaiting;
    flushWaiting = [];
    for (const resolve of resolvers) resolve();
  }
  function markGone(): void {
    if (gone) return;
    gone = true;
    wake();
    wakeFlushed();
    // A stream that closes after it was ended is no news.
    if (!stream.writableEnded) onGone();
  }

  stream.on('drain', wake);
  // Without a listener an EPIPE would end this process.
  stream.on('error', markGone);
  stream.on('close', markGone);

  return {
    write(line) {
      if (gone || stream.writableEnded) return;
      pending++;
      stream.write(typeof line === 'string' ? `${line}\n` : line, () => {
        if (--pending === 0) wakeFlushed();
      });
    },
    room() {
      if (gone || stream.writableEnded || !stream.writableNeedDrain) return Promise.resolve();
      return new Promise((resolve) => waiting.push(resolve));
    },
    end() {
      if (!gone && !stream.writableEnded) stream.end();
    },
    flushed() {
      if (gone || pending === 0) return Promise.resolve();
      return new Promise((resolve) => flushWaiting.push(resolve));
    },
    get isClosed() {
      return gone || stream.writableEnded;
    },
  };
}
