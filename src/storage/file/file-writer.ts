import { closedFrame, groupFrame, unflushedFrame } from './file-frames.js';
import { createSnapshots, type Snapshots, type SnapshotState } from './file-snapshots.js';
import { type Journal, type JournalName, type PreparedJournal, prepareJournal } from './file-journal.js';
import { unavailable, wordsOf } from './file-errors.js';
import type { Disk } from './file-disk.js';
import type { OpenedFiles } from './file-open.js';

export interface FileWriterOptions {
  readonly directory: string;
  readonly disk: Disk;
  /** Whether a group is flushed before it is answered. */
  readonly flushed: boolean;
  /** A journal longer than this, and than the last snapshot, is followed by a new one: opening reads all of it. */
  readonly journalBytesMax?: number;
}

/** What can be told of the files that are written. */
export interface FileWriterState {
  readonly journalPath: string;
  readonly journalBytes: number;
  readonly snapshot: SnapshotState;
  /** Why nothing is answered, if so. */
  readonly failure: string | undefined;
}

/** Opening reads a journal at some 100 MB/s: below this, a snapshot would save no time that anybody feels. */
const journalBytesMaxDefault = 32 * 1_048_576;

/** After a disk that had no room for a new journal or snapshot: trying takes that room away for a moment. */
const retryAfterMs = 10_000;

/**
 * Makes groups durable, one at a time, in a journal; begins a new one, and a snapshot with it, when the old one is long or
 * has failed.
 */
export class FileWriter {
  readonly #options: FileWriterOptions;
  readonly #storeId: string;
  readonly #snapshots: Snapshots;
  #journal: Journal;
  /** Of the last frame that counts, and of the last that is durable. */
  #sequence: number;
  #durableSequence: number;
  /** Why the journal cannot be gone on with. A flush that failed is never tried again: it would say that all is well. */
  #failure: string | undefined;
  #rotationFailed = false;
  /** After a failure, no new journal or snapshot is begun before. */
  #againAtMs = 0;
  /** Whether the last frame says that the store was closed. */
  #closed: boolean;

