import { Agent, type AgentInputItem, MemorySession, run, tool } from '@openai/agents';
import { describe, expect, test } from 'vitest';
import { granted } from '../core/answers.js';
import { openTranscriptWorld, spoil, type TranscriptWorld } from './transcript-world.js';
import { memoryBackend, backends } from '../storage/backends.js';
import { type OpenAiAgentsSession, openAiAgentsSession } from 'ambit/openai-agents';
import { entryKey } from '../../src/transcripts/transcript-records.js';
import fc from 'fast-check';
import { Value } from '../../src/core/json.js';
import { assistantMessage, functionCall, ScriptedModel } from '@openai/agents/testing';

const user = (content: string): AgentInputItem => ({ role: 'user', content });
const call = (callId: string, name = 'tool'): AgentInputItem => ({
  type: 'function_call',
  callId,
  name,
  status: 'completed',
  arguments: '{}',
});

const sessionOf = ({ transcripts }: TranscriptWorld, sessionId = 'chat'): OpenAiAgentsSession =>
  openAiAgentsSession(transcripts, { sessionId });

describe.each(backends)('the session of OpenAI Agents on $name', (backend) => {
  test('an agent remembers what was said, in another process too', async () => {
    const world = await openTranscriptWorld(backend);
    const weather = tool({
      name: 'weather',
      description: 'the weather',
      parameters: { type: 'object', properties: {}, required: [], additionalProperties: false } as never,
      strict: true,
      execute: async () => 'sunny',
    });
    const model = new ScriptedModel([
      [functionCall('weather', {}, { callId: 'c1' })],
      [assistantMessage('It is sunny.')],
      [assistantMessage('As I said: sunny.')],
    ]);
    const agent = new Agent({ name: 'Assistant', model, tools: [weather] });
    await run(agent, 'What is the weather?', { session: sessionOf(world) });
    const again = await world.reopen();
    const result = await run(agent, 'Sure?', { session: sessionOf(again) });
    expect(result.finalOutput).toBe('As I said: sunny.');
    const items = await sessionOf(again).getItems();
    expect(items.map((item) => item.type ?? 'message')).toEqual([
      'message',
      'function_call',
      'function_call_result',
      'message',
      'message',
      'message',
    ]);
    // What the model was sent the last time: everything before, and the new question.
    expect(model.calls.at(-1)?.request.input).toHaveLength(5);
    expect(await sessionOf(again).getItems(2)).toEqual(items.slice(-2));
    expect(await sessionOf(again).getItems(0)).toEqual([]);
  });

  test('a transaction sent 8 times at once, and again in another process, is done once', async () => {
    const world = await openTranscriptWorld(backend);
    const session = sessionOf(world);
    const append = {
      operationId: 'op-1',
      transaction: { type: 'append_items' as const, items: [user('a'), user('b')] },
    };
    await Promise.all(Array.from({ length: 8 }, () => session.applyHistoryTransaction(append)));
    const replace = {
      operationId: 'op-2',
      transaction: {
        type: 'replace_suffix' as const,
        expectedSuffix: [user('b')],
        replacement: [user('c'), user('d')],
      },
    };
    await Promise.all(Array.from({ length: 8 }, () => session.applyHistoryTransaction(replace)));
    const again = sessionOf(await world.reopen());
    await again.applyHistoryTransaction(replace);
    await again.applyHistoryTransaction(append);
    expect(await again.getItems()).toEqual([user('a'), user('c'), user('d')]);
    const other = { operationId: 'op-1', transaction: { type: 'append_items' as const, items: [user('x')] } };
    await expect(again.applyHistoryTransaction(other)).rejects.toThrow(/another content/);
    const wrong = { ...replace, operationId: 'op-3' };
    await expect(again.applyHistoryTransaction(wrong)).rejects.toThrow(/not what the transaction expects/);
    expect(await again.getItems()).toEqual([user('a'), user('c'), user('d')]);
  });

  test('items are popped once each, by however many at once', async () => {
    const world = await openTranscriptWorld(backend);
    const session = sessionOf(world);
    await session.addItems(Array.from({ length: 6 }, (_, index) => user(String(index))));
    await session.replaceHistoryWithCompaction([user('x'), user('y'), user('z')]);
    await session.addItems([user('new')]);
    const popped = await Promise.all(Array.from({ length: 6 }, () => session.popItem()));
    const contents = popped.map((item) => String((item as { content?: string } | undefined)?.content));
    expect(new Set(contents)).toEqual(new Set(['new', 'x', 'y', 'z', 'undefined']));
    expect(contents.filter((content) => content === 'undefined')).toHaveLength(2);
    expect(await session.getItems()).toEqual([]);
    // What was said is still in the transcript.
    const { transcript } = await granted(world.transcripts.load('chat'));
    expect(transcript.session.counts.messages).toBe(7);
    await session.clearSession();
    await session.clearSession();
    expect((await granted(world.transcripts.load('chat'))).transcript.entries).toEqual([]);
    await session.addItems([user('fresh')]);
    expect(await session.getItems()).toEqual([user('fresh')]);
  });
});

