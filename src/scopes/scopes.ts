import { type CollectorPace, createCollector } from './scope-collecting.js';
import { createEphemeralNotes, type ProcessClock } from './ephemeral-notes.js';
import type { Scopes, ScopeSettings } from './scope-types.js';
import { checkedSettings } from './scope-settings.js';
import { createKnownScopes } from './known-scopes.js';
import { createPendingWrites } from './pending-writes.js';
import type { Engine } from '../engine/engine.js';
import { entryOperations } from './entry-operations.js';
import { noteOperations } from './note-operations.js';
import type { ScopeContext } from './scope-context.js';
import { scopeOperations } from './scope-operations.js';
import { setImmediate } from 'node:timers/promises';
import { walkOperations } from './walk-operations.js';

/** What scopes are given from outside: all that is neither a rule nor the store. */
export interface ScopeSurroundings {
  /** Random, and never drawn by another face on the same store: part of every version. */
  readonly faceId: string;
  /** The clocks of this process; those of Node unless a test has its own. */
  readonly clock?: ProcessClock;
}

/** Scopes, and how to end what they do in the background. */
export interface OpenScopes {
  readonly scopes: Scopes;
  /** Collects no more. What is left, the next one to open the store collects. */
  stop(): void;
}

/**
 * Scoped memory over an engine.
 *
 * @throws AmbitError `INVALID_INPUT` for settings out of their bounds
 */
export function createScopes(
  engine: Engine,
  settings: ScopeSettings | undefined,
  { faceId, clock = nodeClock }: ScopeSurroundings,
): OpenScopes {
  const { entriesMax, valueBytesMax, ...bounds } = checkedSettings(settings);
  const pace = createPace(clock);
  let minted = 0;
  const context: ScopeContext = {
    engine,
    notes: createEphemeralNotes(clock, bounds),
    known: createKnownScopes(),
    pending: createPendingWrites(),
    entriesMax,
    valueBytesMax,
    mint: () => `${faceId}.${(minted++).toString(36)}`,
    collector: createCollector(engine, pace),
    breathe: () => setImmediate(),
  };
  return {
    scopes: {
      ...noteOperations(context),
      ...entryOperations(context),
      ...walkOperations(context),
      ...scopeOperations(context),
    },
    stop: pace.stop,
  };
}

const nodeClock: ProcessClock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };

/** A collector that rests goes on at once when it is told to end. */
function createPace({ monotonicMs }: ProcessClock): CollectorPace & { stop(): void } {
  let stopped = false;
  const resting = new Set<() => void>();
  return {
    monotonicMs,
    stopped: () => stopped,
    pause(forMs) {
      if (stopped) return setImmediate();
      return new Promise((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          resting.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, forMs);
        resting.add(wake);
      });
    },
    stop() {
      stopped = true;
      for (const wake of resting) wake();
    },
  };
}
