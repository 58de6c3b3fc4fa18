/** A process of the simulation, as far as time is concerned: it may be stopped for a while, or for good. */
export interface Owner {
  readonly name: string;
  crashed: boolean;
  /** Until then nothing happens in it (SIGSTOP): what is due happens afterwards, in order. */
  stoppedUntilMs: number;
  /** What the clock of its machine reads, which nothing may rely on. */
  readonly wallClockMs: () => number;
}

export interface SimulatedTime {
  readonly nowMs: number;
  /** Runs something later; not at all if its owner has crashed by then. Nobody owns the store and the wires. */
  after(delayMs: number, owner: Owner | undefined, run: () => void): void;
  /** Runs what is due until this time, or until nothing is. */
  runUntil(endMs: number): Promise<void>;
}

interface Event {
  atMs: number;
  readonly order: number;
  readonly owner: Owner | undefined;
  readonly run: () => void;
}

const realImmediate = globalThis.setImmediate;

/**
 * Time that passes only when everything that is due has happened: one event, then all promises it settles, then the next.
 * The order of events depends on nothing but their times and the order in which they were made, so a run repeats exactly.
 */
export function createSimulatedTime(): SimulatedTime & {
  /** Whose event is running: timers that it sets are its. */
  readonly owner: Owner | undefined;
} {
  const heap: Event[] = [];
  let nowMs = 0;
  let made = 0;
  let owner: Owner | undefined;

  const before = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

  function push(event: Event): void {
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as Event;
      if (!before(event, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = event;
  }

  function pop(): Event | undefined {
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && before(heap[down + 1] as Event, heap[down] as Event)) down++;
      if (!before(heap[down] as Event, last)) break;
      heap[at] = heap[down] as Event;
      at = down;
    }
    heap[at] = last;
    return first;
  }

  return {
    get nowMs() {
      return nowMs;
    },
    get owner() {
      return owner;
    },
    after(delayMs, whose, run) {
      push({ atMs: nowMs + Math.max(0, delayMs), order: made++, owner: whose, run });
    },
    async runUntil(endMs) {
      for (;;) {
        const event = heap[0];
        if (!event || event.atMs > endMs) break;
        pop();
        nowMs = Math.max(nowMs, event.atMs);
        if (event.owner?.crashed) continue;
        if (event.owner && event.owner.stoppedUntilMs > nowMs) {
          push({ ...event, atMs: event.owner.stoppedUntilMs });
          continue;
        }
        owner = event.owner;
        event.run();
        // Everything that this event settled happens before the next one: as deep as promises go.
        await new Promise((resolve) => realImmediate(resolve));
        owner = undefined;
      }
      nowMs = Math.max(nowMs, endMs);
    },
  };
}

/** Puts the simulation's time under `setImmediate`, `setTimeout` and `Date.now` while something runs. */
export async function withTimersOf<T>(
  time: SimulatedTime & { readonly owner: Owner | undefined },
  run: () => Promise<T>,
): Promise<T> {
  const real = { setImmediate: globalThis.setImmediate, setTimeout: globalThis.setTimeout };
  const realNow = Date.now;
  const immediate = (callback: () => void): void => time.after(0, time.owner, callback);
  const timeout = (callback: () => void, delayMs = 0): void => time.after(delayMs, time.owner, callback);
  Object.assign(globalThis, { setImmediate: immediate, setTimeout: timeout });
  // Everything that reads the clock of a machine reads that of the process which runs.
  Date.now = () => time.owner?.wallClockMs() ?? realNow();
  try {
    return await run();
  } finally {
    Object.assign(globalThis, real);
    Date.now = realNow;
  }
}
