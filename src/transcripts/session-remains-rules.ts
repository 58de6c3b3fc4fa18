import { nameProblem, quoted } from '../core/text-rules.js';
import { agentIdCharsMax, innerIdCharsMax, schemaVersion } from './transcript-limits.js';
import { childKey, droppedKey, indexKeys, type SessionRecord, sessionKey } from './transcript-records.js';
import { AmbitError } from '../core/errors.js';
import type { View } from '../engine/engine.js';

/** What can still be made out of a damaged session's record: what is none of these may lie anywhere, and stays there. */
export interface SessionRemains extends Partial<
  Pick<SessionRecord, 'incarnation' | 'identity' | 'operations' | 'parentIdentity' | 'revision'>
> {
  readonly index: Pick<SessionRecord, 'agentId' | 'indexedAtMs'> | undefined;
}

/**
 * Reads what is left of a record.
 *
 * @throws AmbitError `STORE_CORRUPT` where its text is no JSON: the engine compares what it replaces, and cannot
 */
export function remainsOf(sessionId: string, record: unknown): SessionRemains {
  if (record === undefined)
    throw new AmbitError(
      'STORE_CORRUPT',
      `the record of the transcript ${quoted(sessionId)} is damaged: its text is no JSON, and nothing is written over it; go on under another id`,
    );
  const fields: Readonly<Record<string, unknown>> =
    typeof record === 'object' && record !== null ? (record as Readonly<Record<string, unknown>>) : {};
  const { agentId, indexedAtMs, revision } = fields;
  const idOf = (name: 'incarnation' | 'identity' | 'operations' | 'parentIdentity'): object =>
    isName(fields[name], innerIdCharsMax) ? { [name]: fields[name] } : {};
  return {
    ...idOf('incarnation'),
    ...idOf('identity'),
    ...idOf('operations'),
    ...idOf('parentIdentity'),
    ...(isWhole(revision) && { revision }),
    index: isName(agentId, agentIdCharsMax) && isWhole(indexedAtMs) ? { agentId, indexedAtMs } : undefined,
  };
}

/** Makes what remains of a session unreachable. */
export function dropRemains(view: View, sessionId: string, remains: SessionRemains): void {
  const { incarnation, identity, operations, parentIdentity, index } = remains;
  if (index) for (const key of indexKeys(sessionId, index)) view.delete(key);
  view.delete(sessionKey(sessionId));
  if (parentIdentity !== undefined) view.delete(childKey(parentIdentity, sessionId));
  // Put: of a damaged record nobody knows that nothing else dropped the same.
  for (const owner of [incarnation, identity, operations])
    if (owner !== undefined) view.put(droppedKey(owner), schemaVersion);
}

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isName = (value: unknown, charsMax: number): value is string =>
  typeof value === 'string' && nameProblem(value, charsMax) === undefined;
