import { absent, type CommitAnswer, type Outcome, type Transaction, type Write } from '../storage.js';
import type { MemoryRecords, Slot } from './memory-records.js';

const ok: Outcome = Object.freeze({ status: 'ok' });
const late: Outcome = Object.freeze({ status: 'late' });
const oneOk: readonly Outcome[] = Object.freeze([ok]);

/** Makes the commit of a store: the hot path of everything that stands on memory, so it allocates next to nothing. */
export function createCommit(
  records: MemoryRecords,
  clock: () => number,
): (transactions: readonly Transaction[]) => CommitAnswer {
  // Slots of the transaction at hand: each is looked up once, and no array is made for them.
  const found: (Slot | undefined)[] = [];
  // What the clock said inside the last commit: reading it is the dearest part of a small one.
  let readMs: number | undefined;
  // One answer serves all commits of a millisecond that held.
  let okAnswer: CommitAnswer = Object.freeze({ outcomes: oneOk, nowMs: Number.NaN });

  function commitOne({ writes, notAfterMs }: Transaction): Outcome {
    const count = writes.length;
    for (let index = 0; index < count; index++) {
      const write = writes[index] as Write;
      const slot = records.slot(write.key);
      if ((slot === undefined ? absent : slot.version) !== write.expected) return conflict(writes);
      found[index] = slot;
    }
    if (notAfterMs !== undefined) {
      readMs = clock();
      if (readMs > notAfterMs) return late;
    }
    for (let index = 0; index < count; index++) {
      const write = writes[index] as Write;
      const slot = found[index];
      if (write.kind === 'put') records.put(write, slot);
      else if (write.kind === 'delete' && slot !== undefined) records.remove(slot);
    }
    return ok;
  }

  function conflict(writes: readonly Write[]): Outcome {
    return { status: 'conflict', current: writes.map((write) => records.record(write.key)) };
  }

  return (transactions) => {
    if (transactions.length !== 1) {
      const outcomes = transactions.map(commitOne);
      return { outcomes, nowMs: clock() };
    }
    readMs = undefined;
    const outcome = commitOne(transactions[0] as Transaction);
    const nowMs = readMs ?? clock();
    if (outcome !== ok) return { outcomes: [outcome], nowMs };
    if (okAnswer.nowMs !== nowMs) okAnswer = Object.freeze({ outcomes: oneOk, nowMs });
    return okAnswer;
  };
}
