import type { Engine } from '../engine/engine.js';
import { knownOperationsMax } from './transcript-limits.js';

/** What the parts of the face share. */
export interface TranscriptContext {
  readonly engine: Engine;
  readonly ephemeralLifetimeMs: number;
  /** An id that nobody ever used. */
  readonly mint: () => string;
  readonly known: KnownOperations;
  /** Deletes in the background what nobody can reach any more. */
  readonly collectSoon: () => void;
}

/** Where the operations of sessions lie, as seen lately, so that a call names at once the keys it will touch. A hint: a wrong one costs a look more. */
export interface KnownOperations {
  of(sessionId: string): string | undefined;
  see(sessionId: string, operations: string): void;
}

export function createKnownOperations(): KnownOperations {
  const known = new Map<string, string>();
  return {
    of: (sessionId) => known.get(sessionId),
    see(sessionId, operations) {
      if (known.size >= knownOperationsMax) known.clear();
      known.set(sessionId, operations);
    },
  };
}
