/** A thing that may expire. The queue keeps its place in `queuePosition`: -1 while it is not in the queue. */
export interface Expiring {
  expiresAtMs: number | undefined;
  queuePosition: number;
}

/** Things that expire, the first to expire at hand. */
export interface ExpiryQueue<T extends Expiring> {
  /** Puts an item where its `expiresAtMs` belongs; to be called after every change of it. */
  update(item: T): void;
  remove(item: T): void;
  first(): T | undefined;
  /** At most `limit` items that expire at this time or before, in no order. They stay. */
  until(expiresAtMs: number, limit: number): T[];
  clear(): void;
}

/**
 * A binary heap whose items know their place, so that a renewed item moves instead of leaving a stale entry behind: a
 * sweep touches what it deletes and nothing else.
 */
export function createExpiryQueue<T extends Expiring>(): ExpiryQueue<T> {
  let heap: T[] = [];

  function place(item: T, position: number): void {
    heap[position] = item;
    item.queuePosition = position;
  }

  function rise(item: T, from: number): number {
    let position = from;
    while (position > 0) {
      const above = (position - 1) >> 1;
      const parent = heap[above] as T;
      if (expiry(parent) <= expiry(item)) break;
      place(parent, position);
      position = above;
    }
    place(item, position);
    return position;
  }

  function sink(item: T, from: number): void {
    let position = from;
    for (;;) {
      let below = 2 * position + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && expiry(heap[below + 1] as T) < expiry(heap[below] as T)) below++;
      const child = heap[below] as T;
      if (expiry(child) >= expiry(item)) break;
      place(child, position);
      position = below;
    }
    place(item, position);
  }

  function remove(item: T): void {
    const position = item.queuePosition;
    if (position < 0) return;
    item.queuePosition = -1;
    const last = heap.pop() as T;
    // The last one takes the free place, unless it was the one to go.
    if (last !== item) sink(last, rise(last, position));
  }

  return {
    update(item) {
      if (item.expiresAtMs === undefined) remove(item);
      else sink(item, rise(item, item.queuePosition < 0 ? heap.length : item.queuePosition));
    },
    remove,
    first: () => heap[0],
    until(expiresAtMs, limit) {
      const found: T[] = [];
      // Below an item that expires later there is none that expires sooner.
      const positions = [0];
      while (positions.length > 0 && found.length < limit) {
        const position = positions.pop() as number;
        const item = heap[position];
        if (item === undefined || expiry(item) > expiresAtMs) continue;
        found.push(item);
        positions.push(2 * position + 2, 2 * position + 1);
      }
      return found;
    },
    clear() {
      heap = [];
    },
  };
}

function expiry(item: Expiring): number {
  return item.expiresAtMs as number;
}
