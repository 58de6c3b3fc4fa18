import { Annotation, Command, END, interrupt, START, StateGraph } from '@langchain/langgraph';
import { granted } from '../core/answers.js';
import { openTranscriptWorld, type TranscriptWorld } from './transcript-world.js';
import { describe, expect, test } from 'vitest';
import { emptyCheckpoint, uuid6 } from '@langchain/langgraph-checkpoint';
import { backends } from '../storage/backends.js';
import { keysBelow } from '../../src/core/keys.js';
import { langGraphSaver } from 'ambit/langgraph';

const metadata = { source: 'loop' as const, step: 0, parents: {} };
const thread = (thread_id: string, more: object = {}) => ({
  configurable: { thread_id, checkpoint_ns: '', ...more },
});

async function recordsOf({ storage }: TranscriptWorld, kind: string): Promise<number> {
  const { records } = await storage.range({ ...keysBelow([kind]), limit: 1_000 });
  return records.filter(({ value }) => value.json !== null).length;
}

/** Puts a checkpoint whose channels have these values, as the next one of `config`. */
function putter(world: TranscriptWorld, keep?: number) {
  const saver = langGraphSaver(world.transcripts, keep === undefined ? {} : { keep });
  const put = (
    config: Parameters<typeof saver.put>[0],
    values: Record<string, unknown>,
    versions: Record<string, number>,
    newVersions: Record<string, number> = versions,
    more: object = {},
  ) =>
    saver.put(
      config,
      { ...emptyCheckpoint(), id: uuid6(0), channel_values: values, channel_versions: versions },
      { ...metadata, ...more },
      newVersions,
    );
  return { saver, put };
}

