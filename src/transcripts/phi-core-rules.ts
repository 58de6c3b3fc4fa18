import type { JsonFields, LoopKind } from './transcript-types.js';
import { copyFields, copyJson } from './json-rules.js';
import { metadataBytesMax } from './transcript-limits.js';
import { withoutSecrets } from './secret-rules.js';

/** A field of a file that may hold anything. */
type Fields = Readonly<Record<string, unknown>>;

/** Whether a file is a session of phi-core (https://github.com/LazyBouy/phi-core, `src/session/model.rs`). */
export function isPhiCore(file: unknown): file is Fields {
  return isFields(file) && typeof file.session_id === 'string' && Array.isArray(file.loops);
}

/**
 * A session file of phi-core as a transcript. Its names are translated; what has no place in a transcript is kept as
 * metadata. It was a file, so it is imported as persistent whatever its scope says.
 */
export function transcriptOfPhiCore(file: Fields): object {
  const {
    session_id,
    agent_id,
    created_at,
    last_active_at,
    formation,
    parent_spawn_ref,
    scope,
    loops: _loops,
    ...others
  } = file;
  const records = inOrder(listOf(file.loops).filter(isFields));
  const ids = new Set(records.map(({ loop_id }) => loop_id));
  const entries: object[] = [];
  const metadata = { source: 'phi-core', scope: scope ?? 'ephemeral' };
  const more = withoutSecrets(copyFields('session', others));
  if (!isShort(more))
    entries.push({ type: 'event', loopId: records[0]?.loop_id, event: { type: 'session', ...more } });
  const loops = records.map((record) => loopOf(record, ids, entries));
  return {
    session: {
      sessionId: session_id,
      agentId: agent_id,
      ...timeField('createdAtMs', created_at),
      ...timeField('lastActiveAtMs', last_active_at),
      ...formationOf(formation),
      ...parentOf(parent_spawn_ref),
      metadata: { ...metadata, ...(isShort(more) && more) },
    },
    loops,
    groups: groupsOf(records),
    children: childrenOf(records),
    entries,
  };
}

/** Whether it may stand in metadata, with room for what stands there beside it and for characters of several bytes; else it becomes an event. */
const isShort = (fields: object): boolean => JSON.stringify(fields).length <= metadataBytesMax / 4;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const listOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? (value as readonly unknown[]) : [];

/** Loops as they began, each behind its parent. */
function inOrder(records: readonly Fields[]): Fields[] {
  const waiting = [...records].sort((a, b) => (timeOf(a.started_at) ?? 0) - (timeOf(b.started_at) ?? 0));
  const ids = new Set(records.map(({ loop_id }) => loop_id));
  const ordered: Fields[] = [];
  const placed = new Set<unknown>();
  while (waiting.length > 0) {
    const next = waiting.findIndex(({ parent_loop_id: parent }) => !ids.has(parent) || placed.has(parent));
    // Loops that are each other's parents: taken as they come, and refused afterwards.
    const [record] = waiting.splice(Math.max(next, 0), 1) as [Fields];
    ordered.push(record);
    placed.add(record.loop_id);
  }
  return ordered;
}

function loopOf(record: Fields, ids: ReadonlySet<unknown>, entries: object[]): object {
  const {
    loop_id,
    session_id: _session,
    agent_id: _agent,
    parent_loop_id,
    continuation_kind,
    started_at,
    ended_at,
    status,
    rejection,
    config,
    messages,
    turns,
    usage,
    metadata,
    events,
    children_loop_ids: _children,
    child_loop_refs: _refs,
    parallel_group,
    compaction_block,
    ...others
  } = record;
  const hasParent = ids.has(parent_loop_id);
  addEntries(record, listOf(turns), listOf(messages), entries);
  for (const event of listOf(events)) entries.push({ type: 'event', loopId: loop_id, event });
  if (isFields(compaction_block))
    entries.push({
      type: 'event',
      loopId: loop_id,
      event: { type: 'compaction_block', block: compaction_block },
    });
  const kept = {
    ...(metadata !== null && metadata !== undefined && { metadata }),
    ...(typeof rejection === 'string' && { rejection }),
    ...(!hasParent && typeof parent_loop_id === 'string' && { parentLoopId: parent_loop_id }),
    ...others,
  };
  const isHeld = isShort(kept);
  if (!isHeld) entries.push({ type: 'event', loopId: loop_id, event: { type: 'loop', ...kept } });
  return {
    loopId: loop_id,
    kind: hasParent ? kindOf(continuation_kind) : 'initial',
    ...(hasParent && { parentLoopId: parent_loop_id }),
    ...(isFields(parallel_group) && { groupId: groupIdOf(parallel_group) }),
    ...(typeof status === 'string' && { status: status.toLowerCase() }),
    ...(isFields(config) && { config }),
    ...(isHeld && Object.keys(kept).length > 0 && { metadata: kept }),
    ...usageField(usage),
    ...timeField('startedAtMs', started_at),
    ...timeField('endedAtMs', ended_at),
  };
}

