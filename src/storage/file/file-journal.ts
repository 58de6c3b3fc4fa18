import { encodeHeader, type FileHeader, newHeader } from './file-header.js';
import { FrameMaker, type FrameKind, framedBytes, sectorBytes } from './file-frames.js';
import { finish, pathOf, unfinishedPathOf } from './file-names.js';
import type { Disk, DiskFile } from './file-disk.js';
import { type NewestJournal, type PreparedManifest, prepareManifest } from './file-manifest.js';

/**
 * A journal's length is always more than what is written in it, made durable beforehand: then a flush writes the data
 * and nothing of the file system. (Files that grow with every group take about twice as long to flush.)
 */
const firstBytes = 1_048_576;

/** The most that is added to a journal at once: it takes some 20 ms of the disk that groups want as well. */
const growBytesMax = 16 * 1_048_576;

const notOurs = 'the directory was moved or replaced while it was open';

/** The journal that groups are written to. */
export interface Journal {
  readonly header: FileHeader;
  readonly path: string;
  /** Where the next frame goes. */
  readonly position: number;
  /** Whether a frame of this text has room; where not, `grow` first. */
  hasRoom(text: string): boolean;
  grow(text: string): Promise<void>;
  /** Writes a frame, to be flushed. After an error nobody knows what is on the disk: go on in another journal. */
  append(text: string, kind: FrameKind, sequence: number, durableSequence: number): void;
  flush(): Promise<void>;
  /** Whether it is still there: somebody may have removed it, or put another one in its place. */
  isThere(): boolean;
  close(): Promise<void>;
}

export type JournalName = NewestJournal;

/** A journal that is whole and durable, but not under its name: nobody will look at it. */
export interface PreparedJournal {
  /** Once this has answered, the journal is there whatever happens, and the one before it has ended. */
  publish(): Promise<Journal>;
  /** Gives it up, if it was not published. */
  discard(): Promise<void>;
}

/** @param isOurs whether the directory is still the one of this store, asked right before a file in it gets its name */
export async function prepareJournal(
  disk: Disk,
  directory: string,
  name: JournalName,
  isOurs: () => boolean = () => true,
): Promise<PreparedJournal> {
  const header = newHeader({ kind: 'journal', ...name });
  const path = pathOf(directory, 'journal', name.number);
  const unfinished = unfinishedPathOf(path);
  // What an earlier try left behind.
  await disk.remove(unfinished).catch(() => undefined);
  const file = await disk.create(unfinished);
  let manifest: PreparedManifest | undefined;

  async function discard(): Promise<void> {
    await file.close().catch(() => undefined);
    await disk.remove(unfinished).catch(() => undefined);
    await manifest?.discard();
  }

  try {
    if (!file.tryLock()) throw new Error('another process has it locked');
    const first = Buffer.alloc(firstBytes);
    encodeHeader(header).copy(first);
    await file.write(first, 0);
    await file.flushAll();
    // Here already, so that a full disk is met while the journal before can be gone on with.
    manifest = await prepareManifest(disk, directory, name);
  } catch (error) {
    await discard();
    throw error;
  }
  const { publish } = manifest;
  return {
    discard,
    async publish() {
      try {
        if (!isOurs()) throw new Error(notOurs);
        await finish(disk, directory, path);
        if (!file.isAt(path)) throw new Error(notOurs);
        await publish();
      } catch (error) {
        await discard();
        throw error;
      }
      return continueJournal(disk, { file, header, path, position: sectorBytes, length: firstBytes });
    },
  };
}

/** A journal that was opened. */
export interface OpenedJournal {
  readonly file: DiskFile;
  readonly header: FileHeader;
  readonly path: string;
  /** Where its frames end. */
  readonly position: number;
  /** How long it is, durably; behind the frames there are zeros. */
  readonly length: number;
}

export function continueJournal(disk: Disk, opened: OpenedJournal): Journal {
  const { file, header, path } = opened;
  let { position, length } = opened;
  const frames = new FrameMaker(header.salt);
  const isThere = (): boolean => file.isAt(path);
  let growing: Promise<void> | undefined;

  /**
   * Through a second opening: a failed write-back is reported once to each, and what went wrong with a group must be
   * told to the group's own flush.
   */
  async function growBy(bytes: number): Promise<void> {
    const zeros = Buffer.alloc(Math.min(bytes, 1_048_576));
    const second = await disk.open(path);
    try {
      if (!isThere()) throw new Error('another file has its name');
      const to = length + Math.ceil(bytes / zeros.length) * zeros.length;
      for (let at = length; at < to; at += zeros.length) await second.write(zeros, at);
      await second.flush();
      length = to;
    } finally {
      await second.close();
    }
  }

  /** One at a time. What failed is tried again by whoever needs the room. */
  function grow(bytes: number): Promise<void> {
    growing ??= growBy(bytes).finally(() => (growing = undefined));
    return growing;
  }

  const step = (): number => Math.min(length, growBytesMax);
  // One sector more: a frame is never the last thing in the file, so a file that was cut short shows it.
  const neededFor = (text: string): number => position + framedBytes(text.length * 3) + sectorBytes;

  return {
    header,
    path,
    get position() {
      return position;
    },
    hasRoom: (text) => neededFor(text) <= length,
    async grow(text) {
      await growing?.catch(() => undefined);
      if (neededFor(text) > length) await grow(step() + neededFor(text) - length);
    },
    append(text, kind, sequence, durableSequence) {
      const frame = frames.make(text, { kind, sequence, durableSequence });
      file.writeNow(frame, position);
      position += frame.length;
      // In good time, so that no group has to wait for it.
      if (length - position < step() / 2 && !growing) grow(step()).catch(() => undefined);
    },
    flush: () => file.flush(),
    isThere,
    async close() {
      await growing?.catch(() => undefined);
      await file.close();
    },
  };
}
