import {
  absent,
  AmbitError,
  type Key,
  type Outcome,
  type Storage,
  StorageUnavailableError,
  type StoredRecord,
  type Transaction,
  Value,
  type Write,
} from '../storage/storage.js';
import { copyMarkKey, isDeleted, pages } from './copy-walk.js';
import { randomUUID } from 'node:crypto';

/** How far a copy has come: kept in its target, written in one transaction with the records up to there. */
interface CopyMark {
  readonly format: 1;
  /** The source, as it may be shown. */
  readonly source: string;
  /** The last key that was copied. */
  readonly after?: Key;
}

/** How often a transaction is sent whose answer did not come. */
const sendsMax = 5;
const resendAfterMs = 500;

/** The first transaction expects nothing to be there: sent late by a network, it must not begin a copy anew. */
const firstWithinMs = 30_000;

/** A store that a copy writes to. */
export class CopyTarget {
  readonly #storage: Storage;
  readonly #source: string;
  #mark: StoredRecord | undefined;
  #minted = 0;
  readonly #instance: string = randomUUID();

  private constructor(storage: Storage, source: string, mark: StoredRecord | undefined) {
    this.#storage = storage;
    this.#source = source;
    this.#mark = mark;
  }

  /**
   * Takes an empty store, or one in which a copy of the same source was not finished.
   *
   * @throws AmbitError `INVALID_INPUT` for any other
   */
  static async take(storage: Storage, source: string): Promise<CopyTarget> {
    const { records } = await storage.read([copyMarkKey]);
    const mark = records[0] && !isDeleted(records[0].value) ? records[0] : undefined;
    if (mark === undefined) {
      await assertEmpty(storage);
      return new CopyTarget(storage, source, undefined);
    }
    const { format, source: other } = mark.value.json as CopyMark;
    if (format !== 1 || other !== source) {
      throw new AmbitError(
        'INVALID_INPUT',
        `copy: the target is an unfinished copy of ${other}; finish that one, or copy into an empty store`,
      );
    }
    return new CopyTarget(storage, source, mark);
  }

  /** The last key that an earlier run copied. */
  get after(): Key | undefined {
    return (this.#mark?.value.json as CopyMark | undefined)?.after;
  }

  get resumed(): boolean {
    return this.#mark !== undefined;
  }

  /** Writes records as they are in the source, and how far the copy has come. */
  async add(records: readonly StoredRecord[]): Promise<void> {
    const last = records.at(-1);
    if (last === undefined) return;
    await this.#write(
      records.map((record) => ({ kind: 'put', expected: absent, ...record })),
      last.key,
    );
  }

  /** Makes one key what it is in the source. */
  async mend(key: Key, wanted: StoredRecord | undefined, found: StoredRecord | undefined): Promise<void> {
    const expected = found?.version ?? absent;
    const write: Write = wanted ? { kind: 'put', expected, ...wanted } : { kind: 'delete', key, expected };
    await this.#write([write], this.after);
  }

  /** Takes the mark away: from now on it is a store like any other. */
  async finish(): Promise<void> {
    if (this.#mark === undefined) return;
    const expected = this.#mark.version;
    const outcome = await this.#send({ writes: [{ kind: 'delete', key: copyMarkKey, expected }] });
    if (outcome.status === 'conflict' && outcome.current[0] !== undefined) throw written();
    this.#mark = undefined;
  }

  async #write(writes: readonly Write[], after: Key | undefined): Promise<void> {
    const json: CopyMark = { format: 1, source: this.#source, ...(after !== undefined && { after }) };
    const version = `${this.#instance}.${++this.#minted}`;
    const mark: StoredRecord = { key: copyMarkKey, version, value: Value.of(json) };
    const write: Write = { kind: 'put', expected: this.#mark?.version ?? absent, ...mark };
    let all: readonly Write[] = [...writes, write];
    for (;;) {
      const { nowMs } = await this.#storage.read([]);
      const outcome = await this.#send({
        writes: all,
        ...(this.#mark === undefined && { notAfterMs: nowMs + firstWithinMs }),
      });
      if (outcome.status === 'ok') break;
      if (outcome.status === 'late') continue;
      // A transaction whose reply was lost had been applied, if the mark is the one it wrote.
      if (outcome.current.at(-1)?.version === version) break;
      all = overMarks(all, outcome.current);
    }
    this.#mark = mark;
  }

  async #send(transaction: Transaction): Promise<Outcome> {
    for (let sends = 1; ; sends++) {
      try {
        const { outcomes } = await this.#storage.commit([transaction]);
        return outcomes[0] as Outcome;
      } catch (error) {
        if (!(error instanceof StorageUnavailableError) || sends === sendsMax) throw error;
        await new Promise((resolve) => setTimeout(resolve, resendAfterMs));
      }
    }
  }
}

/** Expired records count as well: a store that has been used is none to copy into. */
async function assertEmpty(storage: Storage): Promise<void> {
  for await (const page of pages(storage)) {
    if (page.records.some(({ value }) => !isDeleted(value)))
      throw new AmbitError(
        'INVALID_INPUT',
        'copy: the target holds records of its own; copy into an empty store',
      );
  }
}

/** Writes in place of marks of deleted records; anything else that lies there was written by somebody else. */
function overMarks(writes: readonly Write[], current: readonly (StoredRecord | undefined)[]): Write[] {
  let changed = false;
  const over = writes.map((write, index): Write => {
    const lies = current[index];
    if ((lies?.version ?? absent) === write.expected) return write;
    if (lies !== undefined && !isDeleted(lies.value)) throw written();
    changed = true;
    return { ...write, expected: lies?.version ?? absent };
  });
  if (!changed) throw written();
  return over;
}

function written(): AmbitError {
  return new AmbitError(
    'INVALID_INPUT',
    'copy: somebody else writes to the target; end that, and copy into an empty store',
  );
}
