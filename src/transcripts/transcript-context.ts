import type { Engine } from '../engine/engine.js';
import { knownIncarnationsMax } from './transcript-limits.js';

/** What the parts of the face share. */
export interface TranscriptContext {
  readonly engine: Engine;
  readonly ephemeralLifetimeMs: number;
  /** An id that nobody ever used. */
  readonly mint: () => string;
  readonly known: KnownIncarnations;
  /** Deletes in the background what nobody can reach any more. */
  readonly collectSoon: () => void;
}

/** Incarnations seen lately, so that a call names at once the keys it will touch. A hint: a wrong one costs a look more. */
export interface KnownIncarnations {
  of(sessionId: string): string | undefined;
  see(sessionId: string, incarnation: string): void;
}

export function createKnownIncarnations(): KnownIncarnations {
  const known = new Map<string, string>();
  return {
    of: (sessionId) => known.get(sessionId),
    see(sessionId, incarnation) {
      if (known.size >= knownIncarnationsMax) known.clear();
      known.set(sessionId, incarnation);
    },
  };
}
