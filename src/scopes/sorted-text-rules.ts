import { compareKeys } from '../core/keys.js';

/** The index of the first of sorted texts that comes after this one, or, with `orIs`, is it. */
export function firstAfter(sorted: readonly string[], text: string, orIs: boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const order = compareKeys(sorted[middle] ?? '', text);
    if (order < 0 || (order === 0 && !orIs)) low = middle + 1;
    else high = middle;
  }
  return low;
}