  constructor(opened: OpenedFiles, options: FileWriterOptions) {
    const { records, snapshot, olderBytes } = opened;
    const { disk, directory } = options;
    this.#options = options;
    this.#storeId = opened.storeId;
    this.#journal = opened.journal;
    this.#sequence = opened.sequence;
    this.#durableSequence = opened.sequence;
    this.#closed = opened.closed;
    this.#snapshots = createSnapshots({
      disk,
      directory,
      records,
      newest: snapshot,
      olderBytes,
      settled: () => this.#settled(),
      isOurs: this.#isOurs,
    });
  }

  /** Whether what this writes to is still what its paths name: whoever moved the directory may have put another store there. */
  readonly #isOurs = (): boolean => this.#journal.isThere();

  get failure(): string | undefined {
    return this.#failure;
  }

  state(): FileWriterState {
    const { path, position } = this.#journal;
    const snapshot = this.#snapshots.state();
    return { journalPath: path, journalBytes: position, snapshot, failure: this.#failure };
  }

  /** To be waited for before a group is decided, where there is something to wait for. */
  prepare(): Promise<void> | undefined {
    if (!this.#journal.isThere()) {
      this.#failure =
        'it was removed or replaced while it was open; close the store, and open it anew once its files are right';
      throw unavailable(this.#journal.path, this.#failure, 'none');
    }
    if (this.#failure !== undefined) return this.#heal();
    return this.#dueToShorten() ? this.#shorten() : undefined;
  }

  /** Makes a group durable, or throws, saying whether it may be. */
  async write(text: string): Promise<void> {
    const journal = this.#journal;
    try {
      if (!journal.hasRoom(text)) await journal.grow(text);
    } catch (error) {
      throw unavailable(journal.path, wordsOf(error), 'none', error);
    }
    try {
      const kind = this.#options.flushed ? groupFrame : unflushedFrame;
      journal.append(text, kind, this.#sequence + 1, this.#durableSequence);
      this.#closed = false;
      if (this.#options.flushed) await journal.flush();
    } catch (error) {
      this.#failure = wordsOf(error);
      throw unavailable(journal.path, this.#failure, 'unknown', error);
    }
    this.#sequence++;
    if (this.#options.flushed) this.#durableSequence = this.#sequence;
  }

  /** Says in the journal that the store was closed: all that was answered is as durable without it. */
  async close(): Promise<void> {
    await this.#snapshots.stop();
    const journal = this.#journal;
    try {
      if (this.#failure === undefined && !this.#closed) {
        if (!journal.hasRoom('')) await journal.grow('');
        journal.append('', closedFrame, this.#sequence + 1, this.#durableSequence);
        await journal.flush();
      }
    } catch {
      // The next opening finds the end of the journal without it.
    } finally {
      await journal.close().catch(() => undefined);
    }
  }

  /**
   * Goes on in a new journal, which says that the old one ended before what failed. Without a flush of every group that
   * could be a lie: then the store must be opened anew, which writes again what may not be on the disk.
   */
  async #heal(): Promise<void> {
    const old = this.#journal;
    const { disk, directory } = this.#options;
    if (this.#durableSequence < this.#sequence) {
      const problem = `${this.#failure ?? 'it failed'}; close the store and open it anew`;
      throw unavailable(old.path, problem, 'none');
    }
    try {
      const prepared = await prepareJournal(
        disk,
        directory,
        this.#nextName(this.#sequence + 1),
        this.#isOurs,
      );
      this.#journal = await prepared.publish();
    } catch (error) {
      const problem = `${this.#failure ?? 'it failed'}; and a new journal cannot be begun: ${wordsOf(error)}`;
      throw unavailable(directory, problem, 'none', error);
    }
    this.#failure = undefined;
    await this.#follow(old);
  }

  /** Begins a new journal after a long one. What fails before anything of it can be seen may as well not have been tried. */
  async #rotate(): Promise<void> {
    this.#againAtMs = performance.now() + retryAfterMs;
    const old = this.#journal;
    const { disk, directory } = this.#options;
    let prepared: PreparedJournal;
    try {
      if (!old.hasRoom('')) await old.grow('');
      prepared = await prepareJournal(disk, directory, this.#nextName(this.#sequence + 2), this.#isOurs);
    } catch {
      this.#rotationFailed = true;
      return;
    }
    try {
      old.append('', closedFrame, this.#sequence + 1, this.#durableSequence);
      await old.flush();
      this.#durableSequence = ++this.#sequence;
      this.#journal = await prepared.publish();
    } catch (error) {
      this.#failure = wordsOf(error);
      await prepared.discard();
      await this.#heal();
      return;
    }
    await this.#follow(old);
  }

  /** A new journal has taken the place of another one: a snapshot that goes with it replaces all that came before. */
  async #follow(old: Journal): Promise<void> {
    this.#closed = false;
    this.#rotationFailed = false;
    this.#snapshots.before(old.position);
    await old.close().catch(() => undefined);
    this.#takeSnapshot();
  }

  #takeSnapshot(): void {
    this.#againAtMs = performance.now() + retryAfterMs;
    this.#snapshots.begin(this.#journal.header);
  }

  /** Whether there is more in the journals than should be read at opening. */
  #dueToShorten(): boolean {
    const { olderBytes, failure } = this.#snapshots.state();
    if (!this.#isLong() && olderBytes === 0) return false;
    if (this.#snapshots.underWay()) return false;
    return (failure === undefined && !this.#rotationFailed) || performance.now() >= this.#againAtMs;
  }

  #isLong(): boolean {
    const { journalBytesMax = journalBytesMaxDefault } = this.#options;
    return this.#journal.position > Math.max(journalBytesMax, this.#snapshots.state().bytes);
  }

  async #shorten(): Promise<void> {
    if (this.#isLong()) await this.#rotate();
    else this.#takeSnapshot();
  }

  /** Makes all durable that records hold now. */
  async #settled(): Promise<number> {
    const upTo = this.#sequence;
    if (this.#durableSequence >= upTo) return upTo;
    const journal = this.#journal;
    try {
      await journal.flush();
    } catch (error) {
      if (journal === this.#journal) this.#failure = wordsOf(error);
      throw error;
    }
    this.#durableSequence = Math.max(this.#durableSequence, upTo);
    return upTo;
  }

  #nextName(firstSequence: number): JournalName {
    return { number: this.#journal.header.number + 1, firstSequence, storeId: this.#storeId };
  }
}
