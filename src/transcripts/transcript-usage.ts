import {
  lastPartOf,
  type LoopRecord,
  loopOf,
  loopsOf,
  loopStatesOf,
  type LoopStateRecord,
  type SessionRecord,
} from './transcript-records.js';
import { loopShape, loopStateShape, problemOf, type Shape } from './record-shapes.js';
import type { TranscriptDamage, TranscriptUsage } from './transcript-types.js';
import { onChecked, sessionIdOf } from './input-problem-rules.js';
import type { Engine } from '../engine/engine.js';
import { entriesPageMax } from './transcript-limits.js';
import { inTreeOrder } from './loop-rules.js';
import { keyAfter } from '../core/keys.js';
import type { Range } from './transcript-records.js';
import { readPage } from './record-pages.js';
import { readUnchanged } from './transcript-reading.js';
import type { Refused } from '../core/refusals.js';

interface Usage {
  readonly total: TranscriptUsage;
  readonly loops: readonly { readonly loopId: string; readonly usage: TranscriptUsage }[];
  readonly damaged?: readonly TranscriptDamage[];
}

/** What a session used: kept as sums, so that no entry is read for it. */
export function readUsage(
  engine: Engine,
  sessionId: string,
): Promise<({ readonly ok: true } & Usage) | Refused> {
  return onChecked(
    () => sessionIdOf('sessionId', sessionId),
    () => readUnchanged<Usage>(engine, sessionId, (record) => usageOf(engine, record)),
  );
}

async function usageOf(
  engine: Engine,
  record: SessionRecord,
): Promise<({ readonly ok: true } & Usage) | Refused> {
  const { incarnation, nextPosition } = record;
  const damaged: TranscriptDamage[] = [];
  const states = await readLight<LoopStateRecord>(
    engine,
    loopStatesOf(incarnation),
    { what: 'the state of the loop', shape: loopStateShape, damaged },
    ({ metadata: _m, more: _o, ...state }) => state,
  );
  if (!states.ok) return states;
  const loops = await readLight<LoopRecord>(
    engine,
    loopsOf(incarnation),
    { what: 'the loop', shape: loopShape, damaged },
    ({ config: _c, more: _o, ...loop }) => loop,
  );
  if (!loops.ok) return loops;
  // Of a loop that cannot be read its usage is there all the same, behind the others: where it stood is not known.
  const unreadable = [...states.records.keys()].filter((loopId) => !loops.records.has(loopId));
  const known = [...loops.records].filter(([, { position }]) => position <= nextPosition);
  const ordered = inTreeOrder(
    known.map(([loopId, loop]) => loopOf(loopId, loop, states.records.get(loopId))),
  ).map(({ loopId, usage }) => ({ loopId, usage }));
  const others = unreadable.map((loopId) => ({ loopId, usage: { ...states.records.get(loopId)?.usage } }));
  return {
    ok: true,
    total: { ...record.usage },
    loops: [...ordered, ...others],
    ...(damaged.length > 0 && { damaged }),
  };
}

/** All records of a range without what may be large in them, a page at a time, by the last part of their keys. */
async function readLight<T>(
  engine: Engine,
  range: Range<T>,
  {
    what,
    shape,
    damaged,
  }: { readonly what: string; readonly shape: Shape; readonly damaged: TranscriptDamage[] },
  lighten: (record: T) => T,
): Promise<{ readonly ok: true; readonly records: ReadonlyMap<string, T> } | Refused> {
  const records = new Map<string, T>();
  for (let { start } = range; ;) {
    const page = await readPage<T>(engine, { start, end: range.end }, entriesPageMax, false);
    if (!page.ok) return page;
    for (const key of page.unreadable)
      damaged.push({ what: `${what} ${lastPartOf(key)}`, problem: 'is damaged' });
    for (const { key, value } of page.found) {
      const problem = problemOf(value, shape);
      if (problem === undefined) records.set(lastPartOf(key), lighten(value));
      else damaged.push({ what: `${what} ${lastPartOf(key)}`, problem });
    }
    if (page.last === undefined) return { ok: true, records };
    start = keyAfter(page.last) as typeof start;
  }
}
