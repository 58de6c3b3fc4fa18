import type { ReadEntry } from './entry-reading.js';
import { addUsage } from './input-problem-rules.js';
import type { JsonFields, TranscriptUsage } from './transcript-types.js';

/**
 * Puts what was added to a turn where the turn is: fields replace those it has, usage is added. It goes to the last turn before
 * it that has its id. An addition to a turn that is not among the entries stands by itself as what it is, so that nothing of it is lost
 * and nobody takes it for a turn.
 */
export function mergeTurns(entries: readonly ReadEntry[]): readonly JsonFields[] {
  const merged: JsonFields[] = [];
  const placeOf = new Map<string, number>();
  for (const entry of entries) {
    const turnId = entry.turnId as string;
    const place = entry.type === 'turn-update' ? placeOf.get(turnId) : undefined;
    if (entry.type === 'turn') placeOf.set(turnId, merged.length);
    if (place === undefined) {
      merged.push(entry);
      continue;
    }
    const turn = merged[place] as JsonFields;
    const {
      type: _type,
      position: _position,
      loopId: _loopId,
      atMs: _atMs,
      schema: _schema,
      usage,
      ...fields
    } = entry;
    merged[place] = {
      ...turn,
      ...fields,
      ...(usage !== undefined && {
        usage: addUsage((turn.usage ?? {}) as TranscriptUsage, usage as unknown as TranscriptUsage),
      }),
    };
  }
  return merged;
}
