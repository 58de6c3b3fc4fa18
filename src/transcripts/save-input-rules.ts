import type {
  ChildRecord,
  EntryRecord,
  LoopRecord,
  LoopStateRecord,
  SessionRecord,
} from './transcript-records.js';
import { oneOf, wrong } from '../core/input-rules.js';
import {
  addUsage,
  agentIdOf,
  boundedFields,
  objectOf,
  sessionIdOf,
  summedUsage,
  text,
  timeOf,
  usageOf,
} from './input-problem-rules.js';
import { checkContent, type PlannedEntry, savedEntry } from './entry-input-rules.js';
import { checkParent } from './session-input-rules.js';
import { entryTypes, formations, loopKinds, loopStatuses, scopes } from './record-shapes.js';
import {
  configBytesMax,
  innerIdCharsMax,
  lostCharsMax,
  lostRecordsMax,
  metadataBytesMax,
  schemaVersion,
} from './transcript-limits.js';
import type { TranscriptCounts, TranscriptDamage, TranscriptUsage } from './transcript-types.js';
import { withoutSecrets } from './secret-rules.js';

/** A whole transcript that was checked, as records without their keys. */
export interface CheckedTranscript {
  readonly sessionId: string;
  readonly session: Omit<
    SessionRecord,
    'incarnation' | 'identity' | 'indexedAtMs' | 'createdAtMs' | 'lastActiveAtMs' | 'revision' | 'expiresAtMs'
  >;
  readonly createdAtMs: number | undefined;
  readonly lastActiveAtMs: number | undefined;
  readonly expiresAtMs: number | undefined;
  /** What it was loaded as. */
  readonly loaded: { readonly incarnation: string; readonly revision: number | undefined } | undefined;
  /** Whether it was loaded in part only. */
  readonly isPart: boolean;
  readonly loops: readonly CheckedLoop[];
  readonly selected: ReadonlyMap<string, string>;
  readonly children: readonly (ChildRecord & { readonly sessionId: string })[];
  readonly entries: readonly CheckedEntry[];
}

export interface CheckedLoop {
  readonly loopId: string;
  readonly record: LoopRecord;
  readonly state: LoopStateRecord;
}

export interface CheckedEntry {
  readonly position: number;
  readonly loopId: string;
  readonly atMs: number;
  readonly planned: PlannedEntry;
}

type Fields = Readonly<Record<string, unknown>>;

const optional = <T>(value: unknown, check: (value: unknown) => T): T | undefined =>
  value === undefined ? undefined : check(value);

/**
 * Checks a whole transcript, and copies it. Fields that are not known are kept.
 *
 * @param nowMs the time of what says none
 * @param mint makes ids of turns and of a first loop that were not given
 */
export function checkTranscript(input: unknown, nowMs: number, mint: () => string): CheckedTranscript {
  const file = objectOf('a transcript', input);
  const schema = optional(file.schema, (value) => timeOf('schema', value)) ?? schemaVersion;
  if (schema > schemaVersion)
    wrong('schema', `is ${schema}: a later version of Ambit wrote it; update Ambit to read it`);
  const listed = listOf('entries', file.entries);
  const firstLoopId = mint();
  const entries = checkSavedEntries(listed, nowMs, mint, firstLoopId);
  const loopInputs = listOf('loops', file.loops);
  if (loopInputs.length === 0 && entries.length > 0) loopInputs.push({ loopId: firstLoopId });
  const loops = checkSavedLoops(loopInputs, entries, nowMs);
  const known = new Set(loops.map(({ loopId }) => loopId));
  const stray = entries.find(({ loopId }) => !known.has(loopId));
  if (stray) wrong('entries', `has one at position ${stray.position} of a loop that is not among the loops`);
  const session = objectOf('session', file.session);
  const nextPosition = nextPositionOf(session, loops, entries);
  const isPart = file.part !== undefined && file.part !== null;
  const saved = checkSavedSession(session, known, loops, isPart);
  const lost = lostOf([...listOf('session.lost', session.lost), ...listOf('damaged', file.damaged)]);
  return {
    ...saved,
    session: {
      ...saved.session,
      ...(lost.length > 0 && { lost }),
      nextPosition,
      counts: countsOf(loops, entries),
      usage: loops.reduce<TranscriptUsage>((sum, { state }) => addUsage(sum, state.usage), {}),
    },
    isPart,
    loops,
    selected: selectedOf(listOf('groups', file.groups), known),
    children: listOf('children', file.children).map(checkChild),
    entries,
  };
}

