import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import type { Key } from '../storage/storage.js';
import { join } from 'node:path';
import { mirrorFileName } from './mirror-names.js';
import type { MirrorSource } from './mirror-sources.js';

/** Writes each session as a JSON file for people, some time after it changed. Nothing is ever read from there. */
export interface SessionMirror {
  /** A record was written. */
  written(key: Key): void;
  /** Begins to write. What was written before is not known. */
  start(sources: readonly MirrorSource[]): void;
  /** Writes what is left, for at most `closeMsMax`, and ends. */
  close(): Promise<void>;
}

/** A session that changes all the time is written once in so long. */
const roundEveryMs = 1_000;

/** Of the time, at most this share goes into the files: what is granted must not wait for what is nice to read. */
const busyShare = 0.2;

/** Keys noted at most: past it the folder is written anew from the lists instead. */
const notedMax = 100_000;

/** A process that ends does not wait longer for its mirror. */
const closeMsMax = 5_000;

/** There while files may be older than the store: left behind by a process that was killed. */
const unfinishedName = 'unfinished';

export function createSessionMirror(directory: string): SessionMirror {
  const mirror = new Mirror(directory);
  return {
    written: (key) => mirror.written(key),
    start: (sources) => mirror.start(sources),
    close: () => mirror.close(),
  };
}

class Mirror {
  readonly #directory: string;
  #sources: readonly MirrorSource[] = [];
  #noted = new Set<Key>();
  /** Whether something was not noted, so that only the lists tell what to write. */
  #incomplete = false;
  #marked = false;
  #ending = false;
  #wake: (() => void) | undefined;
  #running: Promise<void> | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  written(key: Key): void {
    for (const { keyPrefix } of this.#sources) {
      if (!key.startsWith(keyPrefix)) continue;
      if (this.#noted.size < notedMax) this.#noted.add(key);
      else this.#incomplete = true;
      return;
    }
  }

  start(sources: readonly MirrorSource[]): void {
    this.#sources = sources;
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#ending = true;
    this.#wake?.();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, closeMsMax)));
    await Promise.race([this.#running, late]);
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    try {
      this.#incomplete ||= await this.#isOutdated();
      while (!this.#ending) {
        await this.#round();
        await this.#pause(roundEveryMs);
      }
      await this.#round();
      if (!this.#incomplete && this.#noted.size === 0) await rm(this.#unfinished, { force: true });
    } catch {
      // A full disk, a folder that may not be written: the next opening writes all of it. The store is not concerned.
    }
  }

  get #unfinished(): string {
    return join(this.#directory, unfinishedName);
  }

  /** A folder that is not there, or that a killed process left. */
  async #isOutdated(): Promise<boolean> {
    const found = async (path: string): Promise<boolean> => stat(path).then(Boolean, () => false);
    const isThere = await found(this.#directory);
    return !isThere || (await found(this.#unfinished));
  }

  async #round(): Promise<void> {
    if (!this.#incomplete && this.#noted.size === 0) return;
    await this.#mark();
    const keys = this.#noted;
    this.#noted = new Set();
    const isWhole = this.#incomplete && !this.#ending;
    if (isWhole) this.#incomplete = false;
    let startMs = performance.now();
    for (const key of keys) {
      const source = this.#sources.find(({ keyPrefix }) => key.startsWith(keyPrefix));
      if (source) await this.#write(source, source.idOf(key), key);
      startMs = await this.#rest(startMs);
    }
    if (!isWhole) return;
    for (const source of this.#sources) {
      for await (const ids of source.ids()) {
        for (const id of ids) {
          if (this.#ending) {
            this.#incomplete = true;
            return;
          }
          await this.#write(source, id);
          startMs = await this.#rest(startMs);
        }
      }
    }
  }

  async #write(source: MirrorSource, id: string, key?: Key): Promise<void> {
    const path = join(this.#directory, source.folder, mirrorFileName(id));
    let content: unknown;
    try {
      content = await source.load(id);
    } catch {
      // The store does not answer now.
      if (key === undefined) this.#incomplete = true;
      else this.#noted.add(key);
      return;
    }
    if (content === undefined) {
      await rm(path, { force: true });
      return;
    }
    // Whoever opens the file sees a whole one.
    const unfinished = `${path}.new`;
    await writeFile(unfinished, `${JSON.stringify(withDates(content), undefined, 2)}\n`, { mode: 0o600 });
    await rename(unfinished, path);
  }

  async #mark(): Promise<void> {
    if (this.#marked) return;
    for (const { folder } of this.#sources)
      await mkdir(join(this.#directory, folder), { recursive: true, mode: 0o700 });
    await writeFile(this.#unfinished, 'Files here may be older than the store.\n', { mode: 0o600 });
    this.#marked = true;
  }

  /** Once a while has gone into files, leaves the process to others for longer. Answers since when it is busy. */
  async #rest(startMs: number): Promise<number> {
    const busyMs = performance.now() - startMs;
    if (this.#ending || busyMs < 10) return startMs;
    await this.#pause((busyMs * (1 - busyShare)) / busyShare);
    return performance.now();
  }

  /** Holds up no process that has nothing else to do. */
  async #pause(ms: number): Promise<void> {
    if (this.#ending) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms).unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Beside every time in milliseconds, the same as people write it. */
function withDates(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withDates);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).flatMap(([name, inner]): [string, unknown][] => {
    if (name.endsWith('AtMs') && typeof inner === 'number' && Math.abs(inner) <= 8.64e15)
      return [
        [name, inner],
        [name.slice(0, -2), new Date(inner).toISOString()],
      ];
    return [[name, withDates(inner)]];
  });
  // Of entries, since a name like __proto__ is one of the value's own.
  return Object.fromEntries(entries);
}
