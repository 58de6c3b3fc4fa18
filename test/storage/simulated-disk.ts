import type { Disk, DiskFile } from '../../src/storage/file/file-disk.js';
import type { SeededRandom } from '../simulation/seeded-random.js';
import { basename, dirname } from 'node:path';

/** A call on the disk, as a fault is decided on it. */
export interface DiskCall {
  readonly call: 'create' | 'open' | 'write' | 'flush' | 'rename' | 'remove' | 'flushDirectory';
  readonly path: string;
  /** Of a write: whether it makes the file longer. */
  readonly grows: boolean;
}

/** What becomes of a call: as it should, an errno, or the process ends just before it, or with part of a write done. */
export type Fate = 'done' | 'ENOSPC' | 'EIO' | 'killed';

const sectorBytes = 512;

interface Inode {
  /** As the system shows it. */
  cached: Buffer;
  cachedLength: number;
  /** As it lies on the disk. */
  durable: Buffer;
  durableLength: number;
  readonly dirty: Set<number>;
  /** Who has it locked. */
  holder?: { readonly disk: SimulatedDisk; closed: boolean };
}

/** Names, and what is done to them, in order, until the directory is flushed. */
type NameChange = { readonly path: string; readonly inode: Inode | undefined }[];

/** Thrown by every call of a process that is no more. */
export class Killed extends Error {}

/**
 * A disk in memory, as bad as a disk may be. What was not flushed is on it or not, sector by sector. A flush that failed
 * has written some of it, lost the rest, and takes all of it for clean, as Linux does. A name that was not flushed is there
 * or not.
 */
export class SimulatedDisk implements Disk {
  readonly #random: SeededRandom;
  readonly #fate: (call: DiskCall) => Fate;
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #changes: NameChange[] = [];
  #killed = false;
  /** Faults that were put in. */
  faults = 0;

  constructor(random: SeededRandom, fate: (call: DiskCall) => Fate = () => 'done') {
    this.#random = random;
    this.#fate = fate;
  }

