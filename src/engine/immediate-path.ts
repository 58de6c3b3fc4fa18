import type { Body, View } from './engine.js';
import { type Expected, type Peeked, type Transaction, Value, type Write } from '../storage/storage.js';
import { failureOf, unavailable } from './unavailable.js';
import { isRefused, type Refused } from '../core/refusals.js';
import { callRunsMax } from './engine-limits.js';
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
  const lookup = storage.peek ?? ((key: Key) => atOnce(storage.read([key])).records[0]);
  const view = new ImmediateView(lookup, mint);

  /** Commits what the body wrote; false where it must run again. */
  function commit(): boolean {
    const { writes, notAfterMs } = view;
    const transaction: Transaction =
      notAfterMs === Number.POSITIVE_INFINITY ? { writes } : { writes, notAfterMs };
    try {
      return atOnce(storage.commit([transaction])).outcomes[0]?.status === 'ok';
    } catch (error) {
      throw new StoreFailure(error);
    }
  }

  return <T>(body: Body<T>): T | Refused => {
    try {
      for (let runs = 0; runs < callRunsMax; runs++) {
        view.begin();
        const answer = body(view, clock.now());
        if (view.writes.length === 0) return answer;
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

/** One view for all calls: they run one after the other, and none of them pauses. */
class ImmediateView implements View {
  /** What the call has written, one entry a key: an array of its own, because the store may keep it. */
  writes: Write[] = nothing;
  notAfterMs: number = Number.POSITIVE_INFINITY;
  readonly #lookup: (key: Key) => Peeked | undefined;
  readonly #mint: () => string;
  /** Made for calls that write much; a few writes are found faster by walking. */
  #positions: Map<Key, number> | undefined;
  /** What the store showed last: a call that puts what it got looks once. */
  #lastKey: Key | undefined;
  #last: Peeked | undefined;

  constructor(lookup: (key: Key) => Peeked | undefined, mint: () => string) {
    this.#lookup = lookup;
    this.#mint = mint;
  }

  begin(): void {
    this.writes = nothing;
    this.notAfterMs = Number.POSITIVE_INFINITY;
    this.#positions = undefined;
    this.#lastKey = undefined;
  }

  get<T>(key: Key<T>): T | undefined {
    const position = this.#positionOf(key);
    // null is what a deletion left behind in the store that these records were copied from.
    if (position < 0) return (this.#peek(key)?.value.json ?? undefined) as T | undefined;
    const write = this.writes[position];
    return write?.kind === 'put' ? (write.value.json as T) : undefined;
  }

  getConstant<T>(key: Key<T>): T | undefined {
    return this.get(key);
  }

  put<T>(key: Key<T>, value: T, options?: { readonly expiresAtMs?: number }): void {
    this.#write(key, value, options?.expiresAtMs, false);
  }

  insert<T>(key: Key<T>, value: T, options?: { readonly expiresAtMs?: number }): void {
    this.#write(key, value, options?.expiresAtMs, true);
  }

  delete(key: Key): void {
    this.#write(key, undefined, undefined, false);
  }

  need(): void {
    // Everything can be looked at without waiting.
  }

  validUntil(ms: number): void {
    if (ms < this.notAfterMs) this.notAfterMs = ms;
  }

  #write(key: Key, json: unknown, expiresAtMs: number | undefined, isNew: boolean): void {
    if (json === null) throw new Error('null stands for a deleted record; put an object');
    const position = this.#positionOf(key);
    if (position >= 0) {
      this.writes[position] = this.#writeOf(
        key,
        (this.writes[position] as Write).expected,
        json,
        expiresAtMs,
      );
      return;
    }
    const expected = isNew ? null : (this.#peek(key)?.version ?? null);
    const write = this.#writeOf(key, expected, json, expiresAtMs);
    if (this.writes === nothing) {
      this.writes = [write];
      return;
    }
    if (this.writes.length === writesWalkedMax)
      this.#positions = new Map(this.writes.map((one, at) => [one.key, at]));
    this.#positions?.set(key, this.writes.length);
    this.writes.push(write);
  }

  #writeOf(key: Key, expected: Expected, json: unknown, expiresAtMs: number | undefined): Write {
    if (json === undefined) return { kind: 'delete', key, expected };
    const version = this.#mint();
    const value = Value.of(json);
    return expiresAtMs === undefined
      ? { kind: 'put', key, expected, version, value }
      : { kind: 'put', key, expected, version, value, expiresAtMs };
  }

  #positionOf(key: Key): number {
    if (this.#positions) return this.#positions.get(key) ?? -1;
    for (let index = this.writes.length - 1; index >= 0; index--) {
      if (this.writes[index]?.key === key) return index;
    }
    return -1;
  }

  #peek(key: Key): Peeked | undefined {
    if (this.#lastKey === key) return this.#last;
    try {
      this.#last = this.#lookup(key);
      this.#lastKey = key;
      return this.#last;
    } catch (error) {
      throw new StoreFailure(error);
    }
  }
}

/** Most calls of a loop refuse or only read; they share the array they do not fill. */
const nothing: Write[] = [];

/** Writes that are searched one by one: past it a map is made, or a call that writes thousands would take for ever. */
const writesWalkedMax = 8;

/** What the store threw, carried past a body as its own errors are not. */
class StoreFailure extends Error {
  constructor(cause: unknown) {
    super('the store failed', { cause });
  }
}

function atOnce<T>(answer: T | Promise<T>): T {
  if (answer instanceof Promise)
    throw new Error('a store that calls itself immediate answered with a promise');
  return answer;
}
