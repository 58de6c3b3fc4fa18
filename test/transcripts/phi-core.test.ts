import { describe, expect, test } from 'vitest';
import { granted } from '../core/answers.js';
import { openTranscriptWorld, said, textsOf } from './transcript-world.js';
import { memoryBackend } from '../storage/backends.js';

const noUsage = { input: 0, output: 0, reasoning: 0, cache_read: 0, cache_write: 0, total_tokens: 0 };

/** A loop as phi-core writes it: every field is there, also where it holds nothing. */
const phiLoop = (
  id: string,
  parent: string | null,
  second: number,
  texts: readonly string[],
  more: object = {},
) => ({
  loop_id: id,
  session_id: 'phi',
  agent_id: 'agent',
  parent_loop_id: parent,
  continuation_kind: parent === null ? 'Initial' : 'Default',
  started_at: `2025-03-01T10:00:0${second}.123456789Z`,
  ended_at: null,
  status: 'Completed',
  rejection: null,
  config: null,
  messages: texts.map((content) => ({ role: 'user', content })),
  turns: [],
  usage: noUsage,
  metadata: null,
  events: [],
  children_loop_ids: [],
  child_loop_refs: [],
  parallel_group: null,
  ...more,
});

const phiSession = (loops: readonly object[], more: object = {}) => ({
  session_id: 'phi',
  agent_id: 'agent',
  created_at: '2025-03-01T10:00:00Z',
  last_active_at: '2025-03-01T10:05:00Z',
  formation: { FirstLoop: { timestamp: '2025-03-01T10:00:00Z' } },
  parent_spawn_ref: null,
  scope: 'ephemeral',
  loops,
  ...more,
});

async function imported(file: object) {
  const world = await openTranscriptWorld(memoryBackend);
  await granted(world.transcripts.import(JSON.parse(JSON.stringify(file))));
  const { transcript } = await granted(world.transcripts.load('phi'));
  const { transcript: again } = await granted(world.transcripts.export('phi'));
  await granted(world.transcripts.import(again, { sessionId: 'again' }));
  await granted(world.transcripts.append('phi', [said('on')]));
  const seen = async (loopId: string) =>
    textsOf((await granted(world.transcripts.history('phi', { loopId }))).messages);
  return { transcript, seen };
}

describe("a session file of phi-core's is imported", () => {
  test('with loops that hold nothing, wherever in the tree they are', async () => {
    const { transcript, seen } = await imported(
      phiSession([
        phiLoop('a', null, 0, [], { status: 'Rejected', rejection: 'blocked' }),
        phiLoop('b', 'a', 1, ['one']),
        phiLoop('c', 'b', 2, [], { status: 'Aborted' }),
        phiLoop('d', 'c', 3, [], { continuation_kind: { Rerun: { tag: 'now' } } }),
        phiLoop('e', 'd', 4, ['two']),
        phiLoop('f', 'c', 5, ['three'], { continuation_kind: { Branch: { tag: 'now' } } }),
        phiLoop('g', null, 6, [], { status: 'Pending' }),
        phiLoop('h', 'g', 7, []),
      ]),
    );
    expect(transcript.loops.map(({ loopId, kind, status }) => [loopId, kind, status])).toEqual([
      ['a', 'initial', 'rejected'],
      ['b', 'continuation', 'completed'],
      ['c', 'continuation', 'aborted'],
      ['d', 'rerun', 'completed'],
      ['e', 'continuation', 'completed'],
      ['f', 'branch', 'completed'],
      ['g', 'initial', 'pending'],
      ['h', 'continuation', 'completed'],
    ]);
    expect(await seen('e')).toEqual(['one', 'two']);
    expect(await seen('f')).toEqual(['one', 'three']);
    expect(await seen('h')).toEqual(['on']);
    expect(transcript.session.currentLoopId).toBe('h');
  });

  test('without loops, and with loops in any order', async () => {
    expect((await imported(phiSession([]))).transcript.loops).toEqual([]);
    const { seen } = await imported(
      phiSession([phiLoop('z', 'y', 5, ['two']), phiLoop('y', null, 6, ['one'])]),
    );
    expect(await seen('z')).toEqual(['one', 'two', 'on']);
  });

  test('of a sub-agent whose tool call is not known yet, and of one that knows it', async () => {
    const ref = { parent_session_id: 'up', parent_loop_id: 'up.default.0' };
    const early = await imported(
      phiSession([phiLoop('a', 'up.default.0', 0, ['x'])], {
        parent_spawn_ref: { ...ref, tool_call_id: '', tool_name: '' },
      }),
    );
    expect(early.transcript.session.parent).toEqual({ sessionId: 'up', loopId: 'up.default.0' });
    expect(early.transcript.loops[0]).toMatchObject({
      kind: 'initial',
      metadata: { parentLoopId: 'up.default.0' },
    });
    const late = await imported(
      phiSession([phiLoop('a', 'up.default.0', 0, ['x'])], {
        parent_spawn_ref: { ...ref, tool_call_id: 'c1', tool_name: 'search' },
      }),
    );
    expect(late.transcript.session.parent).toMatchObject({ toolCallId: 'c1', toolName: 'search' });
    expect(
      (await imported(phiSession([], { parent_spawn_ref: null }))).transcript.session.parent,
    ).toBeUndefined();
  });

  test('with links to sub-agents that hold nothing but the session, or nothing', async () => {
    const ref = {
      tool_call_id: '',
      tool_name: null,
      child_loop_id: 'down.default.0',
      child_session_id: 'down',
    };
    const { transcript } = await imported(
      phiSession([
        phiLoop('a', null, 0, [], {
          child_loop_refs: [ref, { ...ref, child_session_id: '', child_loop_id: '' }],
        }),
      ]),
    );
    expect(transcript.children).toEqual([{ sessionId: 'down', loopId: 'a' }]);
  });

  test('with parallel loops, metadata of any size, and fields that are null', async () => {
    const group = {
      all_loop_ids: ['b', 'c'],
      selected_loop_id: 'c',
      selected_config_index: 1,
      evaluation_usage: noUsage,
    };
    const large = { note: 'x'.repeat(50_000) };
    const { transcript, seen } = await imported(
      phiSession(
        [
          phiLoop('a', null, 0, ['ask']),
          phiLoop('b', 'a', 1, ['no'], { parallel_group: { ...group, is_selected: false } }),
          phiLoop('c', 'a', 1, ['yes'], { parallel_group: { ...group, is_selected: true }, metadata: large }),
          phiLoop('d', 'a', 2, [], { continuation_kind: null, config: { model: 'm', config_id: null } }),
        ],
        { formation: { Explicit: { timestamp: '2025-03-01T10:00:00Z' } }, extra: null, state: large },
      ),
    );
    expect(transcript.groups).toMatchObject([{ loopIds: ['b', 'c'], selectedLoopId: 'c' }]);
    expect(await seen('c')).toEqual(['ask', 'yes']);
    expect(JSON.stringify(transcript)).toContain(JSON.stringify(large));
    expect(transcript.loops.at(-1)).toMatchObject({ kind: 'continuation', config: { config_id: null } });
  });
});