  /** Ends the process that uses it: what it wrote is what the system shows. The next one gets a disk of its own. */
  kill(fate: (call: DiskCall) => Fate = () => 'done'): SimulatedDisk {
    this.#killed = true;
    const next = new SimulatedDisk(this.#random, fate);
    next.#names = new Map(this.#names);
    next.#durableNames = this.#durableNames;
    next.#changes = this.#changes;
    return next;
  }

  /** Cuts the power. */
  cut(fate: (call: DiskCall) => Fate = () => 'done'): SimulatedDisk {
    this.#killed = true;
    const next = new SimulatedDisk(this.#random, fate);
    const names = new Map(this.#durableNames);
    // A file system keeps the order of what is done to names.
    const survived = this.#random.whole(0, this.#changes.length);
    for (const change of this.#changes.slice(0, survived)) applyTo(names, change);
    for (const [path, inode] of names) {
      for (const sector of inode.dirty) if (this.#random.chance(0.5)) persist(inode, sector);
      next.#names.set(path, inodeOf(inode.durable.subarray(0, inode.durableLength)));
    }
    next.#durableNames = new Map(next.#names);
    return next;
  }

  /** Whether the process that uses it has ended. */
  get killed(): boolean {
    return this.#killed;
  }

  /** The bytes of a file, to be looked at or damaged. */
  bytesOf(path: string): Buffer {
    const { cached, cachedLength } = this.#inode(path);
    return cached.subarray(0, cachedLength);
  }

  /** Puts other bytes in place of a file, or takes it away. */
  replace(path: string, bytes: Buffer | undefined): void {
    const inode = bytes && inodeOf(bytes);
    for (const names of [this.#names, this.#durableNames]) {
      if (inode) names.set(path, inode);
      else names.delete(path);
    }
  }

  paths(): string[] {
    return [...this.#names.keys()].toSorted();
  }

  async create(path: string): Promise<DiskFile> {
    await this.#meet({ call: 'create', path, grows: false });
    if (this.#names.has(path)) throw failed('EEXIST', path);
    const inode = inodeOf(Buffer.alloc(0));
    this.#change([{ path, inode }]);
    return this.#file(path, inode);
  }

  async open(path: string): Promise<DiskFile> {
    await this.#meet({ call: 'open', path, grows: false });
    return this.#file(path, this.#inode(path));
  }

  async list(directory: string): Promise<string[]> {
    await this.#meet({ call: 'open', path: directory, grows: false });
    return this.paths()
      .filter((path) => dirname(path) === directory)
      .map((path) => basename(path));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#meet({ call: 'rename', path: from, grows: false });
    const inode = this.#inode(from);
    this.#change([
      { path: to, inode },
      { path: from, inode: undefined },
    ]);
  }

  async remove(path: string): Promise<void> {
    await this.#meet({ call: 'remove', path, grows: false });
    this.#inode(path);
    this.#change([{ path, inode: undefined }]);
  }

  async flushDirectory(directory: string): Promise<void> {
    await this.#meet({ call: 'flushDirectory', path: directory, grows: false });
    for (const change of this.#changes.splice(0)) applyTo(this.#durableNames, change);
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path);
    if (!inode) throw failed('ENOENT', path);
    return inode;
  }

  #change(change: NameChange): void {
    applyTo(this.#names, change);
    this.#changes.push(change);
  }

  /** Waits as a disk makes one wait, then does what fate says. */
  async #meet(call: DiskCall): Promise<void> {
    if (this.#random.chance(0.3)) await new Promise((resolve) => setImmediate(resolve));
    this.#meetNow(call);
  }

  #meetNow(call: DiskCall): void {
    if (this.#killed) throw new Killed();
    const fate = this.#fate(call);
    if (fate === 'done') return;
    this.faults++;
    if (fate === 'killed') {
      this.#killed = true;
      throw new Killed();
    }
    throw failed(fate, call.path);
  }

  #file(path: string, inode: Inode): DiskFile {
    const write = (bytes: Uint8Array, at: number): void => {
      const grows = at + bytes.length > inode.cachedLength;
      try {
        this.#meetNow({ call: 'write', path, grows });
      } catch (error) {
        // A system call that fails, or a process that ends in it, may have done its beginning.
        put(inode, bytes.subarray(0, this.#random.whole(0, bytes.length)), at);
        throw error;
      }
      put(inode, bytes, at);
    };
    const flush = async (): Promise<void> => {
      try {
        await this.#meet({ call: 'flush', path, grows: false });
      } catch (error) {
        if (!this.#killed) {
          for (const sector of inode.dirty) if (this.#random.chance(0.5)) persist(inode, sector);
          inode.dirty.clear();
        }
        throw error;
      }
      for (const sector of inode.dirty) persist(inode, sector);
      inode.dirty.clear();
    };
    const holder = { disk: this, closed: false };
    return {
      writeNow: write,
      write: async (bytes, at) => {
        if (this.#random.chance(0.3)) await new Promise((resolve) => setImmediate(resolve));
        write(bytes, at);
      },
      read: async (into, at) => {
        await this.#meet({ call: 'open', path, grows: false });
        return inode.cached.copy(into, 0, at, Math.min(inode.cachedLength, at + into.length));
      },
      flush,
      flushAll: flush,
      length: async () => inode.cachedLength,
      tryLock: () => {
        const { holder: held } = inode;
        if (held && held !== holder && !held.closed && !held.disk.killed) return false;
        inode.holder = holder;
        return true;
      },
      isAt: (named) => this.#names.get(named) === inode,
      close: async () => {
        holder.closed = true;
      },
    };
  }
}

function applyTo(names: Map<string, Inode>, change: NameChange): void {
  for (const { path, inode } of change) {
    if (inode) names.set(path, inode);
    else names.delete(path);
  }
}

function inodeOf(bytes: Buffer): Inode {
  const { length } = bytes;
  return {
    cached: Buffer.from(bytes),
    cachedLength: length,
    durable: Buffer.from(bytes),
    durableLength: length,
    dirty: new Set(),
  };
}

function put(inode: Inode, bytes: Uint8Array, at: number): void {
  if (bytes.length === 0) return;
  const end = at + bytes.length;
  inode.cached = withRoom(inode.cached, end);
  inode.cachedLength = Math.max(inode.cachedLength, end);
  inode.cached.set(bytes, at);
  const last = Math.floor((end - 1) / sectorBytes);
  for (let sector = Math.floor(at / sectorBytes); sector <= last; sector++) inode.dirty.add(sector);
}

/** Puts one sector on the disk, which makes the file there long enough for it. */
function persist(inode: Inode, sector: number): void {
  const start = sector * sectorBytes;
  const end = Math.min(start + sectorBytes, inode.cachedLength);
  inode.durable = withRoom(inode.durable, end);
  inode.durableLength = Math.max(inode.durableLength, end);
  inode.cached.copy(inode.durable, start, start, end);
}

function withRoom(buffer: Buffer, bytes: number): Buffer {
  if (bytes <= buffer.length) return buffer;
  return Buffer.concat([buffer, Buffer.alloc(2 * bytes - buffer.length)]);
}

function failed(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
