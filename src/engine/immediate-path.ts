import type { Body, View } from './engine.js';
import {
  type Outcome,
  type Put,
  type StoredRecord,
  type Transaction,
  Value,
  type Write,
} from '../storage/storage.js';
import { failureOf, unavailable } from './unavailable.js';
import { callRunsMax } from './engine-limits.js';
import { isRefused, type Refused } from '../core/refusals.js';
import type { Key } from '../core/keys.js';
import type { RoundContext } from './rounds.js';

/**
 * Runs and commits one call at once, on a store that answers at once and that nobody else writes: nothing can come in
 * between, so there is no group to wait for, nothing to check that was only read, and no reply to lose. The same view,
 * the same transaction, and the same tests as the lanes.
 *
 * @returns a function that answers what the body answered; it throws what the body throws
 */
export function createImmediatePath(context: RoundContext): <T>(body: Body<T>) => T | Refused {
  const { storage, clock, mint } = context;
  // No cache: the store is one, and a second copy of its map only makes both of them colder.
  const view = new ImmediateView((key) => atOnce(storage.read([key])).records[0]);

  /** Commits what the body staged; false where it must run again. */
  function commit(): boolean {
    const writes: Write[] = [];
    for (const staged of view.staged) {
      if (staged.superseded) continue;
      const expected = view.lookup(staged.key)?.version ?? null;
      if (staged.value === undefined) writes.push({ kind: 'delete', key: staged.key, expected });
      else writes.push(putOf(staged, expected, mint()));
    }
    const transaction =
      view.notAfterMs === Number.POSITIVE_INFINITY ? { writes } : { writes, notAfterMs: view.notAfterMs };
    return commitAtOnce(transaction)?.status === 'ok';
  }

  function commitAtOnce(transaction: Transaction): Outcome | undefined {
    try {
      return atOnce(storage.commit([transaction])).outcomes[0];
    } catch (error) {
      throw new StoreFailure(error);
    }
  }

  return <T>(body: Body<T>): T | Refused => {
    try {
      for (let runs = 0; runs < callRunsMax; runs++) {
        view.begin();
        const answer = body(view, clock.now());
        if (view.staged.length === 0) return answer;
        if (isRefused(answer)) throw new Error('a body refused and wrote: a bug of its face');
        if (commit()) return answer;
      }
      return unavailable(`the call lost ${callRunsMax} times`, 'none', 0);
    } catch (error) {
      if (!(error instanceof StoreFailure)) throw error;
      const failure = failureOf(error.cause);
      return unavailable(failure.reason, failure.outcome, failure.retryAfterMs);
    }
  };
}

interface Staged {
  readonly key: Key;
  readonly value: unknown;
  readonly expiresAtMs: number | undefined;
  superseded: boolean;
}

/** One view for all calls: they run one after the other, and none of them pauses. */
class ImmediateView implements View {
  readonly lookup: (key: Key) => StoredRecord | undefined;
  readonly staged: Staged[] = [];
  notAfterMs: number = Number.POSITIVE_INFINITY;
  /** Made for calls that write much; a few writes are found faster by walking. */
  #index: Map<Key, Staged> | undefined;

  constructor(lookup: (key: Key) => StoredRecord | undefined) {
    this.lookup = (key) => {
      try {
        return lookup(key);
      } catch (error) {
        throw new StoreFailure(error);
      }
    };
  }

  begin(): void {
    this.staged.length = 0;
    this.#index = undefined;
    this.notAfterMs = Number.POSITIVE_INFINITY;
  }

  get<T>(key: Key<T>): T | undefined {
    const staged = this.staged.length === 0 ? undefined : this.#find(key);
    return (staged ? staged.value : this.lookup(key)?.value.json) as T | undefined;
  }

  getConstant<T>(key: Key<T>): T | undefined {
    return this.get(key);
  }

  put<T>(key: Key<T>, value: T, options?: { readonly expiresAtMs?: number }): void {
    this.#stage(key, value, options?.expiresAtMs);
  }

  insert<T>(key: Key<T>, value: T, options?: { readonly expiresAtMs?: number }): void {
    this.#stage(key, value, options?.expiresAtMs);
  }

  delete(key: Key): void {
    this.#stage(key, undefined, undefined);
  }

  need(): void {
    // Everything can be looked at without waiting.
  }

  validUntil(ms: number): void {
    if (ms < this.notAfterMs) this.notAfterMs = ms;
  }

  #stage(key: Key, value: unknown, expiresAtMs: number | undefined): void {
    const before = this.staged.length === 0 ? undefined : this.#find(key);
    if (before) before.superseded = true;
    const staged = { key, value, expiresAtMs, superseded: false };
    this.staged.push(staged);
    if (this.staged.length > 8) this.#index ??= new Map(this.staged.map((one) => [one.key, one]));
    this.#index?.set(key, staged);
  }

  #find(key: Key): Staged | undefined {
    if (this.#index) return this.#index.get(key);
    for (let index = this.staged.length - 1; index >= 0; index--) {
      if (this.staged[index]?.key === key) return this.staged[index];
    }
    return undefined;
  }
}

/** What the store threw, carried past a body as its own errors are not. */
class StoreFailure extends Error {
  constructor(cause: unknown) {
    super('the store failed', { cause });
  }
}

function putOf(staged: Staged, expected: string | null, version: string): Put {
  const { key, expiresAtMs } = staged;
  const value = Value.of(staged.value);
  return expiresAtMs === undefined
    ? { kind: 'put', key, expected, version, value }
    : { kind: 'put', key, expected, version, value, expiresAtMs };
}

function atOnce<T>(answer: T | Promise<T>): T {
  if (answer instanceof Promise)
    throw new Error('a store that calls itself immediate answered with a promise');
  return answer;
}
