import type { Key } from '../storage/storage.js';
import { MirrorFiles } from './mirror-files.js';
import type { MirrorSource } from './mirror-sources.js';
import { MirrorTroubles } from './mirror-troubles.js';

/** Writes each session as a JSON file for people, some time after it changed. Nothing in them is ever taken for the truth. */
export interface SessionMirror {
  /** A record was written. */
  written(key: Key): void;
  /** Begins to write, and compares what is there with the store: what was written before is not known. */
  start(sources: readonly MirrorSource[]): void;
  /** Writes what is left, for at most `closeMsMax`, and ends. */
  close(): Promise<void>;
}

/** A session that changes all the time is written once in so long. */
const roundEveryMs = 1_000;

/** Of the time, at most this share goes into the files: what is granted must not wait for what is nice to read. */
const busyShare = 0.2;

/** Keys noted at most: past it all is compared with the store instead. */
const notedMax = 100_000;

/** Where so many files of a round cannot be written, the others cannot either, and wait. */
const failuresMax = 10;

/** A process that ends does not wait longer for its mirror. */
const closeMsMax = 5_000;

/** Of that, for what is not known to have changed: a command that looks something up is not to take seconds. */
const lastComparisonMsMax = 250;

/**
 * @param report is told, in one line, what cannot be written; `process.emitWarning` unless said
 */
export function createSessionMirror(
  directory: string,
  report: (line: string) => void = (line) => process.emitWarning(line, 'AmbitWarning'),
): SessionMirror {
  const mirror = new Mirror(directory, report);
  return {
    written: (key) => mirror.written(key),
    start: (sources) => mirror.start(sources),
    close: () => mirror.close(),
  };
}

class Mirror {
  readonly #directory: string;
  readonly #troubles: MirrorTroubles;
  #files: MirrorFiles;
  #sources: readonly MirrorSource[] = [];
  #noted = new Set<Key>();
  /** Those that could not be written, or not be loaded. */
  #failed = new Set<Key>();
  /** Whether so much failed that hardly anything is tried before it is due. */
  #blocked = false;
  /** Whether a comparison ended with an error, and none has got any further since. */
  #comparisonFailed = false;
  /** Whether something was not noted. */
  #overflowed = false;
  /** All of the store is compared with all of the files; undefined once that is done. */
  #comparison: AsyncGenerator<void, void, undefined> | undefined;
  /** Whether files are older than the store for all that is known, until a comparison has ended. */
  #outdated = false;
  #ending = false;
  /** Closed without waiting any longer: the store answers no more. */
  #abandoned = false;
  #busySinceMs = 0;
  #wake: (() => void) | undefined;
  #running: Promise<void> | undefined;