test('a compaction covers what was read, and nothing that somebody else added since', async () => {
  const world = await openTranscriptWorld(memoryBackend);
  const contents = async () => {
    const items = await sessionOf(world).getItems();
    return items.map((item) => (item as { content?: unknown }).content);
  };
  const [ours, theirs] = [sessionOf(world), sessionOf(world)];
  await ours.addItems([user('a'), user('b')]);
  await ours.getItems();
  await ours.addItems([user('c')]);
  await theirs.addItems([user('theirs')]);
  await ours.replaceHistoryWithCompaction([user('a to c')]);
  expect(await contents()).toEqual(['a to c', 'theirs']);

  // Between two of its own: those after it are shown once more, and nothing is lost.
  await ours.getItems();
  await theirs.addItems([user('theirs too')]);
  await ours.addItems([user('d')]);
  await ours.replaceHistoryWithCompaction([user('a to d')]);
  expect(await contents()).toEqual(['a to d', 'theirs too', 'd']);

  // Who has read nothing compacts what is there.
  await sessionOf(world).replaceHistoryWithCompaction([user('all')]);
  expect(await contents()).toEqual(['all']);

  // What was taken back or cleared since does not come back.
  await theirs.addItems([user('e'), user('f')]);
  await ours.getItems();
  await theirs.popItem();
  await expect(ours.replaceHistoryWithCompaction([user('e and f')])).rejects.toThrow(
    /changed since it was read/,
  );
  expect(await contents()).toEqual(['all', 'e']);
  await ours.getItems();
  await theirs.clearSession();
  await expect(ours.replaceHistoryWithCompaction([user('old')])).rejects.toThrow(/changed since it was read/);
  expect(await contents()).toEqual([]);
  await ours.getItems();
  await theirs.addItems([user('first')]);
  await ours.replaceHistoryWithCompaction([user('nothing')]);
  expect(await contents()).toEqual(['first', 'nothing']);
});

test('more than 1,000 items are added in order; as one transaction, they are refused', async () => {
  const session = sessionOf(await openTranscriptWorld(memoryBackend));
  const many = Array.from({ length: 2_500 }, (_, index) => user(String(index)));
  await session.addItems(many);
  expect(await session.getItems()).toEqual(many);
  const transaction = { type: 'append_items' as const, items: many };
  await expect(session.applyHistoryTransaction({ operationId: 'op', transaction })).rejects.toMatchObject({
    refusal: { code: 'INVALID_INPUT' },
  });
  expect(await session.getItems()).toHaveLength(2_500);
});

test("whatever is done to it, it has what the SDK's own session in memory has", async () => {
  const texts = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 4 });
  const items = texts.map((list) => list.map((text) => (text === 'c' ? call('c1', text) : user(text))));
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('add' as const), items }) },
    { weight: 4, arbitrary: fc.constant({ do: 'pop' as const }) },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('replace' as const), count: fc.nat(4), items, id: fc.nat(3) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('append' as const), items, id: fc.nat(3) }) },
    { weight: 2, arbitrary: fc.constant({ do: 'mutate' as const }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const), items }) },
    { weight: 1, arbitrary: fc.constant({ do: 'clear' as const }) },
  );
  const world = await openTranscriptWorld(memoryBackend);
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const ours = sessionOf(world, `run-${runs++}`);
      const theirs = new MemorySession();
      for (const one of steps) {
        if (one.do === 'add') await both((session) => session.addItems(one.items));
        else if (one.do === 'pop') await both((session) => session.popItem());
        else if (one.do === 'clear') await both((session) => session.clearSession());
        else if (one.do === 'compact') {
          // The one in memory has no such hook, and is cleared and filled again: but it forgets its operations then.
          await ours.replaceHistoryWithCompaction(one.items);
          while ((await theirs.popItem()) !== undefined);
          await theirs.addItems(one.items);
        } else if (one.do === 'mutate') {
          const mutations = [
            { type: 'replace_function_call' as const, callId: 'c1', replacement: call('c1', 'new') as never },
          ];
          await both((session) => session.applyHistoryMutations({ mutations }));
        } else {
          const expectedSuffix = one.do === 'replace' ? (await theirs.getItems()).slice(-one.count) : [];
          const transaction =
            one.do === 'replace'
              ? {
                  type: 'replace_suffix' as const,
                  expectedSuffix: one.count === 0 ? [] : expectedSuffix,
                  replacement: one.items,
                }
              : { type: 'append_items' as const, items: one.items };
          await both((session) =>
            session.applyHistoryTransaction({ operationId: `op-${one.id}`, transaction }),
          );
        }
        expect(await ours.getItems()).toEqual(await theirs.getItems());
      }

      async function both(
        act: (session: OpenAiAgentsSession | MemorySession) => Promise<unknown>,
      ): Promise<void> {
        const [a, b] = await Promise.allSettled([act(ours), act(theirs)]);
        expect(a.status).toBe(b.status);
        if (a.status === 'fulfilled' && b.status === 'fulfilled') expect(a.value).toEqual(b.value);
      }
    }),
    { numRuns: 300 },
  );
});

