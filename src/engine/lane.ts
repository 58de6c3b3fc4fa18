import type { Call } from './call.js';
import { groupCallsMax } from './engine-limits.js';

/** Runs calls in groups, one group at a time, in the order in which they were accepted. */
export interface Lane {
  /** Calls waiting, not counting the group under way. */
  readonly waiting: number;
  readonly idle: boolean;
  push(call: Call): void;
  /** Puts calls back in front, in this order: they came before everything that waits. */
  unshift(calls: readonly Call[]): void;
}

/**
 * @param runRound runs these calls to their answers, or puts them back; it never rejects
 * @param onIdle called when the last call of the lane was answered
 */
export function createLane(runRound: (calls: Call[]) => Promise<void>, onIdle: () => void): Lane {
  let queue: Call[] = [];
  let running = false;

  async function drain(): Promise<void> {
    while (queue.length > 0) {
      // Whoever was just answered, and whoever comes with this turn's I/O, joins the next group.
      await new Promise((resolve) => setImmediate(resolve));
      const calls = queue.length > groupCallsMax ? queue.splice(0, groupCallsMax) : queue;
      if (calls === queue) queue = [];
      await runRound(calls);
    }
    running = false;
    onIdle();
  }

  function start(): void {
    if (running) return;
    running = true;
    void drain();
  }

  return {
    get waiting() {
      return queue.length;
    },
    get idle() {
      return !running;
    },
    push(call) {
      queue.push(call);
      start();
    },
    unshift(calls) {
      if (calls.length === 0) return;
      queue = [...calls, ...queue];
      start();
    },
  };
}
