import { codeOf, granted } from '../core/answers.js';
import { openTranscriptWorld, said, seen, textsOf, written } from './transcript-world.js';
import { describe, expect, test } from 'vitest';
import { memoryBackend, sqliteFastBackend } from '../storage/backends.js';

/** A session as phi-core writes it, with two loops, a branch, a turn, a sub-agent and secrets in its config. */
const phiCoreFile = {
  session_id: 'phi-1',
  agent_id: 'researcher',
  created_at: '2025-03-01T10:00:00Z',
  last_active_at: '2025-03-01T10:05:00Z',
  formation: {
    InactivityTimeout: {
      threshold_secs: 60,
      previous_session_id: 'phi-0',
      timestamp: '2025-03-01T10:00:00Z',
    },
  },
  parent_spawn_ref: null,
  model_config: { id: 'm', api_key: 'sk-very-secret-key' },
  thinking_level: null,
  scope: 'persistent',
  loops: [
    {
      loop_id: 'phi-1.default.1',
      session_id: 'phi-1',
      agent_id: 'researcher',
      parent_loop_id: 'phi-1.default.0',
      continuation_kind: { Branch: { label: 'try' } },
      started_at: '2025-03-01T10:04:00Z',
      ended_at: null,
      status: 'Running',
      rejection: null,
      config: null,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'branch' }] }],
      usage: { input: 1, output: 0, reasoning: 0, cache_read: 0, cache_write: 0, total_tokens: 1 },
      metadata: { request: 7 },
      events: [{ sequence: 0, event: { type: 'AgentStart' } }],
      children_loop_ids: [],
      child_loop_refs: [],
      parallel_group: null,
    },
    {
      loop_id: 'phi-1.default.0',
      session_id: 'phi-1',
      agent_id: 'researcher',
      parent_loop_id: null,
      continuation_kind: null,
      started_at: '2025-03-01T10:00:00Z',
      ended_at: '2025-03-01T10:03:00Z',
      status: 'Completed',
      config: { model: 'm', provider: 'p', config_id: null },
      messages: [
        { role: 'user', content: 'question' },
        { role: 'assistant', content: 'answer' },
      ],
      turns: [
        {
          turn_id: { loop_id: 'phi-1.default.0', turn_index: 0 },
          triggered_by: 'User',
          usage: { input: 10, output: 2, reasoning: 0, cache_read: 3, cache_write: 0, total_tokens: 12 },
          input_messages: [{ role: 'user', content: 'question' }],
          output_message: { role: 'assistant', content: 'answer' },
          tool_results: [],
          started_at: '2025-03-01T10:00:01Z',
          ended_at: '2025-03-01T10:00:05Z',
        },
      ],
      usage: { input: 10, output: 2, reasoning: 0, cache_read: 3, cache_write: 0, total_tokens: 12 },
      metadata: null,
      events: [],
      children_loop_ids: ['phi-1.default.1'],
      child_loop_refs: [
        {
          tool_call_id: 'c1',
          tool_name: 'search',
          child_loop_id: 'phi-2.default.0',
          child_session_id: 'phi-2',
        },
      ],
      parallel_group: null,
    },
  ],
};