  constructor(directory: string, report: (line: string) => void) {
    this.#directory = directory;
    this.#troubles = new MirrorTroubles((line) => {
      if (!this.#abandoned) report(line);
    });
    this.#files = this.#filesOf([]);
  }

  written(key: Key): void {
    for (const { keyPrefix } of this.#sources) {
      if (!key.startsWith(keyPrefix)) continue;
      if (this.#noted.size < notedMax) this.#noted.add(key);
      else this.#overflowed = true;
      return;
    }
  }

  start(sources: readonly MirrorSource[]): void {
    this.#sources = sources;
    this.#files = this.#filesOf(sources.map(({ folder }) => folder));
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#ending = true;
    this.#wake?.();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, closeMsMax);
    });
    await Promise.race([this.#running, late]);
    this.#abandoned = true;
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    this.#outdated = !(await this.#files.isFinished());
    this.#comparison = this.#compare();
    while (!this.#ending) {
      this.#busySinceMs = performance.now();
      await this.#writeNoted();
      await this.#compareOn(roundEveryMs);
      if (this.#blocked || !this.#comparison) await this.#pause(roundEveryMs);
    }
    await this.#writeNoted();
    // A process that lives for a moment, of a small store, leaves nothing to the next one.
    if (this.#outdated) await this.#compareOn(lastComparisonMsMax);
    if (this.#outdated || this.#overflowed || this.#abandoned) return;
    if (this.#noted.size > 0 || this.#failed.size > 0) return;
    await this.#files.finish().catch((error: unknown) => this.#troubles.add(this.#directory, error));
  }

  /** Writes what has changed, and, when it is due, what failed. */
  async #writeNoted(): Promise<void> {
    const isDue = this.#troubles.isDue || this.#ending;
    if (this.#blocked && !isDue && !(await this.#canBringOne())) return;
    this.#blocked = false;
    const keys = this.#noted;
    this.#noted = new Set();
    if (isDue) {
      for (const key of this.#failed) keys.add(key);
      this.#failed = new Set();
    }
    let failures = 0;
    const untried: Key[] = [];
    for (const key of keys) {
      if (this.#abandoned) return;
      if (failures === failuresMax) untried.push(key);
      else if (!(await this.#bring(key))) failures++;
      await this.#rest();
    }
    // First at the next try: else those that fail each time would keep them from it.
    if (untried.length > 0) this.#failed = new Set([...untried, ...this.#failed]);
    if (failures === failuresMax) this.#blocked = true;
    if (failures > 0) this.#troubles.postpone();
    else if (this.#failed.size === 0 && !this.#comparisonFailed) this.#troubles.clear();
  }

  /** Tries one of what has changed: what failed may have failed each for itself. */
  async #canBringOne(): Promise<boolean> {
    for (const key of this.#noted) {
      this.#noted.delete(key);
      return this.#bring(key);
    }
    return false;
  }

  /** Goes on comparing until it is time for what has changed meanwhile. */
  async #compareOn(forMs: number): Promise<void> {
    const endMs = performance.now() + forMs;
    if (this.#overflowed) {
      this.#overflowed = false;
      this.#compareAnew();
    }
    const wasEnding = this.#ending;
    while (this.#comparison && !this.#blocked && performance.now() < endMs) {
      if (this.#abandoned || this.#ending !== wasEnding) return;
      const comparison = this.#comparison;
      try {
        const { done } = await comparison.next();
        this.#comparisonFailed = false;
        // Unless it was begun anew meanwhile.
        if (done === true && this.#comparison === comparison) {
          this.#comparison = undefined;
          this.#outdated = false;
        }
      } catch (error) {
        // The store does not answer, or the folder cannot be read: from the beginning, when it is due.
        this.#troubles.add(this.#directory, error);
        this.#comparisonFailed = true;
        this.#block();
        this.#compareAnew();
      }
      await this.#rest();
    }
  }

  async *#compare(): AsyncGenerator<void, void, undefined> {
    let failures = 0;
    for (const source of this.#sources) {
      for await (const ids of source.ids()) {
        for (const id of ids) {
          if (!(await this.#bring(source.keyOf(id))) && ++failures % failuresMax === 0) this.#block();
          yield;
        }
      }
      // Afterwards, so that no file of a session just created is taken for one of a session that is gone.
      for await (const id of this.#files.ids(source.folder)) {
        if (!(await source.has(id))) await this.#bring(source.keyOf(id));
        yield;
      }
    }
  }

  #filesOf(folders: readonly string[]): MirrorFiles {
    return new MirrorFiles(this.#directory, folders, () => this.#compareAnew());
  }

  #compareAnew(): void {
    this.#outdated = true;
    this.#comparison = this.#compare();
  }

  /** Makes the file of a session what the session is now; false where that failed. */
  async #bring(key: Key): Promise<boolean> {
    const source = this.#sources.find(({ keyPrefix }) => key.startsWith(keyPrefix));
    if (!source) return true;
    const id = source.idOf(key);
    try {
      const content = await source.load(id);
      if (content === undefined) await this.#files.remove(source.folder, id);
      else await this.#files.write(source.folder, id, content);
      return true;
    } catch (error) {
      this.#troubles.add(this.#files.pathOf(source.folder, id), error);
      this.#fail(key);
      return false;
    }
  }

  #fail(key: Key): void {
    if (this.#failed.size < notedMax) this.#failed.add(key);
    else this.#compareAnew();
  }

  #block(): void {
    this.#blocked = true;
    this.#troubles.postpone();
  }

  /** Once a while has gone into files, leaves the process to others for longer. */
  async #rest(): Promise<void> {
    const busyMs = performance.now() - this.#busySinceMs;
    if (this.#ending || busyMs < 10) return;
    await this.#pause((busyMs * (1 - busyShare)) / busyShare);
    this.#busySinceMs = performance.now();
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
