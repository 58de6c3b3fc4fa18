import type { Collector } from './scope-collecting.js';
import { copyValue } from './value-rules.js';
import type { Engine } from '../engine/engine.js';
import type { EntryRecord } from './scope-records.js';
import type { EphemeralNotes } from './ephemeral-notes.js';
import type { KnownScopes } from './known-scopes.js';
import type { PendingWrites } from './pending-writes.js';
import type { ScopeEntry } from './scope-types.js';

/** What the parts of the face share. */
export interface ScopeContext {
  readonly engine: Engine;
  readonly notes: EphemeralNotes;
  readonly known: KnownScopes;
  readonly pending: PendingWrites;
  readonly entriesMax: number;
  readonly valueBytesMax: number;
  /** A version, or an incarnation, that nobody ever used. */
  readonly mint: () => string;
  readonly collector: Collector;
  /** Lets everybody else in this process go first: what walks far does not hold the event loop. */
  readonly breathe: () => Promise<void>;
}

/** A persistent entry as callers see it. */
export function entryOf(key: string, record: EntryRecord): ScopeEntry {
  return {
    key,
    value: copyValue(record.value),
    layer: 'persistent',
    createdAtMs: record.createdAtMs,
    updatedAtMs: record.updatedAtMs,
    ...(record.sourceStep !== null && { sourceStep: record.sourceStep }),
    ...(record.expiresAtMs !== null && { expiresAtMs: record.expiresAtMs }),
    version: record.version,
  };
}