describe('one session as a file', () => {
  test('is exported and imported whole, into another kind of store', async () => {
    const from = await openTranscriptWorld(memoryBackend);
    const to = await openTranscriptWorld(sqliteFastBackend);
    const { transcripts } = from;
    await granted(transcripts.append('up', [said('x')], { create: { agentId: 'a' } }));
    const entries = [
      { type: 'loop' as const, loopId: 'L1', config: { model: 'm' }, ownField: [1, { two: 2 }] },
      { type: 'turn' as const, turnId: 't', usage: { inputTokens: 3 }, ownField: null },
      said('one'),
      { type: 'event' as const, event: { name: 'x'.repeat(900_000) } },
      { type: 'loop-update' as const, status: 'completed' as const, metadata: { note: '\u0000\ud800' } },
    ];
    await granted(
      transcripts.append('s', entries, {
        create: { agentId: 'a', metadata: { a: 1 }, parent: { sessionId: 'up', toolCallId: 'c' } },
      }),
    );
    await granted(transcripts.create({ sessionId: 'down', agentId: 'b', parent: { sessionId: 's' } }));
    await granted(
      transcripts.compact('s', { messages: [{ role: 'system', content: 'short' }], keepTurns: 0 }),
    );
    const { transcript } = await granted(transcripts.export('s'));

    const file: unknown = JSON.parse(JSON.stringify(transcript));
    await granted(to.transcripts.import(file));
    const imported = (await granted(to.transcripts.export('s'))).transcript;
    const { incarnation: _i, revision: _r, ...session } = transcript.session;
    expect(imported).toEqual({
      ...transcript,
      session: expect.objectContaining(session) as unknown,
    });
    expect(await seen(to, 's')).toEqual(['short']);
    expect(await codeOf(to.transcripts.import(file))).toBe('SESSION_EXISTS');
    expect(await codeOf(to.transcripts.import(file, { replace: true }))).toBe('ok');
    expect(await codeOf(to.transcripts.import(file, { sessionId: 't' }))).toBe('ok');
    // The copy under another id started none.
    const childrenOf = async (id: string) => (await granted(to.transcripts.load(id))).transcript.children;
    expect([(await childrenOf('s')).length, await childrenOf('t')]).toEqual([1, []]);
    expect([...(await granted(to.transcripts.listIds())).ids].sort()).toEqual(['s', 't']);
  });

  test('fields of a later minor version are kept, a later layout is refused', async () => {
    const { transcripts } = await openTranscriptWorld(memoryBackend);
    const file = {
      schema: 1,
      session: { sessionId: 's', agentId: 'a', mood: 'good' },
      loops: [{ loopId: 'L', weather: { sun: true } }],
      entries: [{ type: 'message', message: { role: 'user' }, loopId: 'L', flavour: 'sour' }],
    };
    await granted(transcripts.import(file));
    await granted(transcripts.append('s', [said('more')]));
    const { transcript } = await granted(transcripts.load('s'));
    expect(transcript.session).toMatchObject({ mood: 'good' });
    expect(transcript.loops[0]).toMatchObject({ weather: { sun: true } });
    expect(transcript.entries[0]).toMatchObject({ flavour: 'sour' });
    expect(await codeOf(transcripts.import({ ...file, schema: 2 }))).toBe('INVALID_INPUT');
  });

  test.each([
    [
      'an entry of a loop that is not there',
      { entries: [{ type: 'message', message: {}, loopId: 'L9' }], loops: [{ loopId: 'L' }] },
    ],
    [
      'entries out of order',
      {
        entries: [
          { type: 'event', event: {}, position: 5 },
          { type: 'event', event: {}, position: 5 },
        ],
      },
    ],
    [
      'a loop before its parent',
      {
        loops: [
          { loopId: 'a', parentLoopId: 'b' },
          { loopId: 'b', parentLoopId: 'a' },
        ],
      },
    ],
    [
      'a loop that begins before its parent',
      {
        loops: [
          { loopId: 'a', position: 5 },
          { loopId: 'b', parentLoopId: 'a', position: 3 },
        ],
      },
    ],
    ['two loops of one id', { loops: [{ loopId: 'a' }, { loopId: 'a' }] }],
    ['a choice of a loop that is not there', { groups: [{ groupId: 'g', selectedLoopId: 'x' }] }],
    ['usage that is no whole number', { loops: [{ loopId: 'a', usage: { money: 0.1 } }] }],
    ['an entry of no known type', { entries: [{ type: 'song' }] }],
  ])('is refused, and changes nothing: %s', async (_what, content) => {
    const { transcripts } = await openTranscriptWorld(memoryBackend);
    expect(await codeOf(transcripts.import({ session: { sessionId: 's', agentId: 'a' }, ...content }))).toBe(
      'INVALID_INPUT',
    );
    expect(await codeOf(transcripts.get('s'))).toBe('SESSION_NOT_FOUND');
  });

  test.each([
    [null],
    [[]],
    [7],
    ['text'],
    [{}],
    [{ session: { sessionId: 's' } }],
    [{ session: { sessionId: 's', agentId: 'a' }, entries: {} }],
  ])('is no transcript: %j', async (file) => {
    const { transcripts } = await openTranscriptWorld(memoryBackend);
    await expect(transcripts.import(file)).rejects.toThrow(TypeError);
  });

  test("of phi-core's is imported: tree, turns, messages, events, usage, links, without its secrets", async () => {
    const world = await openTranscriptWorld(memoryBackend);
    const { transcripts } = world;
    const { session } = await granted(transcripts.import(phiCoreFile));
    expect(session).toMatchObject({
      sessionId: 'phi-1',
      agentId: 'researcher',
      formation: 'inactivity',
      previousSessionId: 'phi-0',
      createdAtMs: Date.parse('2025-03-01T10:00:00Z'),
      lastActiveAtMs: Date.parse('2025-03-01T10:05:00Z'),
      scope: 'persistent',
      usage: { inputTokens: 11, outputTokens: 2, cacheReadTokens: 3, totalTokens: 13 },
      counts: { loops: 2, turns: 1, messages: 3, events: 1 },
    });
    const { transcript } = await granted(transcripts.load('phi-1'));
    expect(JSON.stringify(transcript)).not.toContain('sk-very-secret-key');
    expect(transcript.loops).toMatchObject([
      {
        loopId: 'phi-1.default.0',
        kind: 'initial',
        status: 'completed',
        config: { model: 'm', provider: 'p' },
      },
      {
        loopId: 'phi-1.default.1',
        kind: 'branch',
        parentLoopId: 'phi-1.default.0',
        status: 'running',
        metadata: { metadata: { request: 7 } },
      },
    ]);
    expect(transcript.children).toEqual([
      { sessionId: 'phi-2', loopId: 'phi-1.default.0', toolCallId: 'c1', toolName: 'search' },
    ]);
    expect(transcript.entries[0]).toMatchObject({ type: 'turn', trigger: 'User', toolResults: [] });
    expect(await written(world, 'phi-1')).toEqual(['question', 'answer', [{ type: 'text', text: 'branch' }]]);
    const { messages } = await granted(transcripts.history('phi-1', { loopId: 'phi-1.default.0' }));
    expect(textsOf(messages)).toEqual(['question', 'answer']);
    await granted(transcripts.append('phi-1', [said('on')]));
  });
});

