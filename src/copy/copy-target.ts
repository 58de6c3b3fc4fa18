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
  type Version,
  type Write,
} from '../storage/storage.js';
import { isDeleted, pages } from './copy-walk.js';
import { copyMarkKey } from '../core/copy-mark.js';
import { randomUUID } from 'node:crypto';
import { WrittenSum } from './written-sum.js';

/** How far a copy has come: kept in its target, written in one transaction with the records up to there. */
interface CopyMark {
  readonly format: 1;
  /** The source, as it may be shown. */
  readonly source: string;
  /** The run of the copy that wrote it. */
  readonly run: string;
  /** The last key that was copied. */
  readonly after?: Key;
  /** The sum of all that is in the target by now. */
  readonly written: string;
}

/** A key to be made what it is in the source; `found` is the version that lies in the target. */
export interface Mend {
  readonly key: Key;
  readonly wanted: StoredRecord | undefined;
  readonly found: Version | undefined;
}

/** How often a transaction is sent whose answer did not come, or that others kept from its records. */
const sendsMax = 5;
const resendAfterMs = 500;

/** The first transaction expects nothing to be there: sent late by a network, it must not begin a copy anew. */
const firstWithinMs = 30_000;

/** A store that a copy writes to. From its first transaction to its last, the mark keeps everybody else from opening it. */
export class CopyTarget {
  readonly #storage: Storage;
  readonly #source: string;
  readonly #run: string = randomUUID();
  #mark: { readonly version: Version; readonly after: Key | undefined } | undefined;
  #sum: WrittenSum;
  #minted = 0;

  private constructor(storage: Storage, source: string, mark?: StoredRecord) {
    this.#storage = storage;
    this.#source = source;
    const json = mark?.value.json as CopyMark | undefined;
    this.#mark = mark && { version: mark.version, after: json?.after };
    this.#sum = new WrittenSum(json?.written);
  }

