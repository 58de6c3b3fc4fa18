import { loopKey, loopStateKey } from './transcript-records.js';
import type { Key } from '../core/keys.js';
import type { Planned } from './entry-input-rules.js';

/**
 * The records of loops that an append will look at, as far as its entries name them. Left out is what it may do without: the
 * current loop, and the states of loops that only messages go into, so that none of them which is damaged stands in its way.
 */
export function loopKeysOf(entries: readonly Planned[], incarnation: string): readonly Key[] {
  const loopIds = new Set<string>();
  const begun = new Set<string>();
  const changed = new Set<string>();
  for (const entry of entries) {
    if (entry.is === 'loop' && entry.parentLoopId !== undefined) loopIds.add(entry.parentLoopId);
    if (entry.loopId === undefined) continue;
    loopIds.add(entry.loopId);
    if (entry.is === 'loop') begun.add(entry.loopId);
    else if (entry.is === 'loop-update' || entry.usage) changed.add(entry.loopId);
  }
  const states = [...changed].filter((loopId) => !begun.has(loopId));
  return [
    ...[...loopIds].map((loopId) => loopKey(incarnation, loopId)),
    ...states.map((loopId) => loopStateKey(incarnation, loopId)),
  ];
}