/**
 * Behind everything that has a position, also where it was folded into an entry before it: what is appended below the
 * position of its loop is none of its branch.
 */
function nextPositionOf(
  session: Fields,
  loops: readonly CheckedLoop[],
  entries: readonly CheckedEntry[],
): number {
  // Without a loop there is nothing that could lie behind it.
  const given =
    loops.length === 0
      ? 0
      : (optional(session.nextPosition, (value) => timeOf('session.nextPosition', value)) ?? 0);
  const behind = Math.max(given, (entries.at(-1)?.position ?? -1) + 1);
  return loops.reduce((next, { record }) => Math.max(next, record.position), behind);
}

function listOf(field: string, value: unknown): unknown[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new TypeError(`${field} must be an array`);
  return [...(value as readonly unknown[])];
}

type SavedSession = Pick<
  CheckedTranscript,
  'sessionId' | 'createdAtMs' | 'lastActiveAtMs' | 'expiresAtMs' | 'loaded'
> & {
  readonly session: Omit<CheckedTranscript['session'], 'nextPosition' | 'counts' | 'usage'>;
};

function checkSavedSession(
  input: Fields,
  known: ReadonlySet<string>,
  loops: readonly CheckedLoop[],
  isPart: boolean,
): SavedSession {
  const {
    sessionId,
    agentId,
    incarnation,
    revision,
    formation,
    scope,
    createdAtMs,
    lastActiveAtMs,
    expiresAtMs,
    parent,
    forkedFrom,
    previousSessionId,
    metadata,
    currentLoopId,
    lost: _lost,
    schema: _s,
    nextPosition: _n,
    counts: _c,
    usage: _u,
    ...more
  } = input;
  const named = optional(currentLoopId, (value) => text('session.currentLoopId', value, innerIdCharsMax));
  // The current loop of the whole need not be among those of a part.
  const isElsewhere = isPart && named !== undefined && !known.has(named);
  const current = (isElsewhere ? undefined : named) ?? loops.at(-1)?.loopId;
  if (current !== undefined && !known.has(current)) wrong('session.currentLoopId', 'is none of the loops');
  const others = boundedFields('session', more, metadataBytesMax);
  const held = optional(metadata, (value) => boundedFields('session.metadata', value, metadataBytesMax));
  const above = optional(parent, checkParent);
  const forked = optional(forkedFrom, (value) =>
    boundedFields('session.forkedFrom', value, metadataBytesMax),
  );
  const previous = optional(previousSessionId, (value) => sessionIdOf('session.previousSessionId', value));
  return {
    sessionId: sessionIdOf('session.sessionId', sessionId),
    createdAtMs: optional(createdAtMs, (value) => timeOf('session.createdAtMs', value)),
    lastActiveAtMs: optional(lastActiveAtMs, (value) => timeOf('session.lastActiveAtMs', value)),
    expiresAtMs: optional(expiresAtMs, (value) => timeOf('session.expiresAtMs', value)),
    loaded:
      incarnation === undefined
        ? undefined
        : {
            incarnation: text('session.incarnation', incarnation, innerIdCharsMax),
            revision: optional(revision, (value) => timeOf('session.revision', value)),
          },
    session: {
      schema: schemaVersion,
      agentId: agentIdOf(agentId),
      formation: formation === undefined ? 'explicit' : oneOf('session.formation', formation, formations),
      scope: scope === undefined ? 'persistent' : oneOf('session.scope', scope, scopes),
      ...(above && { parent: above }),
      ...(forked && { forkedFrom: forked as unknown as NonNullable<SessionRecord['forkedFrom']> }),
      ...(previous !== undefined && { previousSessionId: previous }),
      ...(held && { metadata: held }),
      currentLoopId: current ?? null,
      ...(Object.keys(others).length > 0 && { more: others }),
    },
  };
}