  /**
   * Takes an empty store, or one in which a copy of the same source was not finished. What that run has still under way, or
   * does if it was not stopped at all, fails from now on.
   *
   * @throws AmbitError `INVALID_INPUT` for any other
   */
  static async take(storage: Storage, source: string): Promise<CopyTarget> {
    for (let tries = 1; ; tries++) {
      const { records } = await storage.read([copyMarkKey]);
      const mark = records[0] && !isDeleted(records[0].value) ? records[0] : undefined;
      if (mark === undefined) {
        await assertEmpty(storage);
        return new CopyTarget(storage, source);
      }
      const { format, source: other } = mark.value.json as CopyMark;
      if (format !== 1 || other !== source) {
        throw new AmbitError(
          'INVALID_INPUT',
          `copy: the target is an unfinished copy of ${other}; finish that one, or copy into an empty store`,
        );
      }
      const target = new CopyTarget(storage, source, mark);
      if (await target.#takeOver()) return target;
      if (tries === sendsMax) throw anotherCopy();
    }
  }

  /** The last key that an earlier run copied. */
  get after(): Key | undefined {
    return this.#mark?.after;
  }

  get resumed(): boolean {
    return this.#mark !== undefined;
  }

  /** Writes records as they are in the source, and how far the copy has come. */
  async add(records: readonly StoredRecord[]): Promise<void> {
    const after = records.at(-1)?.key;
    if (after === undefined) return;
    const sum = new WrittenSum(this.#sum.text);
    for (const record of records) sum.add(record);
    await this.#write(
      records.map((record) => ({ kind: 'put', expected: absent, ...record })),
      after,
      sum,
    );
  }

  /** Makes keys what they are in the source. */
  async mend(mends: readonly Mend[]): Promise<void> {
    const sum = new WrittenSum(this.#sum.text);
    const writes: Write[] = [];
    for (const { key, wanted, found } of mends) {
      const expected = found ?? absent;
      if (found !== undefined) sum.remove({ key, version: found });
      if (wanted) {
        sum.add(wanted);
        writes.push({ kind: 'put', expected, ...wanted });
      } else if (found !== undefined) writes.push({ kind: 'delete', key, expected });
    }
    if (writes.length > 0) await this.#write(writes, this.after, sum);
  }

  /**
   * @param found of all records that are in the target
   * @throws AmbitError `INVALID_INPUT` where it is not what this copy has written
   */
  assertOwn(found: WrittenSum): void {
    if (found.text !== this.#sum.text) throw written();
  }

  /** Takes the mark away: from now on it is a store like any other. */
  async finish(): Promise<void> {
    if (this.#mark === undefined) return;
    const expected = this.#mark.version;
    const outcome = await this.#send({ writes: [{ kind: 'delete', key: copyMarkKey, expected }] });
    const lies = outcome.status === 'conflict' ? outcome.current[0] : undefined;
    // Nothing lies there any more where the reply was lost.
    if (lies !== undefined && !isDeleted(lies.value)) throw anotherCopy();
    this.#mark = undefined;
  }

  /** Writes the mark anew, so that only this run can go on. False where it was written meanwhile. */
  async #takeOver(): Promise<boolean> {
    const mark = this.#markOf(this.after, this.#sum);
    const outcome = await this.#send({
      writes: [{ kind: 'put', expected: this.#mark?.version ?? absent, ...mark }],
    });
    if (outcome.status !== 'ok' && !isWritten(outcome, mark)) return false;
    this.#mark = { version: mark.version, after: this.after };
    return true;
  }

  async #write(writes: readonly Write[], after: Key | undefined, sum: WrittenSum): Promise<void> {
    const mark = this.#markOf(after, sum);
    const expected = this.#mark?.version ?? absent;
    const wanted: readonly Write[] = [...writes, { kind: 'put', expected, ...mark }];
    let all = wanted;
    for (let sends = 1; ; sends++) {
      const { nowMs } = await this.#storage.read([]);
      const outcome = await this.#send({
        writes: all,
        ...(this.#mark === undefined && { notAfterMs: nowMs + firstWithinMs }),
      });
      // A transaction whose reply was lost had been applied, if the mark is the one it wrote.
      if (outcome.status === 'ok' || isWritten(outcome, mark)) break;
      if (sends === sendsMax) throw busy();
      if (outcome.status === 'conflict') all = overMarks(wanted, outcome.current);
      else await pause(resendAfterMs);
    }
    this.#mark = { version: mark.version, after };
    this.#sum = sum;
  }

  #markOf(after: Key | undefined, sum: WrittenSum): StoredRecord {
    const json: CopyMark = {
      format: 1,
      source: this.#source,
      run: this.#run,
      ...(after !== undefined && { after }),
      written: sum.text,
    };
    return { key: copyMarkKey, version: `${this.#run}.${++this.#minted}`, value: Value.of(json) };
  }

  async #send(transaction: Transaction): Promise<Outcome> {
    for (let sends = 1; ; sends++) {
      try {
        const { outcomes } = await this.#storage.commit([transaction]);
        return outcomes[0] as Outcome;
      } catch (error) {
        if (!(error instanceof StorageUnavailableError) || sends === sendsMax) throw error;
        await pause(resendAfterMs);
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

function isWritten(outcome: Outcome, mark: StoredRecord): boolean {
  return outcome.status === 'conflict' && outcome.current.at(-1)?.version === mark.version;
}

/**
 * The same writes, in place of marks of deleted records; anything else that lies there was written by somebody else. Where
 * all is as expected, others kept a record locked: they are sent again as they are.
 */
function overMarks(writes: readonly Write[], current: readonly (StoredRecord | undefined)[]): Write[] {
  // The mark is the last write: another copy also wrote the others.
  if ((current.at(-1)?.version ?? absent) !== writes.at(-1)?.expected) throw anotherCopy();
  return writes.map((write, index): Write => {
    const lies = current[index];
    if ((lies?.version ?? absent) === write.expected) return write;
    if (write.expected === absent && lies && isDeleted(lies.value))
      return { ...write, expected: lies.version };
    throw written();
  });
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

function written(): AmbitError {
  return new AmbitError(
    'INVALID_INPUT',
    'copy: somebody else writes to the target; end that, and copy into an empty store',
  );
}

function anotherCopy(): AmbitError {
  return new AmbitError(
    'INVALID_INPUT',
    'copy: another copy into the same target was begun or has ended meanwhile; let one of them go on alone',
  );
}

function busy(): StorageUnavailableError {
  return new StorageUnavailableError('copy: the target kept its records locked; copy again to go on', {
    outcome: 'none',
  });
}
