import type { LoopKind, LoopStatus, SessionFormation, SessionScope } from './transcript-types.js';
import { schemaVersion } from './transcript-limits.js';

export const loopKinds: readonly LoopKind[] = ['initial', 'continuation', 'branch', 'rerun', 'compaction'];
export const loopStatuses: readonly LoopStatus[] = ['pending', 'running', 'completed', 'rejected', 'aborted'];
export const scopes: readonly SessionScope[] = ['persistent', 'ephemeral'];
export const formations: readonly SessionFormation[] = ['explicit', 'first-loop', 'inactivity'];
export const entryTypes = ['turn', 'turn-update', 'message', 'event', 'overlay'] as const;

/** What the fields of a record must be for it to be read. What is not named may be anything. */
export type Shape = Readonly<Record<string, (value: unknown) => boolean>>;

/** What is wrong with a record, or nothing. */
export function problemOf(record: unknown, shape: Shape): string | undefined {
  if (!isFields(record)) return 'is damaged';
  const { schema } = record;
  if (typeof schema !== 'number') return 'is damaged';
  if (schema > schemaVersion) return 'was written by a later version of Ambit';
  for (const field in shape) if (!shape[field]?.(record[field])) return 'is damaged';
  return undefined;
}

const isFields = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === 'string';
const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isUsage = (value: unknown): boolean => isFields(value) && Object.values(value).every(isWhole);
const isOneOf =
  (names: readonly string[]) =>
  (value: unknown): boolean =>
    names.includes(value as string);
const orNull =
  (is: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    value === null || is(value);
const orAbsent =
  (is: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    value === undefined || is(value);

export const sessionShape: Shape = {
  incarnation: isText,
  identity: isText,
  agentId: isText,
  formation: isOneOf(formations),
  scope: isOneOf(scopes),
  createdAtMs: isWhole,
  lastActiveAtMs: isWhole,
  expiresAtMs: orNull(isWhole),
  indexedAtMs: isWhole,
  operations: orAbsent(isText),
  currentLoopId: orNull(isText),
  nextPosition: isWhole,
  revision: isWhole,
  counts: isFields,
  usage: isUsage,
  metadata: orAbsent(isFields),
};

export const loopShape: Shape = {
  kind: isOneOf(loopKinds),
  parentLoopId: orNull(isText),
  groupId: orNull(isText),
  config: orAbsent(isFields),
  startedAtMs: isWhole,
  position: isWhole,
  branchesAt: isWhole,
};

export const loopStateShape: Shape = {
  status: isOneOf(loopStatuses),
  endedAtMs: orNull(isWhole),
  metadata: orAbsent(isFields),
  usage: isUsage,
};

export const groupShape: Shape = { selectedLoopId: isText };

export const childShape: Shape = {
  loopId: orAbsent(isText),
  toolCallId: orAbsent(isText),
  toolName: orAbsent(isText),
};

export const entryShape: Shape = {
  type: isOneOf(entryTypes),
  loopId: isText,
  atMs: isWhole,
  pieces: orAbsent((value) => isFields(value) && isText(value.set) && isWhole(value.count)),
};

const turnShape: Shape = { turnId: isText, usage: orAbsent(isUsage) };
const contentShapes: Readonly<Record<(typeof entryTypes)[number], Shape>> = {
  turn: turnShape,
  'turn-update': turnShape,
  message: { message: isFields },
  event: { event: isFields },
  overlay: {
    reason: isText,
    from: isWhole,
    to: isWhole,
    messages: (value) => Array.isArray(value) && value.every(isFields),
  },
};

/** Whether this is what an entry of a type holds. */
export function isContent(
  type: (typeof entryTypes)[number],
  content: unknown,
): content is Readonly<Record<string, unknown>> {
  return isFields(content) && Object.entries(contentShapes[type]).every(([field, is]) => is(content[field]));
}