function checkSavedEntries(
  inputs: readonly unknown[],
  nowMs: number,
  mint: () => string,
  firstLoopId: string,
): CheckedEntry[] {
  let next = 0;
  let loopId = firstLoopId;
  return inputs.map((input, index) => {
    const where = `entries[${index}]`;
    const fields = objectOf(where, input);
    const type = oneOf(`${where}.type`, fields.type, entryTypes);
    const planned = checkContent(type, fields, where, mint, savedEntry);
    const position = optional(fields.position, (value) => timeOf(`${where}.position`, value)) ?? next;
    if (position < next)
      wrong(
        `${where}.position`,
        `is ${position}, and those before it end at ${next - 1}; list entries in order`,
      );
    next = position + 1;
    loopId = planned.loopId ?? loopId;
    return { position, loopId, atMs: planned.atMs ?? nowMs, planned };
  });
}

/** What the entries say of a loop: where it begins, and what it used. */
interface LoopContent {
  readonly begins: ReadonlyMap<string, number>;
  /** The same, with its children's: where a loop begins that has none of its own. */
  readonly startsBy: ReadonlyMap<string, number>;
  readonly usages: ReadonlyMap<string, TranscriptUsage>;
  readonly end: number;
}

function contentOfLoops(entries: readonly CheckedEntry[], inputs: readonly unknown[]): LoopContent {
  const usages = new Map<string, TranscriptUsage>();
  const begins = new Map<string, number>();
  for (const { loopId, position, planned } of entries) {
    if (!begins.has(loopId)) begins.set(loopId, position);
    usages.set(loopId, addUsage(usages.get(loopId) ?? {}, planned.usage));
  }
  const startsBy = new Map(begins);
  // Children come behind their parents, so backwards each is complete when its parent is looked at.
  for (const input of inputs.toReversed()) {
    const { loopId, parentLoopId, position } = objectOf('loops', input);
    const start = typeof position === 'number' ? position : startsBy.get(String(loopId));
    if (start === undefined || typeof parentLoopId !== 'string') continue;
    startsBy.set(parentLoopId, Math.min(start, startsBy.get(parentLoopId) ?? start));
  }
  return { begins, startsBy, usages, end: (entries.at(-1)?.position ?? -1) + 1 };
}

function checkSavedLoops(
  inputs: readonly unknown[],
  entries: readonly CheckedEntry[],
  nowMs: number,
): CheckedLoop[] {
  const content = contentOfLoops(entries, inputs);
  const byId = new Map<string, CheckedLoop>();
  for (const [index, input] of inputs.entries()) {
    const loop = checkSavedLoop(objectOf(`loops[${index}]`, input), `loops[${index}]`, byId, content, nowMs);
    byId.set(loop.loopId, loop);
  }
  return [...byId.values()];
}

function checkSavedLoop(
  input: Fields,
  where: string,
  byId: ReadonlyMap<string, CheckedLoop>,
  content: LoopContent,
  nowMs: number,
): CheckedLoop {
  const { loopId, status, metadata, usage, endedAtMs } = input;
  const id = text(`${where}.loopId`, loopId, innerIdCharsMax);
  if (byId.has(id)) wrong(`${where}.loopId`, 'is that of another loop, too');
  const held = optional(metadata, (value) => boundedFields(`${where}.metadata`, value, metadataBytesMax));
  return {
    loopId: id,
    record: checkLoopRecord(input, id, where, byId, content, nowMs),
    state: {
      schema: schemaVersion,
      status: status === undefined ? 'completed' : oneOf(`${where}.status`, status, loopStatuses),
      endedAtMs: optional(endedAtMs, (value) => timeOf(`${where}.endedAtMs`, value)) ?? null,
      ...(held && { metadata: held }),
      usage:
        optional(usage, (value) => usageOf(`${where}.usage`, value, summedUsage)) ??
        content.usages.get(id) ??
        {},
    },
  };
}

