import type { FrameId } from './frame-types.js';
import { cancelledMax } from './leash-limits.js';

/** Requests of one side that were not answered yet, by id. `1` and `"1"` are two ids. */
export interface RequestTable<T> {
  readonly size: number;
  /** Whether the id is taken: in flight, or given up a moment ago and perhaps still answered. */
  has(id: FrameId): boolean;
  get(id: FrameId): T | undefined;
  /** Whether one of those in flight is like this. */
  some(isIt: (request: T) => boolean): boolean;
  /** `false` when too many are in flight. */
  open(id: FrameId, request: T): boolean;
  /** An answer came: takes the request out. `late` if it had been given up. */
  answer(id: FrameId): { readonly request: T; readonly late: boolean } | undefined;
  /** Takes it out without an answer to come. */
  forget(id: FrameId): void;
  /** Its sender gave it up: it no longer counts, but a late answer is still known. The oldest are forgotten. */
  giveUp(id: FrameId): void;
}

export function createRequestTable<T>(inFlightMax: number): RequestTable<T> {
  const inFlight = new Map<string, T>();
  const givenUp = new Map<string, T>();
  return {
    get size() {
      return inFlight.size;
    },
    has(id) {
      const key = keyOf(id);
      return inFlight.has(key) || givenUp.has(key);
    },
    get: (id) => inFlight.get(keyOf(id)),
    some: (isIt) => [...inFlight.values()].some(isIt),
    open(id, request) {
      if (inFlight.size >= inFlightMax) return false;
      inFlight.set(keyOf(id), request);
      return true;
    },
    answer(id) {
      const key = keyOf(id);
      const late = !inFlight.has(key);
      const from = late ? givenUp : inFlight;
      const request = from.get(key);
      if (request === undefined) return undefined;
      from.delete(key);
      return { request, late };
    },
    forget(id) {
      inFlight.delete(keyOf(id));
    },
    giveUp(id) {
      const key = keyOf(id);
      const request = inFlight.get(key);
      if (request === undefined) return;
      inFlight.delete(key);
      givenUp.set(key, request);
      if (givenUp.size <= cancelledMax) return;
      const [oldest] = givenUp.keys();
      if (oldest !== undefined) givenUp.delete(oldest);
    },
  };
}

function keyOf(id: FrameId): string {
  return typeof id === 'string' ? `s${id}` : `n${id}`;
}
