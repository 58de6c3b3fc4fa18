import type { Key } from '../storage/storage.js';
import type { Change } from './instrumented-storage.js';

/**
 * Finds what cannot have happened to a store that loses no update. The life of a key is a chain, in which each change
 * takes up the version that another one left: no version is left twice, taken up twice, or taken up without having been
 * left. This holds for the changes of all handles together and needs no clock.
 *
 * @param changes of every writer since the store was empty, in any order
 * @returns one line for each breach; none if all is well
 * @example
 * ```ts
 * import { memoryStorage } from 'ambit/memory';
 * import { findBrokenChains, instrumentedStorage } from 'ambit/testing';
 * const storage = instrumentedStorage(memoryStorage());
 * findBrokenChains(storage.changes); // []
 * ```
 */
export function findBrokenChains(changes: Iterable<Change>): string[] {
  const byKey = new Map<Key, Change[]>();
  for (const change of changes) {
    const known = byKey.get(change.key);
    if (known) known.push(change);
    else byKey.set(change.key, [change]);
  }
  return [...byKey].flatMap(([key, all]) => breaches(all).map((breach) => `${key}: ${breach}`));
}

function breaches(changes: readonly Change[]): string[] {
  const found: string[] = [];
  const certain = changes.filter((change) => change.certain);
  const written = new Set(changes.map((change) => change.to));
  const takenUp = new Set<string>();
  const left = new Set<string>();
  for (const { from, to } of certain) {
    if (typeof from === 'string') {
      if (takenUp.has(from)) found.push(`version ${from} was replaced twice`);
      if (!written.has(from)) found.push(`version ${from} was replaced, and nobody wrote it`);
      takenUp.add(from);
    }
    if (typeof to === 'string') {
      if (left.has(to)) found.push(`version ${to} was written twice`);
      left.add(to);
    }
  }
  // Each creation but the last must have ended in a deletion. What is uncertain may have been one.
  const creations = certain.filter((change) => change.from === null).length;
  const deletions = changes.filter((change) => change.to === null).length;
  if (creations > deletions + 1) found.push(`created ${creations} times, deleted ${deletions} times`);
  return found;
}
