import type { JsonFields, LoopKind, LoopStatus, TranscriptUsage } from './transcript-types.js';
import {
  appendBytesMax,
  appendEntriesMax,
  configBytesMax,
  entryBytesMax,
  grownEntryBytesMax,
  innerIdCharsMax,
  metadataBytesMax,
} from './transcript-limits.js';
import { oneOf, wholeOf, wrong } from '../core/input-rules.js';
import {
  boundedFields,
  objectOf,
  sentUsage,
  summedUsage,
  text,
  timeOf,
  type UsageBounds,
  usageOf,
} from './input-problem-rules.js';
import { copyFields, copyJson } from './json-rules.js';
import type { EntryRecord } from './transcript-records.js';
import { loopKinds, loopStatuses } from './record-shapes.js';
import { utf8Bytes } from '../core/text-rules.js';
import { withoutSecrets } from './secret-rules.js';

/** A loop to begin. */
export interface PlannedLoop {
  readonly is: 'loop';
  readonly loopId: string;
  readonly kind: LoopKind | undefined;
  readonly parentLoopId: string | undefined;
  readonly branchesAt: number | undefined;
  readonly groupId: string | undefined;
  readonly status: LoopStatus;
  readonly config: JsonFields | undefined;
  readonly metadata: JsonFields | undefined;
  readonly usage: TranscriptUsage | undefined;
  readonly atMs: number | undefined;
  readonly more: JsonFields | undefined;
}

/** A change of a loop. */
export interface PlannedLoopUpdate {
  readonly is: 'loop-update';
  readonly loopId: string | undefined;
  readonly status: LoopStatus | undefined;
  readonly usage: TranscriptUsage | undefined;
  readonly metadata: JsonFields | undefined;
  readonly endedAtMs: number | undefined;
  readonly selected: boolean;
}

/** An entry to add. */
export interface PlannedEntry {
  readonly is: 'entry';
  readonly type: EntryRecord['type'];
  readonly loopId: string | undefined;
  readonly atMs: number | undefined;
  readonly usage: TranscriptUsage | undefined;
  readonly fields: JsonFields;
  /** Bytes of `fields` as JSON text. */
  readonly bytes: number;
}

export type Planned = PlannedLoop | PlannedLoopUpdate | PlannedEntry;

const optional = <T>(value: unknown, check: (value: unknown) => T): T | undefined =>
  value === undefined ? undefined : check(value);

const idOf =
  (field: string) =>
  (value: unknown): string =>
    text(field, value, innerIdCharsMax);

/**
 * Checks what is to be appended, and copies it.
 *
 * @param mint makes ids of loops and turns that were not given
 */
export function checkEntries(entries: unknown, mint: () => string): readonly Planned[] {
  if (!Array.isArray(entries)) throw new TypeError('entries must be an array');
  if (entries.length === 0) wrong('entries', 'is empty');
  if (entries.length > appendEntriesMax)
    wrong('entries', `are more than ${appendEntriesMax}; append them in several calls`);
  const planned = (entries as readonly unknown[]).map((entry, index) =>
    checkEntry(entry, `entries[${index}]`, mint),
  );
  let bytes = 0;
  for (const one of planned) if (one.is === 'entry') bytes += one.bytes;
  if (bytes > appendBytesMax)
    wrong('entries', `are more than ${appendBytesMax} bytes; append them in several calls`);
  return planned;
}

function checkEntry(input: unknown, where: string, mint: () => string): Planned {
  const entry = objectOf(where, input);
  switch (entry.type) {
    case 'loop':
      return checkLoop(entry, where, mint);
    case 'loop-update':
      return checkLoopUpdate(entry, where);
    case 'turn':
    case 'turn-update':
    case 'message':
    case 'event':
    case 'overlay':
      return checkContent(entry.type, entry, where, mint);
    default:
      return wrong(
        `${where}.type`,
        'must be one of loop, loop-update, turn, turn-update, message, event, overlay',
      );
  }
}

function checkLoop(entry: Readonly<Record<string, unknown>>, where: string, mint: () => string): PlannedLoop {
  const {
    type: _type,
    loopId,
    kind,
    parentLoopId,
    branchesAt,
    groupId,
    status,
    config,
    metadata,
    usage,
    atMs,
    schema: _schema,
    position: _position,
    startedAtMs,
    endedAtMs,
    ...more
  } = entry;
  if (startedAtMs !== undefined) wrong(`${where}.startedAtMs`, 'is no field of a new loop; give atMs');
  if (endedAtMs !== undefined)
    wrong(`${where}.endedAtMs`, 'is no field of a new loop; give it in a loop-update');
  const unknown = boundedFields(where, more, metadataBytesMax);
  return {
    is: 'loop',
    loopId: optional(loopId, idOf(`${where}.loopId`)) ?? mint(),
    kind: optional(kind, (value) => oneOf(`${where}.kind`, value, loopKinds)),
    parentLoopId: optional(parentLoopId, idOf(`${where}.parentLoopId`)),
    branchesAt: optional(branchesAt, (value) => timeOf(`${where}.branchesAt`, value)),
    groupId: optional(groupId, idOf(`${where}.groupId`)),
    status: optional(status, (value) => oneOf(`${where}.status`, value, loopStatuses)) ?? 'running',
    config: optional(config, (value) =>
      withoutSecrets(boundedFields(`${where}.config`, value, configBytesMax)),
    ),
    metadata: optional(metadata, (value) => boundedFields(`${where}.metadata`, value, metadataBytesMax)),
    usage: optional(usage, (value) => usageOf(`${where}.usage`, value)),
    atMs: optional(atMs, (value) => timeOf(`${where}.atMs`, value)),
    more: Object.keys(unknown).length > 0 ? unknown : undefined,
  };
}

