import { contendedForMs, contendedKeysMax } from './engine-limits.js';
import type { Key } from '../core/keys.js';

/** The keys that lost a commit a moment ago, which are queued for at the store instead of raced for. */
export interface ContendedKeys {
  add(key: Key): void;
  hasAny(keys: readonly Key[]): boolean;
}

export function createContendedKeys(monotonicMs: () => number): ContendedKeys {
  const untilMs = new Map<Key, number>();

  return {
    add(key) {
      // Deleted first, so that the map stays in order of age.
      untilMs.delete(key);
      untilMs.set(key, monotonicMs() + contendedForMs);
      for (const oldest of untilMs.keys()) {
        if (untilMs.size <= contendedKeysMax) break;
        untilMs.delete(oldest);
      }
    },
    hasAny(keys) {
      if (untilMs.size === 0) return false;
      const nowMs = monotonicMs();
      for (const [key, until] of untilMs) {
        if (until > nowMs) break;
        untilMs.delete(key);
      }
      return keys.some((key) => untilMs.has(key));
    },
  };
}