describe.each(backends)("LangGraph's checkpoints on $name", (backend) => {
  test('a graph that was interrupted goes on in another process', async () => {
    const build = (world: TranscriptWorld) => {
      const State = Annotation.Root({
        steps: Annotation<string[]>({ reducer: (a, b) => [...a, ...b], default: () => [] }),
      });
      return new StateGraph(State)
        .addNode('first', () => ({ steps: ['first'] }))
        .addNode('ask', () => ({ steps: [`asked: ${String(interrupt('go on?'))}`] }))
        .addEdge(START, 'first')
        .addEdge('first', 'ask')
        .addEdge('ask', END)
        .compile({ checkpointer: langGraphSaver(world.transcripts) });
    };
    const world = await openTranscriptWorld(backend);
    const config = { configurable: { thread_id: 'graph' } };
    await build(world).invoke({ steps: [] }, config);
    const again = build(await world.reopen());
    expect((await again.getState(config)).next).toEqual(['ask']);
    const state = await again.invoke(new Command({ resume: 'yes' }), config);
    expect(state.steps).toEqual(['first', 'asked: yes']);
    const history: number[] = [];
    for await (const { values } of again.getStateHistory(config))
      history.push((values as typeof state).steps.length);
    expect(history).toEqual([2, 1, 0, 0]);
  });

  test('branches of a thread that count to the same version keep their own values', async () => {
    const { saver, put } = putter(await openTranscriptWorld(backend));
    const root = await put(thread('t'), { x: 'root', same: 'kept' }, { x: 1, same: 1 });
    const one = await put(root, { x: 'one', same: 'kept' }, { x: 2, same: 1 }, { x: 2 });
    const two = await put(root, { x: 'two', same: 'kept' }, { x: 2, same: 1 }, { x: 2 });
    const values = async (config: typeof root) => (await saver.getTuple(config))?.checkpoint.channel_values;
    expect(await values(one)).toEqual({ x: 'one', same: 'kept' });
    expect(await values(two)).toEqual({ x: 'two', same: 'kept' });
    // A channel that was emptied has no value to take over.
    const gone = await put(one, { same: 'kept' }, { x: 3, same: 1 }, { x: 3 });
    expect(await values(gone)).toEqual({ same: 'kept' });
  });

  test('what did not change and its parent does not hold is kept all the same', async () => {
    const world = await openTranscriptWorld(backend);
    const State = Annotation.Root({ words: Annotation<string>(), count: Annotation<number>() });
    const graph = new StateGraph(State)
      .addNode('add', () => ({ count: 1 }))
      .addEdge(START, 'add')
      .addEdge('add', END)
      .compile({ checkpointer: langGraphSaver(world.transcripts) });
    const config = { configurable: { thread_id: 'copied' } };
    await graph.invoke({ words: 'kept' }, config);
    const before = await graph.getState(config);
    await graph.updateState(before.config, null, '__copy__');
    expect((await graph.getState(config)).values).toEqual({ words: 'kept', count: 1 });
    expect((await graph.getState(config)).config).not.toEqual(before.config);
    // The first one has no parent at all.
    const all: Awaited<ReturnType<typeof graph.getState>>[] = [];
    for await (const one of graph.getStateHistory(config)) all.push(one);
    const first = all.find(({ parentConfig }) => parentConfig === undefined);
    await graph.updateState(first?.config ?? {}, null, '__copy__');
    const { checkpoint } = (await langGraphSaver(world.transcripts).getTuple(config)) ?? {};
    expect(checkpoint?.channel_values).toMatchObject({ __start__: { words: 'kept' } });

    // A value that the parent holds is not written once more.
    const { saver, put } = putter(world);
    const root = await put(thread('t'), { x: 'root', same: 'kept' }, { x: 1, same: 1, none: 1 });
    const written = await recordsOf(world, 'checkpoint-value');
    await put(root, { x: 'one', same: 'kept' }, { x: 2, same: 1, none: 1 }, { x: 2 });
    expect(await recordsOf(world, 'checkpoint-value')).toBe(written + 1);
    // The parent is gone, and the thread with it.
    await saver.deleteThread('t');
    const next = await put(root, { x: 'two', same: 'kept' }, { x: 2, same: 1, none: 1 }, { x: 2 });
    expect((await saver.getTuple(next))?.checkpoint.channel_values).toEqual({ x: 'two', same: 'kept' });
  });

  test('threads do not grow without bound, and what is left can be read', async () => {
    const world = await openTranscriptWorld(backend);
    const { saver, put } = putter(world, 5);
    let config: Awaited<ReturnType<typeof put>> = thread('t');
    for (let step = 1; step <= 60; step++) {
      config = await put(
        config,
        { n: step, once: 'first' },
        { n: step, once: 1 },
        step === 1 ? { n: 1, once: 1 } : { n: step },
      );
      await saver.putWrites(config, [['n', step]], 'task');
    }
    expect(await recordsOf(world, 'checkpoint')).toBeLessThanOrEqual(5 + 17);
    await granted(world.transcripts.checkpoints.prune('t', 5));
    expect(await recordsOf(world, 'checkpoint')).toBe(5);
    expect(await recordsOf(world, 'checkpoint-write')).toBe(5);
    // Five values of their own, and the one that never changed since the first.
    expect(await recordsOf(world, 'checkpoint-value')).toBe(6);
    const left = [];
    for await (const tuple of saver.list(thread('t'))) left.push(tuple.checkpoint.channel_values);
    expect(left).toEqual([60, 59, 58, 57, 56].map((n) => ({ n, once: 'first' })));
  });

  test('a checkpoint that deltas are added to stays as long as they do', async () => {
    const world = await openTranscriptWorld(backend);
    const { saver, put } = putter(world);
    let config = await put(thread('t'), { log: ['snapshot'] }, { log: 1 });
    for (let step = 1; step <= 10; step++) {
      await saver.putWrites(config, [['log', [step]]], `task${step}`);
      const counters = { counters_since_delta_snapshot: { log: [step, step] } };
      config = await put(config, {}, { log: step + 1 }, { log: step + 1 }, counters);
    }
    const history = () => saver.getDeltaChannelHistory({ config, channels: ['log'] });
    const before = await history();
    expect(before['log']?.writes.map(([, , value]) => value)).toEqual(
      Array.from({ length: 10 }, (_, at) => [at + 1]),
    );
    await granted(world.transcripts.checkpoints.prune('t', 1));
    expect(await history()).toEqual(before);
  });

  test('values of megabytes, and a thread of any name; deleted, nothing is left of it', async () => {
    const world = await openTranscriptWorld(backend);
    const { saver, put } = putter(world);
    const large = '"\\ä'.repeat(500_000);
    for (const name of ['../x', 'a b', '__proto__', '#hash', 'x'.repeat(3_000), '💬', 'new\nline']) {
      const config = await put(
        thread(name),
        { name, large, ['c'.repeat(500)]: 1 },
        { name: 1, large: 1, ['c'.repeat(500)]: 1 },
      );
      await saver.putWrites(
        config,
        [
          ['large', large],
          ['__proto__', 'own'],
        ],
        'task/'.repeat(100),
      );
      const tuple = await saver.getTuple(config);
      expect(tuple?.checkpoint.channel_values).toEqual({ name, large, ['c'.repeat(500)]: 1 });
      expect(tuple?.pendingWrites?.map(([, channel, value]) => [channel, value])).toEqual([
        ['large', large],
        ['__proto__', 'own'],
      ]);
      await saver.deleteThread(name);
      expect(await saver.getTuple(thread(name))).toBeUndefined();
    }
    for (let left = 1; left > 0;) left = (await granted(world.transcripts.collect())).records;
    const { records } = await world.storage.range({ ...keysBelow([]), limit: 1_000 });
    expect(records.filter(({ value }) => value.json !== null)).toEqual([]);
  });

  test('a write that is there stays when its task runs again; a special one is replaced', async () => {
    const { saver, put } = putter(await openTranscriptWorld(backend));
    const config = await put(thread('t'), {}, {});
    await saver.putWrites(
      config,
      [
        ['a', 1],
        ['__error__', 'first'],
      ],
      'task',
    );
    await saver.putWrites(
      config,
      [
        ['a', 2],
        ['__error__', 'second'],
        ['b', 3],
      ],
      'task',
    );
    const writes = (await saver.getTuple(config))?.pendingWrites;
    expect(writes).toEqual([
      ['task', '__error__', 'second'],
      ['task', 'a', 1],
      ['task', 'b', 3],
    ]);
  });
});

test('what is wrong is said, and a refusal is thrown as an error that has it', async () => {
  const world = await openTranscriptWorld(backends[0] as (typeof backends)[number]);
  const saver = langGraphSaver(world.transcripts);
  expect(() => langGraphSaver(world as never)).toThrow(TypeError);
  expect(() => langGraphSaver(world.transcripts, { keep: 0 })).toThrow(RangeError);
  expect(() => langGraphSaver(world.transcripts, { kep: 1 } as never)).toThrow(/kep is no option/);
  await expect(saver.put({ configurable: {} }, emptyCheckpoint(), metadata, {})).rejects.toThrow(
    /thread_id is missing/,
  );
  await expect(saver.put(thread('x'.repeat(9_000)), emptyCheckpoint(), metadata, {})).rejects.toMatchObject({
    refusal: { code: 'INVALID_INPUT', field: 'threadId' },
  });
  await world.engine.close();
  await expect(saver.getTuple(thread('t'))).rejects.toMatchObject({
    refusal: { code: 'STORAGE_UNAVAILABLE' },
  });
});
