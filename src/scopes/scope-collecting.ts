import {
  allDropped,
  allExpiries,
  allStaging,
  countKey,
  droppedKey,
  entriesFrom,
  entryKey,
  expiriesOf,
  expiryKey,
  expiryOf,
  incarnationOf,
  type Range,
  stagingKey,
} from './scope-records.js';
import { collectRecordsMax, collectRestMsMin, sweepRecordsMax, sweepScopesMax } from './scope-limits.js';
import { type Key, keyAfter } from '../core/keys.js';
import { decideExpired } from './change-rules.js';
import type { Engine } from '../engine/engine.js';
import type { Refused } from '../core/refusals.js';

type Collected = { readonly ok: true; readonly entries: number };

/** When to go on: how the collector lets others go first, and how it is told to end. */
export interface CollectorPace {
  readonly monotonicMs: () => number;
  /** Waits; answers at once when the face is being closed. */
  readonly pause: (forMs: number) => Promise<void>;
  readonly stopped: () => boolean;
}

/** Deletes what was dropped, what imports left behind, and what has expired: a piece at a time. */
export interface Collector {
  /** Some of everything. */
  sweep(): Promise<Collected | Refused>;
  /** What was dropped, in the background, all of it. One at a time: called while it runs, it does nothing more. */
  dropped(): Promise<Collected | Refused>;
  /** What has expired, in every scope. */
  expired(): Promise<Collected | Refused>;
  /** What has expired under one incarnation. */
  expiredOf(incarnation: string): Promise<Collected | Refused>;
}

export function createCollector(engine: Engine, pace: CollectorPace): Collector {
  /** Where the last sweep for expired entries ended: the next one goes on there. */
  let resumeAt = allExpiries.start;
  let dropping: Promise<Collected | Refused> | undefined;

  async function collectAllDropped(entriesMax: number): Promise<Collected | Refused> {
    let entries = 0;
    while (entries < entriesMax && !pace.stopped()) {
      const next = await engine.range({ ...allDropped, limit: 1 });
      if (!next.ok) return next;
      const first = next.entries[0];
      if (!first) break;
      const collected = await collectDropped(engine, pace, incarnationOf(first.key), entriesMax - entries);
      if (!collected.ok) return collected;
      entries += collected.entries;
    }
    return { ok: true, entries };
  }

  const dropped = (entriesMax: number): Promise<Collected | Refused> =>
    (dropping ??= collectAllDropped(entriesMax).finally(() => (dropping = undefined)));

  /** What has expired from a place on, as far as it gets: `next` is where to go on. */
  async function expiredFrom(
    from: Key<string>,
    scopesMax: number,
    entriesMax: number,
  ): Promise<(Collected & { readonly next: Key<string> | undefined }) | Refused> {
    let entries = 0;
    let start = from;
    for (let scopes = 0; scopes < scopesMax && entries < entriesMax && !pace.stopped(); scopes++) {
      const index = await engine.range<string>({ start, end: allExpiries.end, limit: 1 });
      if (!index.ok) return index;
      const first = index.entries[0];
      if (!first) return { ok: true, entries, next: undefined };
      const { incarnation, expiresAtMs } = expiryOf(first.key);
      if (expiresAtMs <= index.now.latestMs) {
        const collected = await collectExpired(engine, pace, incarnation, entriesMax);
        if (!collected.ok) return collected;
        entries += collected.entries;
      }
      start = expiriesOf(incarnation).end;
    }
    return { ok: true, entries, next: start };
  }

  return {
    dropped: () => dropped(Number.POSITIVE_INFINITY),
    expired: () => expiredFrom(allExpiries.start, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY),
    expiredOf: (incarnation) => collectExpired(engine, pace, incarnation, Number.POSITIVE_INFINITY),
    async sweep() {
      const stale = await dropStaleImports(engine);
      if (!stale.ok) return stale;
      const gone = await dropped(sweepRecordsMax);
      if (!gone.ok) return gone;
      const over = await expiredFrom(resumeAt, sweepScopesMax, sweepRecordsMax);
      if (!over.ok) return over;
      resumeAt = over.next ?? allExpiries.start;
      return { ok: true, entries: gone.entries + over.entries };
    },
  };
}

