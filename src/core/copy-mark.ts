import { encodeKey, type Key } from './keys.js';
import { AmbitError } from './errors.js';
import type { Value } from './json.js';

/**
 * Under this key a copy that is not finished keeps how far it has come, in its target. Whoever opens a store looks there once:
 * what is done in a half-filled store would be lost, or be done without knowing of sessions that are still to come.
 */
export const copyMarkKey: Key = encodeKey(['ambit-copy']);

/** The error for a store that bears the mark; undefined for any other, and where what lay there was deleted. */
export function unfinishedCopy(mark: { readonly value: Value } | undefined): AmbitError | undefined {
  if (mark === undefined || mark.value.text === 'null') return undefined;
  return new AmbitError(
    'COPY_UNFINISHED',
    `this store is the target of a copy of ${sourceOf(mark.value)} that is not finished; resume it (ambit copy FROM TO), or delete this store`,
  );
}

function sourceOf(value: Value): string {
  const { source } = value.json as { readonly source?: unknown };
  return typeof source === 'string' ? source : 'another store';
}