test('bytes, and what looks like ours, come back as they were', async () => {
  const session = sessionOf(await openTranscriptWorld(memoryBackend));
  const item = {
    role: 'user',
    content: [{ type: 'input_image', image: new Uint8Array([0, 1, 255]) }],
    providerData: { '$ambit:bytes': 'no', nested: { '$ambit:object': { a: 1 } } },
  } as unknown as AgentInputItem;
  await session.addItems([item]);
  expect(await session.getItems()).toEqual([item]);
  await session.applyHistoryTransaction({
    operationId: 'x'.repeat(1_000),
    transaction: { type: 'replace_suffix', expectedSuffix: [item], replacement: [] },
  });
  expect(await session.getItems()).toEqual([]);
});

test('what is wrong is said, and a refusal is thrown as an error that has it', async () => {
  const world = await openTranscriptWorld(memoryBackend);
  expect(() => openAiAgentsSession(world as never, { sessionId: 's' })).toThrow(TypeError);
  expect(() => openAiAgentsSession(world.transcripts, { session: 's' } as never)).toThrow(
    /session is no option/,
  );
  await expect(sessionOf(world, 'a\nb').addItems([user('x')])).rejects.toMatchObject({
    refusal: { code: 'INVALID_INPUT' },
  });
  await world.engine.close();
  await expect(sessionOf(world).getItems()).rejects.toMatchObject({
    refusal: { code: 'STORAGE_UNAVAILABLE' },
  });
});

test('a history that is damaged is not read on in silence, unless that is said', async () => {
  const world = await openTranscriptWorld(memoryBackend);
  const { transcripts } = world;
  const result = {
    type: 'function_call_result',
    callId: 'c1',
    name: 'tool',
    status: 'completed',
    output: 'r',
  } as AgentInputItem;
  const session = sessionOf(world);
  await session.addItems([user('a'), call('c1'), result]);
  const before = await granted(transcripts.get('chat'));
  await spoil(world, entryKey(before.session.incarnation, 1), Value.fromText('{"schema":1,"ty'));

  const damage = {
    name: 'AmbitError',
    code: 'STORE_CORRUPT',
    message: expect.stringMatching(/"?chat.*position 1 is damaged.*export.*skip/),
  };
  await expect(session.getItems()).rejects.toMatchObject(damage);
  await expect(sessionOf(world).replaceHistoryWithCompaction([user('all')])).rejects.toMatchObject(damage);
  await expect(
    session.applyHistoryMutations({
      mutations: [{ type: 'replace_function_call', callId: 'c1', replacement: call('c1', 'new') as never }],
    }),
  ).rejects.toMatchObject(damage);
  const replaceAll = {
    type: 'replace_suffix' as const,
    expectedSuffix: [user('a'), result],
    replacement: [],
  };
  await expect(
    session.applyHistoryTransaction({ operationId: 'op', transaction: replaceAll }),
  ).rejects.toMatchObject(damage);
  // Nothing was covered, and what does not have to read it goes on.
  expect((await granted(transcripts.get('chat'))).session.revision).toBe(before.session.revision);

  const skipping = openAiAgentsSession(transcripts, { sessionId: 'chat', damaged: 'skip' });
  expect(await skipping.getItems()).toEqual([user('a'), result]);
  await skipping.addItems([user('b')]);

  // What the error says to do.
  const { transcript } = await granted(transcripts.export('chat'));
  await granted(transcripts.save(transcript));
  expect(await sessionOf(world).getItems()).toEqual([user('a'), result, user('b')]);
  expect((await granted(transcripts.get('chat'))).session.lost).toHaveLength(1);
  expect(() => openAiAgentsSession(transcripts, { sessionId: 'chat', damaged: 'hide' as never })).toThrow(
    /damaged is throw or skip/,
  );
});