const stateFields = ['loopId', 'status', 'metadata', 'usage', 'endedAtMs', 'schema'];

function checkLoopRecord(
  input: Fields,
  id: string,
  where: string,
  byId: ReadonlyMap<string, CheckedLoop>,
  { begins, startsBy, end }: LoopContent,
  nowMs: number,
): LoopRecord {
  const { kind, parentLoopId, groupId, config, startedAtMs, position, branchesAt, ...rest } = input;
  const more = Object.fromEntries(Object.entries(rest).filter(([name]) => !stateFields.includes(name)));
  const parentId = optional(parentLoopId, (value) => text(`${where}.parentLoopId`, value, innerIdCharsMax));
  const parent = parentId === undefined ? undefined : byId.get(parentId)?.record;
  // In this order no loop can be its own ancestor.
  if (parentId !== undefined && !parent) wrong(`${where}.parentLoopId`, 'is none of the loops before it');
  const kindOf = optional(kind, (value) => oneOf(`${where}.kind`, value, loopKinds));
  const at = optional(position, (value) => timeOf(`${where}.position`, value)) ?? startsBy.get(id) ?? end;
  if (at > (begins.get(id) ?? at)) wrong(`${where}.position`, 'lies behind its first entry');
  if (parent && at < parent.position) wrong(`${where}.position`, 'lies before that of its parent');
  const branches = optional(branchesAt, (value) => timeOf(`${where}.branchesAt`, value));
  const before = kindOf === 'rerun' ? parent?.branchesAt : undefined;
  const others = boundedFields(where, more, metadataBytesMax);
  const ranWith = optional(config, (value) => boundedFields(`${where}.config`, value, configBytesMax));
  return {
    schema: schemaVersion,
    kind: kindOf ?? (parent ? 'continuation' : 'initial'),
    parentLoopId: parentId ?? null,
    groupId: optional(groupId, (value) => text(`${where}.groupId`, value, innerIdCharsMax)) ?? null,
    ...(ranWith && { config: withoutSecrets(ranWith) }),
    startedAtMs: optional(startedAtMs, (value) => timeOf(`${where}.startedAtMs`, value)) ?? nowMs,
    position: at,
    branchesAt: Math.min(branches ?? before ?? at, at),
    ...(Object.keys(others).length > 0 && { more: others }),
  };
}

function selectedOf(inputs: readonly unknown[], known: ReadonlySet<string>): ReadonlyMap<string, string> {
  const selected = new Map<string, string>();
  for (const [index, input] of inputs.entries()) {
    const { groupId, selectedLoopId } = objectOf(`groups[${index}]`, input);
    const id = text(`groups[${index}].groupId`, groupId, innerIdCharsMax);
    if (selectedLoopId === undefined) continue;
    const chosen = text(`groups[${index}].selectedLoopId`, selectedLoopId, innerIdCharsMax);
    if (!known.has(chosen)) wrong(`groups[${index}].selectedLoopId`, 'is none of the loops');
    selected.set(id, chosen);
  }
  return selected;
}

/** What was damaged in what was loaded is not in what is saved: said once, it stays said. */
function lostOf(inputs: readonly unknown[]): readonly TranscriptDamage[] {
  const lost = new Map<string, TranscriptDamage>();
  for (const input of inputs) {
    const { what, problem } = objectOf('damaged', input);
    const name = text('damaged.what', what, lostCharsMax);
    if (lost.size < lostRecordsMax)
      lost.set(name, { what: name, problem: text('damaged.problem', problem, innerIdCharsMax) });
  }
  return [...lost.values()];
}

function checkChild(input: unknown): ChildRecord & { readonly sessionId: string } {
  return { schema: schemaVersion, ...checkParent(input) };
}

function countsOf(loops: readonly CheckedLoop[], entries: readonly CheckedEntry[]): TranscriptCounts {
  const count = (type: EntryRecord['type']): number =>
    entries.filter(({ planned }) => planned.type === type).length;
  return { loops: loops.length, turns: count('turn'), messages: count('message'), events: count('event') };
}