function checkLoopUpdate(entry: Readonly<Record<string, unknown>>, where: string): PlannedLoopUpdate {
  const { loopId, status, usage, metadata, endedAtMs, selected } = entry;
  if (selected !== undefined && selected !== true) wrong(`${where}.selected`, 'can only be true');
  return {
    is: 'loop-update',
    loopId: optional(loopId, idOf(`${where}.loopId`)),
    status: optional(status, (value) => oneOf(`${where}.status`, value, loopStatuses)),
    usage: optional(usage, (value) => usageOf(`${where}.usage`, value)),
    metadata: optional(metadata, (value) => boundedFields(`${where}.metadata`, value, metadataBytesMax)),
    endedAtMs: optional(endedAtMs, (value) => timeOf(`${where}.endedAtMs`, value)),
    selected: selected === true,
  };
}

/** How large an entry may be. */
export interface EntryBounds {
  readonly bytesMax: number;
  readonly usage: UsageBounds;
}

const sentEntry: EntryBounds = { bytesMax: entryBytesMax, usage: sentUsage };
/** A turn that is loaded has grown by what was added to it, and is saved as one entry. */
export const savedEntry: EntryBounds = { bytesMax: grownEntryBytesMax, usage: summedUsage };

/** Checks an entry, and leaves every field that is not known here as it is. */
export function checkContent(
  type: EntryRecord['type'],
  entry: Readonly<Record<string, unknown>>,
  where: string,
  mint: () => string,
  { bytesMax, usage }: EntryBounds = sentEntry,
): PlannedEntry {
  const { type: _type, loopId, atMs, schema: _schema, position: _position, ...content } = entry;
  const fields = copyFields(where, content);
  const complete = completeFields(type, fields, where, mint, usage);
  const bytes = utf8Bytes(JSON.stringify(complete));
  if (bytes > bytesMax) wrong(where, `is longer than ${bytesMax} bytes of JSON`);
  return {
    is: 'entry',
    type,
    loopId: optional(loopId, idOf(`${where}.loopId`)),
    atMs: optional(atMs, (value) => timeOf(`${where}.atMs`, value)),
    usage:
      type === 'turn' || type === 'turn-update' ? (complete.usage as TranscriptUsage | undefined) : undefined,
    fields: complete,
    bytes,
  };
}

function completeFields(
  type: EntryRecord['type'],
  fields: JsonFields,
  where: string,
  mint: () => string,
  usage: UsageBounds,
): JsonFields {
  optional(fields.turnId, idOf(`${where}.turnId`));
  if (type === 'message' || type === 'event') {
    objectOf(`${where}.${type}`, fields[type]);
    return fields;
  }
  if (type === 'overlay') {
    checkOverlay(fields, where);
    return fields;
  }
  checkTurn(fields, where, usage);
  if (fields.turnId !== undefined) return fields;
  return type === 'turn'
    ? { turnId: mint(), ...fields }
    : wrong(`${where}.turnId`, 'must be given: which turn is it?');
}

function checkOverlay(fields: JsonFields, where: string): void {
  text(`${where}.reason`, fields.reason, innerIdCharsMax);
  const from = wholeOf(`${where}.from`, fields.from, 0, Number.MAX_SAFE_INTEGER);
  wholeOf(`${where}.to`, fields.to, from, Number.MAX_SAFE_INTEGER);
  if (!Array.isArray(fields.messages)) throw new TypeError(`${where}.messages must be an array`);
  for (const message of fields.messages as readonly unknown[]) objectOf(`${where}.messages`, message);
}

function checkTurn(fields: JsonFields, where: string, usage: UsageBounds): void {
  optional(fields.usage, (value) => usageOf(`${where}.usage`, value, usage));
  optional(fields.startedAtMs, (value) => timeOf(`${where}.startedAtMs`, value));
  optional(fields.endedAtMs, (value) => timeOf(`${where}.endedAtMs`, value));
}

/** What an operation is known by, as text: the same operation sent again has the same. */
export const contentOf = (content: unknown): ReturnType<typeof copyJson> =>
  copyJson('operationContent', content);
