import { isRefused, type Refused } from '../core/refusals.js';

/** Writes that were accepted and not answered yet, so that `flush` can wait for them. */
export interface PendingWrites {
  /** Takes note of a write, and hands its answer through. */
  track<T>(scopes: ReadonlySet<string>, write: Promise<T>): Promise<T>;
  /** Waits for the writes of a scope, or for all of them, that were accepted so far. */
  settled(scope?: string): Promise<{ readonly ok: true } | Refused>;
}

export function createPendingWrites(): PendingWrites {
  const pending = new Map<Promise<unknown>, ReadonlySet<string>>();
  return {
    async track(scopes, write) {
      pending.set(write, scopes);
      try {
        return await write;
      } finally {
        pending.delete(write);
      }
    },
    async settled(scope) {
      const writes = [...pending]
        .filter(([, scopes]) => scope === undefined || scopes.has(scope))
        .map(([write]) => write);
      const answers = await Promise.allSettled(writes);
      for (const answer of answers) {
        // A write that threw is its caller's bug, and its caller has the error.
        if (answer.status === 'rejected') continue;
        // "No" is an answer as well; only what the store did not answer is not durable.
        if (isRefused(answer.value) && answer.value.refusal.code === 'STORAGE_UNAVAILABLE')
          return answer.value;
      }
      return { ok: true };
    },
  };
}