/** Turns, each followed by the messages it is made of; then the messages that belong to none. */
function addEntries(
  loop: Fields,
  turns: readonly unknown[],
  messages: readonly unknown[],
  entries: object[],
): void {
  let next = 0;
  const loopId = loop.loop_id;
  for (const [index, turn] of turns.filter(isFields).entries()) {
    const {
      turn_id: _id,
      triggered_by,
      usage,
      input_messages,
      output_message,
      tool_results,
      started_at,
      ended_at,
      ...more
    } = turn;
    const turnId = `${String(loopId)}#${index}`;
    entries.push({
      ...more,
      type: 'turn',
      turnId,
      loopId,
      ...(triggered_by !== undefined && { trigger: triggered_by }),
      ...(input_messages !== undefined && { input: input_messages }),
      ...(output_message !== undefined && { output: output_message }),
      ...(tool_results !== undefined && { toolResults: tool_results }),
      ...usageField(usage),
      ...timeField('startedAtMs', started_at),
      ...timeField('endedAtMs', ended_at),
    });
    const count = listOf(input_messages).length + 1 + listOf(tool_results).length;
    for (const message of messages.slice(next, next + count))
      entries.push({ type: 'message', loopId, turnId, message });
    next += count;
  }
  for (const message of messages.slice(next)) entries.push({ type: 'message', loopId, message });
}

/** A kind is a name, or an object whose only field is the name. */
function kindOf(kind: unknown): LoopKind {
  const name = (isFields(kind) ? (Object.keys(kind)[0] ?? '') : String(kind)).toLowerCase();
  return name === 'rerun' || name === 'branch' || name === 'compaction' ? name : 'continuation';
}

function groupIdOf(group: Fields): string {
  return `parallel:${String(listOf(group.all_loop_ids)[0])}`;
}

function groupsOf(records: readonly Fields[]): object[] {
  const groups = new Map<string, object>();
  for (const { parallel_group: group } of records) {
    if (!isFields(group)) continue;
    const selected = records.some(({ loop_id }) => loop_id === group.selected_loop_id);
    groups.set(groupIdOf(group), {
      groupId: groupIdOf(group),
      ...(selected && { selectedLoopId: group.selected_loop_id }),
    });
  }
  return [...groups.values()];
}

function childrenOf(records: readonly Fields[]): object[] {
  const children = new Map<unknown, object>();
  for (const { loop_id, child_loop_refs } of records) {
    for (const ref of listOf(child_loop_refs).filter(isFields)) {
      const { child_session_id, tool_call_id, tool_name } = ref;
      const link = linkOf(child_session_id, loop_id, tool_call_id, tool_name);
      if (link) children.set(child_session_id, link);
    }
  }
  return [...children.values()];
}

function formationOf(formation: unknown): object {
  const name = isFields(formation) ? Object.keys(formation)[0] : formation;
  if (name === 'InactivityTimeout' && isFields(formation) && isFields(formation[name])) {
    const previous = formation[name].previous_session_id;
    return { formation: 'inactivity', ...(typeof previous === 'string' && { previousSessionId: previous }) };
  }
  return { formation: name === 'FirstLoop' ? 'first-loop' : 'explicit' };
}

function parentOf(ref: unknown): object {
  if (!isFields(ref)) return {};
  const { parent_session_id, parent_loop_id, tool_call_id, tool_name } = ref;
  const parent = linkOf(parent_session_id, parent_loop_id, tool_call_id, tool_name);
  return parent ? { parent } : {};
}

/** A link to another session. What its recorder does not know yet it writes as an empty text. */
function linkOf(
  sessionId: unknown,
  loopId: unknown,
  toolCallId: unknown,
  toolName: unknown,
): object | undefined {
  const known = Object.entries({ sessionId, loopId, toolCallId, toolName }).filter(
    ([, value]) => typeof value === 'string' && value !== '',
  );
  return known.some(([name]) => name === 'sessionId') ? Object.fromEntries(known) : undefined;
}

const usageNames: Readonly<Record<string, string>> = {
  input: 'inputTokens',
  output: 'outputTokens',
  reasoning: 'reasoningTokens',
  cache_read: 'cacheReadTokens',
  cache_write: 'cacheWriteTokens',
  total_tokens: 'totalTokens',
};

function usageField(usage: unknown): { readonly usage?: JsonFields } {
  if (!isFields(usage)) return {};
  const amounts = Object.entries(usage).filter(([, amount]) => Number.isSafeInteger(amount));
  return {
    usage: Object.fromEntries(
      amounts.map(([name, amount]) => [usageNames[name] ?? name, copyJson(name, amount)]),
    ),
  };
}

function timeOf(text: unknown): number | undefined {
  const ms = typeof text === 'string' ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) || ms < 0 ? undefined : ms;
}

function timeField(name: string, text: unknown): Record<string, number> {
  const ms = timeOf(text);
  return ms === undefined ? {} : { [name]: ms };
}