describe('an ephemeral session', () => {
  test('that is imported or saved after its time has one lifetime more, and before it what is left', async () => {
    const world = await openTranscriptWorld(memoryBackend, { ephemeralLifetimeMs: 3_600_000 });
    const { transcripts, clock } = world;
    await granted(transcripts.append('s', [said('one')], { create: { agentId: 'a', scope: 'ephemeral' } }));
    const { transcript } = await granted(transcripts.export('s'));
    await granted(transcripts.import(transcript, { sessionId: 'early' }));
    expect((await granted(transcripts.get('early'))).session.expiresAtMs).toBe(
      transcript.session.expiresAtMs,
    );
    clock.advance(3_600_000 + 10_000);
    expect(await codeOf(transcripts.get('early'))).toBe('SESSION_NOT_FOUND');

    await granted(transcripts.import(transcript));
    await granted(transcripts.import(transcript, { sessionId: 'late' }));
    await granted(
      transcripts.save(
        { ...transcript, session: { ...transcript.session, sessionId: 'saved' } },
        { overwrite: true },
      ),
    );
    for (const id of ['s', 'late', 'saved']) expect(await written(world, id)).toEqual(['one']);
    clock.advance(3_500_000);
    expect(await written(world, 'late')).toEqual(['one']);
    clock.advance(200_000);
    expect(await codeOf(transcripts.get('late'))).toBe('SESSION_NOT_FOUND');
  });
});