/** Runs a piece of work, and leaves the store to the others for as long as it took, and a moment at least. */
async function inTurn<T>(pace: CollectorPace, work: () => Promise<T>): Promise<T> {
  const startMs = pace.monotonicMs();
  const answer = await work();
  await pace.pause(Math.max(collectRestMsMin, pace.monotonicMs() - startMs));
  return answer;
}

/** Deletes the entries of an incarnation that are over, with their count, and says how many. */
async function collectExpired(
  engine: Engine,
  pace: CollectorPace,
  incarnation: string,
  entriesMax: number,
): Promise<Collected | Refused> {
  let entries = 0;
  let { start } = expiriesOf(incarnation);
  const { end } = expiriesOf(incarnation);
  while (entries < entriesMax && !pace.stopped()) {
    const index = await engine.range<string>({ start, end, limit: collectRecordsMax });
    if (!index.ok) return index;
    const over = index.entries
      .map(({ key, value }) => ({ ...expiryOf(key), name: value }))
      .filter(({ expiresAtMs }) => expiresAtMs <= index.now.latestMs);
    const last = index.entries[over.length - 1];
    if (!last) break;
    const keys: Key[] = [countKey(incarnation)];
    for (const { expiresAtMs, version, name } of over)
      keys.push(entryKey(incarnation, name), expiryKey(incarnation, expiresAtMs, version));
    const done = await inTurn(pace, () =>
      engine.transact(keys, (view, now) => decideExpired(view, now, incarnation, over)),
    );
    if (!done.ok) return done;
    entries += done.entries;
    if (over.length < collectRecordsMax) break;
    start = keyAfter(last.key) as Key<string>;
  }
  return { ok: true, entries };
}

/** Deletes what lies under an incarnation that was dropped, and then that it waits. */
async function collectDropped(
  engine: Engine,
  pace: CollectorPace,
  incarnation: string,
  entriesMax: number,
): Promise<Collected | Refused> {
  const index = await deleteRange(engine, pace, expiriesOf(incarnation), Number.POSITIVE_INFINITY);
  if (!index.ok) return index;
  const gone = await deleteRange(engine, pace, entriesFrom(incarnation, ''), entriesMax);
  if (!gone.ok || !index.whole || !gone.whole) return gone;
  const key = droppedKey(incarnation);
  const done = await engine.transact([key], (view) => {
    view.delete(key);
    return { ok: true as const };
  });
  return done.ok ? gone : done;
}

/** Deletes records that nobody can reach any more, in pieces. */
async function deleteRange(
  engine: Engine,
  pace: CollectorPace,
  range: Range<unknown>,
  recordsMax: number,
): Promise<(Collected & { readonly whole: boolean }) | Refused> {
  let entries = 0;
  // Not from the start each time: a store over a network remembers what was deleted for a while, and would pass it again.
  let { start } = range;
  while (entries < recordsMax && !pace.stopped()) {
    const page = await engine.range({ start, end: range.end, limit: collectRecordsMax });
    if (!page.ok) return page;
    const keys = page.entries.map(({ key }) => key);
    const last = keys.at(-1);
    if (last === undefined) return { ok: true, entries, whole: true };
    const done = await inTurn(pace, () =>
      engine.transact(keys, (view) => {
        for (const key of keys) view.delete(key);
        return { ok: true as const };
      }),
    );
    if (!done.ok) return done;
    entries += keys.length;
    if (keys.length < collectRecordsMax) return { ok: true, entries, whole: true };
    start = keyAfter(last);
  }
  return { ok: true, entries, whole: false };
}

/** An import whose process ended in the middle of it: nobody will switch over to what it wrote. */
async function dropStaleImports(engine: Engine): Promise<{ readonly ok: true } | Refused> {
  const staging = await engine.range({ ...allStaging, limit: collectRecordsMax });
  if (!staging.ok) return staging;
  for (const { key } of staging.entries) {
    const incarnation = incarnationOf(key);
    const staged = stagingKey(incarnation);
    const done = await engine.transact([staged], (view, now) => {
      const untilMs = view.get(staged);
      if (untilMs === undefined || untilMs > now.earliestMs) return { ok: true as const };
      view.delete(staged);
      view.insert(droppedKey(incarnation), true);
      return { ok: true as const };
    });
    if (!done.ok) return done;
  }
  return { ok: true };
}
