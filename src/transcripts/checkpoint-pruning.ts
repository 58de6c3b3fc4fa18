import {
  checkpointKey,
  type CheckpointRecord,
  checkpointsOf,
  type PlaceKeys,
  valuesBefore,
  writesOf,
} from './checkpoint-records.js';
import { collectBatchMax } from './transcript-limits.js';
import { decodeKey, type Key } from '../core/keys.js';
import { deleteAll, piecesOf } from './transcript-collecting.js';
import type { Engine } from '../engine/engine.js';
import { keyName } from './checkpoint-names.js';
import { prunable } from './checkpoint-rules.js';
import { readAll } from './record-pages.js';
import type { Refused } from '../core/refusals.js';

type Pruned = { readonly ok: true; readonly deleted: number };

/**
 * Deletes old checkpoints of a namespace, with their writes, and then the values that none of those left refers to. A reader
 * of an old one meanwhile finds it, or finds that it is gone.
 */
export async function pruneNamespace(
  engine: Engine,
  place: PlaceKeys,
  keep: number,
): Promise<Pruned | Refused> {
  const all = await readAll(engine, checkpointsOf(place));
  if (!all.ok) return all;
  const newestFirst = all.found.map(({ value }) => value).reverse();
  const old = prunable(newestFirst, keep);
  if (old.length === 0) return { ok: true, deleted: 0 };
  for (const record of old) {
    const writes = await readAll(engine, writesOf(place, record.checkpointId));
    if (!writes.ok) return writes;
    const keys: Key[] = [checkpointKey(place, record.checkpointId), ...writes.found.map(({ key }) => key)];
    const done = await deletePages(
      engine,
      keys,
      [record, ...writes.found.map(({ value }) => value)].flatMap(piecesOf),
    );
    if (!done.ok) return done;
  }
  // Read again: what was put meanwhile may have taken over values from one that was there still.
  const left = await readAll(engine, checkpointsOf(place));
  if (!left.ok) return left;
  const done = await deleteUnused(engine, place, left.found.map(({ value }) => value).reverse());
  return done.ok ? { ok: true, deleted: old.length } : done;
}

/** Values of checkpoints before the newest that no checkpoint refers to any more. */
async function deleteUnused(
  engine: Engine,
  place: PlaceKeys,
  kept: readonly CheckpointRecord[],
): Promise<{ readonly ok: true } | Refused> {
  const [newest] = kept;
  if (!newest) return { ok: true };
  const used = new Set(
    kept.flatMap(({ values }) => values.map(([channel, , writer]) => `${writer} ${keyName(channel)}`)),
  );
  // Those of the newest one may be under way to be referred to.
  const values = await readAll(engine, valuesBefore(place, newest.checkpointId));
  if (!values.ok) return values;
  const unused = values.found.filter(({ key }) => {
    const [, , , writer, channel] = decodeKey(key);
    return !used.has(`${writer} ${channel}`);
  });
  return deletePages(
    engine,
    unused.map(({ key }) => key),
    unused.flatMap(({ value }) => piecesOf(value)),
  );
}

async function deletePages(
  engine: Engine,
  keys: readonly Key[],
  sets: readonly string[],
): Promise<{ readonly ok: true } | Refused> {
  for (let index = 0; index < keys.length; index += collectBatchMax) {
    const done = await deleteAll(engine, keys.slice(index, index + collectBatchMax), index === 0 ? sets : []);
    if (!done.ok) return done;
  }
  return { ok: true };
}
