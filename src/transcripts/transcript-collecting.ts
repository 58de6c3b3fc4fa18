import {
  allDropped,
  allStaging,
  droppedKey,
  type EntryRecord,
  lastPartOf,
  ownedKinds,
  ownedRange,
  stagingKey,
} from './transcript-records.js';
import { collectBatchMax, collectOwnersMax, schemaVersion } from './transcript-limits.js';
import type { CheckpointRecord } from './checkpoint-records.js';
import type { Engine } from '../engine/engine.js';
import type { Key } from '../core/keys.js';
import type { Refused } from '../core/refusals.js';

type Collected = { readonly ok: true; readonly records: number };

/**
 * Deletes what nobody can reach any more, in small transactions, so that nobody's append waits behind them. What is left
 * when the process ends is collected by the next one.
 */
export async function collect(engine: Engine): Promise<Collected | Refused> {
  const given = await giveUpStale(engine);
  if (!given.ok) return given;
  let records = 0;
  for (let owners = 0; owners < collectOwnersMax; owners++) {
    const next = await engine.range<number>({ ...allDropped, limit: 1 });
    if (!next.ok) return next;
    const [first] = next.entries;
    if (!first) break;
    const collected = await collectOwner(engine, lastPartOf(first.key));
    if (!collected.ok) return collected;
    records += collected.records;
  }
  return { ok: true, records };
}

async function collectOwner(engine: Engine, owner: string): Promise<Collected | Refused> {
  let records = 0;
  for (const kind of ownedKinds) {
    for (;;) {
      const page = await engine.range<unknown>({
        ...ownedRange(kind, owner),
        limit: collectBatchMax,
        nameUnreadable: true,
      });
      if (!page.ok) return page;
      // What cannot be read cannot be compared either, and stays behind.
      const keys = page.entries.map(({ key }) => key);
      if (keys.length === 0) break;
      const sets = page.entries.flatMap(({ value }) => piecesOf(value));
      const done = await deleteAll(engine, keys, sets);
      if (!done.ok) return done;
      records += keys.length;
      if (keys.length + page.unreadable.length < collectBatchMax) break;
    }
  }
  const done = await deleteAll(engine, [droppedKey(owner)], []);
  return done.ok ? { ok: true, records } : done;
}

/** The pieces that a record refers to are owned by themselves, and given up with it. */
export function piecesOf(record: unknown): string[] {
  if (typeof record !== 'object' || record === null) return [];
  const { pieces, pieceSets } = record as Partial<EntryRecord & Pick<CheckpointRecord, 'pieceSets'>>;
  return [...(typeof pieces?.set === 'string' ? [pieces.set] : []), ...(pieceSets ?? [])];
}

/** Deletes records, and gives up the pieces they referred to. */
export function deleteAll(
  engine: Engine,
  keys: readonly Key[],
  sets: readonly string[],
): Promise<{ readonly ok: true } | Refused> {
  const dropped = sets.map(droppedKey);
  return engine.transact([...keys, ...dropped], (view) => {
    view.need([...keys, ...dropped]);
    for (const key of keys) view.delete(key);
    for (const key of dropped) view.put(key, schemaVersion);
    return { ok: true as const };
  });
}

/** Writers whose process ended in the middle: nobody will switch over to what they wrote. */
async function giveUpStale(engine: Engine): Promise<{ readonly ok: true } | Refused> {
  const staging = await engine.range<number>({ ...allStaging, limit: collectBatchMax });
  if (!staging.ok) return staging;
  for (const { key, value } of staging.entries) {
    if (value > staging.now.earliestMs) continue;
    const owner = lastPartOf(key);
    const done = await engine.transact([stagingKey(owner), droppedKey(owner)], (view) => {
      if (view.get(stagingKey(owner)) === undefined) return { ok: true as const };
      view.delete(stagingKey(owner));
      view.put(droppedKey(owner), schemaVersion);
      return { ok: true as const };
    });
    if (!done.ok) return done;
  }
  return { ok: true };
}
