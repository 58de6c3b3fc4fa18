import { constants, fstatSync, statSync, writeSync } from 'node:fs';
import { type FileHandle, open, readdir, rename, unlink } from 'node:fs/promises';
import { lockFile } from './file-lock.js';

/** A file that is open, as the store uses it. What fails rejects with the error of the system. */
export interface DiskFile {
  /**
   * Writes at once. The page cache takes a group in a few microseconds, and a thread that did it would have to be woken
   * for it; what takes long is the flush.
   */
  writeNow(bytes: Uint8Array, at: number): void;
  write(bytes: Uint8Array, at: number): Promise<void>;
  /** Fills the array from `at` on; answers how many bytes there were. */
  read(into: Uint8Array, at: number): Promise<number>;
  /** fdatasync: what was written is durable, and so is the length needed to read it. */
  flush(): Promise<void>;
  /** fsync: all of it, for a file that was just made. */
  flushAll(): Promise<void>;
  length(): Promise<number>;
  /** Locks the file until it is closed, unless another opening of it has it locked. */
  tryLock(): boolean;
  /** Whether it is what this path names: if not, nobody who opens the store will find what is written to it. */
  isAt(path: string): boolean;
  close(): Promise<void>;
}

/** The calls of the operating system that the store makes on its files. Tests put another one in, which keeps a record. */
export interface Disk {
  /** Makes a file that is not there yet, readable by its owner only. */
  create(path: string): Promise<DiskFile>;
  open(path: string): Promise<DiskFile>;
  /** The names in a directory. */
  list(directory: string): Promise<string[]>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes the names in a directory durable: without it, a file that was made or renamed may be gone after a power cut. */
  flushDirectory(directory: string): Promise<void>;
}

export const realDisk: Disk = {
  create: async (path) => diskFile(await open(path, 'wx+', 0o600), path),
  open: async (path) => diskFile(await open(path, 'r+'), path),
  list: (directory) => readdir(directory),
  rename,
  remove: unlink,
  async flushDirectory(directory) {
    // Windows has no such thing, and needs none.
    if (process.platform === 'win32') return;
    const handle = await open(directory, constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

function diskFile(handle: FileHandle, path: string): DiskFile {
  return {
    writeNow(bytes, at) {
      for (let done = 0; done < bytes.length;)
        done += writeSync(handle.fd, bytes, done, bytes.length - done, at + done);
    },
    async write(bytes, at) {
      for (let done = 0; done < bytes.length;)
        done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
    },
    async read(into, at) {
      let done = 0;
      while (done < into.length) {
        const { bytesRead } = await handle.read(into, done, into.length - done, at + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return done;
    },
    flush: () => handle.datasync(),
    flushAll: () => handle.sync(),
    length: async () => (await handle.stat()).size,
    tryLock: () => lockFile(handle.fd, path),
    isAt: (name) => isSameFile(handle.fd, name),
    close: () => handle.close(),
  };
}

function isSameFile(fd: number, path: string): boolean {
  try {
    const held = fstatSync(fd, { bigint: true });
    const named = statSync(path, { bigint: true });
    return held.ino === named.ino && held.dev === named.dev;
  } catch {
    return false;
  }
}
