import type { Body } from './engine.js';
import type { Call } from './call.js';
import type { Key } from '../core/keys.js';
import type { Refused } from '../core/refusals.js';
import type { RoundContext } from './rounds.js';
export function runImmediately<T>(keys: readonly Key[], body: Body<T>, context: RoundContext): Promise<T | Refused> {
  throw new Error('todo');
}
