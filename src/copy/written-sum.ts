import { createHash } from 'node:crypto';
import type { Key } from '../storage/storage.js';

/**
 * A sum over a set of records, in any order. A copy keeps that of all it has written: where the target's own is another,
 * somebody else has written there. Of keys and versions, since every write mints a version that was never used before.
 */
export class WrittenSum {
  #sum: bigint;

  constructor(text = '0') {
    this.#sum = BigInt(`0x${text}`);
  }

  add(record: { readonly key: Key; readonly version: string }): void {
    this.#sum = BigInt.asUintN(bits, this.#sum + termOf(record));
  }

  remove(record: { readonly key: Key; readonly version: string }): void {
    this.#sum = BigInt.asUintN(bits, this.#sum - termOf(record));
  }

  /** Hexadecimal: what the constructor takes. */
  get text(): string {
    return this.#sum.toString(16);
  }
}

/** Far more than what two different sets come to by chance. */
const bits = 128;

function termOf({ key, version }: { readonly key: Key; readonly version: string }): bigint {
  // No version holds a space.
  const hash = createHash('sha256').update(`${version} ${key}`).digest('hex');
  return BigInt(`0x${hash.slice(0, bits / 4)}`);
}
