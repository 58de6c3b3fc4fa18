import type { ReadEntry } from './entry-reading.js';
import { addUsage } from './input-problem-rules.js';
import type { JsonFields, TranscriptUsage } from './transcript-types.js';

/**
 * Puts what was added to a turn where the turn is: fields replace those it has, usage is added. An addition to a turn that
 * is not among the entries stands by itself, so that nothing of it is lost.
 */
export function mergeTurns(entries: readonly ReadEntry[]): readonly JsonFields[] {
  const merged: JsonFields[] = [];
  const placeOf = new Map<string, number>();
  for (const entry of entries) {
    if (entry.type !== 'turn' && entry.type !== 'turn-update') {
      merged.push(entry);
      continue;
    }
    const turnId = entry.turnId as string;
    const place = entry.type === 'turn-update' ? placeOf.get(turnId) : undefined;
    if (place === undefined) {
      placeOf.set(turnId, merged.length);
      merged.push({ ...entry, type: 'turn' });
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
