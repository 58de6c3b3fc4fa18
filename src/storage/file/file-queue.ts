import { type Batch, createBatch } from './file-batch.js';
import type { FileRecords } from './file-records.js';
import type { FileWriter } from './file-writer.js';

/** Characters in one flush: what more is waiting is flushed next, so that nobody waits for a whole queue. */
const batchCharsMax = 4 * 1_048_576;

interface Request {
  /** Decides; what it answers is called once the decision is durable. */
  readonly run: (batch: Batch) => () => void;
  readonly fail: (error: unknown) => void;
}

/** Decides requests in the order they come, one batch after the other: what arrives during a flush shares the next one. */
export class FileQueue {
  readonly #records: FileRecords;
  readonly #writer: FileWriter;
  readonly #clock: () => number;
  readonly #waiting: Request[] = [];
  #busy = false;
  #working: Promise<void> | undefined;

  constructor(records: FileRecords, writer: FileWriter, clock: () => number) {
    this.#records = records;
    this.#writer = writer;
    this.#clock = clock;
  }

  /** @param decide answers what is to be called, for the answer, once what it decided is durable */
  enqueue<T>(decide: (batch: Batch) => () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({
        run: (batch) => {
          const answer = decide(batch);
          return () => resolve(answer());
        },
        fail: reject,
      });
      if (this.#busy) return;
      this.#busy = true;
      this.#working = this.#work();
    });
  }

  /** Resolves when nothing is waiting any more. */
  async drained(): Promise<void> {
    await this.#working;
  }

  async #work(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const preparing = this.#writer.prepare();
        if (preparing) await preparing;
        const batch = createBatch(this.#records, this.#clock);
        const decided = this.#decide(batch);
        // Nothing to be made durable: nothing to wait for, either.
        if (batch.text !== '') await this.#write(batch, decided);
        else for (const { answer } of decided) answer();
      }
    } catch (error) {
      for (const { fail } of this.#waiting.splice(0)) fail(error);
    } finally {
      this.#busy = false;
    }
  }

  #decide(batch: Batch): Decided[] {
    const decided: Decided[] = [];
    while (this.#waiting.length > 0 && batch.text.length < batchCharsMax) {
      const { run, fail } = this.#waiting.shift() as Request;
      try {
        decided.push({ answer: run(batch), fail });
      } catch (error) {
        fail(error);
      }
    }
    return decided;
  }

  async #write(batch: Batch, decided: readonly Decided[]): Promise<void> {
    try {
      await this.#writer.write(batch.text);
    } catch (error) {
      for (const { fail } of decided) fail(error);
      return;
    }
    batch.apply();
    for (const { answer } of decided) answer();
  }
}

interface Decided {
  readonly answer: () => void;
  readonly fail: (error: unknown) => void;
}
