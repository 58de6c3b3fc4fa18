import type { Body } from './engine.js';
import type { Key } from '../core/keys.js';

/** One accepted `transact`, until it is answered. */
export interface Call {
  /** What it touches, as far as known: grows when its body touches more. */
  keys: readonly Key[];
  constants: readonly Key[];
  readonly body: Body<unknown>;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** On the monotonic clock. */
  readonly acceptedAtMs: number;
  runs: number;
}
