import { oneOf, wholeOf } from '../core/input-rules.js';
import { agentIdOf, boundedFields, objectOf, onlyFields, sessionIdOf, text } from './input-problem-rules.js';
import { inactiveMsMax, innerIdCharsMax, metadataBytesMax } from './transcript-limits.js';
import type { JsonFields, SessionScope, TranscriptParent } from './transcript-types.js';
import type { NewTranscript } from './transcript-input-types.js';
import { scopes } from './record-shapes.js';

/** A new session with every default filled in. */
export interface CheckedSession {
  readonly agentId: string;
  readonly scope: SessionScope;
  readonly parent: TranscriptParent | undefined;
  readonly metadata: JsonFields | undefined;
}

const sessionFields: readonly (keyof NewTranscript)[] = [
  'sessionId',
  'agentId',
  'scope',
  'parent',
  'metadata',
];

export function checkNewSession(input: object, alsoKnown: readonly string[] = []): CheckedSession {
  const { agentId, scope, parent, metadata } = objectOf('a session', input);
  onlyFields('a session', input, [...sessionFields, ...alsoKnown]);
  return {
    agentId: agentIdOf(agentId),
    scope: scope === undefined ? 'persistent' : oneOf('scope', scope, scopes),
    parent: parent === undefined ? undefined : checkParent(parent),
    metadata: metadata === undefined ? undefined : boundedFields('metadata', metadata, metadataBytesMax),
  };
}

export function checkParent(input: unknown): TranscriptParent {
  const { sessionId, loopId, toolCallId, toolName } = objectOf('parent', input);
  onlyFields('parent', input as object, ['sessionId', 'loopId', 'toolCallId', 'toolName']);
  const optional = (field: string, value: unknown): object =>
    value === undefined ? {} : { [field]: text(`parent.${field}`, value, innerIdCharsMax) };
  return {
    sessionId: sessionIdOf('parent.sessionId', sessionId),
    ...optional('loopId', loopId),
    ...optional('toolCallId', toolCallId),
    ...optional('toolName', toolName),
  };
}

export const checkInactiveMs = (value: unknown): number => wholeOf('inactiveMs', value, 1, inactiveMsMax);
