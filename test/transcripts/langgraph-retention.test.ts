import { Annotation, Command, END, interrupt, START, StateGraph } from '@langchain/langgraph';
import { describe, expect, test } from 'vitest';
import { emptyCheckpoint, uuid6 } from '@langchain/langgraph-checkpoint';
import { granted } from '../core/answers.js';
import { openTranscriptWorld, type TranscriptWorld } from './transcript-world.js';
import { backends, memoryBackend, sqliteFastBackend } from '../storage/backends.js';
import { createTranscripts } from '../../src/transcripts/transcripts.js';
import { decodeKey, keysBelow } from '../../src/core/keys.js';
import type { Engine } from '../../src/engine/engine.js';
import { langGraphSaver } from 'ambit/langgraph';
import { Value } from '../../src/core/json.js';

const keep = 4;
const kinds = ['checkpoint', 'checkpoint-namespace', 'checkpoint-value', 'checkpoint-write'];

async function recordsOf({ storage }: TranscriptWorld, kind: string) {
  const { records } = await storage.range({ ...keysBelow([kind]), limit: 1_000 });
  return records.filter(({ value }) => value.json !== null);
}

async function countOf(world: TranscriptWorld): Promise<Record<string, number>> {
  return Object.fromEntries(
    await Promise.all(kinds.map(async (kind) => [kind, (await recordsOf(world, kind)).length] as const)),
  );
}

const Words = Annotation.Root({ word: Annotation<string>() });
const Count = Annotation.Root({ count: Annotation<number>({ reducer: (a, b) => a + b, default: () => 0 }) });
const State = Annotation.Root({ ...Words.spec, counted: Annotation<number>(), asks: Annotation<boolean>() });

/** A graph with one within it that begins anew in each step, one within that, and one that goes on from step to step. */
function graphOn(world: TranscriptWorld, saver = langGraphSaver(world.transcripts, { keep })) {
  const innermost = new StateGraph(Words)
    .addNode('deep', () => ({ word: 'deep' }))
    .addEdge(START, 'deep')
    .addEdge('deep', END)
    .compile();
  const fresh = new StateGraph(State)
    .addNode('innermost', innermost)
    .addNode('ask', ({ asks }) => ({ word: asks ? `asked ${String(interrupt('go on?'))}` : 'not asked' }))
    .addEdge(START, 'innermost')
    .addEdge('innermost', 'ask')
    .addEdge('ask', END)
    .compile();
  // Of more steps than are kept: what it had before its last run is none of its newest.
  const counting = new StateGraph(Count)
    .addNode('add', () => ({ count: 1 }))
    .addNode('more', () => ({ count: 0 }))
    .addNode('yet more', () => ({ count: 0 }))
    .addNode('most', () => ({ count: 0 }))
    .addEdge(START, 'add')
    .addEdge('add', 'more')
    .addEdge('more', 'yet more')
    .addEdge('yet more', 'most')
    .addEdge('most', END)
    .compile({ checkpointer: true });
  return new StateGraph(State)
    .addNode('counting', async (_state, config) => {
      const { count } = await counting.invoke({}, config);
      return { counted: count };
    })
    .addNode('fresh', fresh)
    .addEdge(START, 'counting')
    .addEdge('counting', 'fresh')
    .addEdge('fresh', END)
    .compile({ checkpointer: saver });
}

const config = { configurable: { thread_id: 't' } };
const run = (graph: ReturnType<typeof graphOn>, asks = false) => graph.invoke({ word: 'none', asks }, config);

describe.each(backends)('threads with graphs within graphs on $name', (backend) => {
  test('do not grow without bound, and go on where they were', async () => {
    const world = await openTranscriptWorld(backend);
    const graph = graphOn(world);
    const counts: Record<string, number>[] = [];
    for (let round = 1; round <= 12; round++) {
      // What was left by a step that is over, and what waits for an answer.
      const isAsking = round % 4 === 0;
      let state = await run(graph, isAsking);
      if (isAsking) state = await graph.invoke(new Command({ resume: String(round) }), config);
      expect([state.counted, state.word]).toEqual([round, isAsking ? `asked ${round}` : 'not asked']);
      counts.push(await countOf(world));
    }
    for (const kind of kinds) {
      const [early, late] = [counts.slice(3, 8), counts.slice(8)].map((some) =>
        Math.max(...some.map((one) => one[kind] ?? 0)),
      );
      expect({ kind, late }).toEqual({ kind, late: Math.min(late ?? 0, (early ?? 0) + 6) });
    }
    await granted(world.transcripts.checkpoints.prune('t', keep));
    // Of the outermost four; of its last step's graph and of the one within that what they have; of the one that goes on what the
    // four would go on with, and its newest four.
    const left = await countOf(world);
    expect(left['checkpoint']).toBeLessThanOrEqual(keep + keep + keep + 2 * keep);
    expect(left['checkpoint-namespace']).toBeLessThanOrEqual(4);
  });

  test('what waits for an answer is there after any number of other steps were deleted', async () => {
    const world = await openTranscriptWorld(backend);
    for (let round = 1; round <= 4; round++) await run(graphOn(world));
    await run(graphOn(world), true);
    const again = await world.reopen();
    await granted(again.transcripts.checkpoints.prune('t', 1));
    const graph = graphOn(again);
    const state = await graph.getState(config, { subgraphs: true });
    const [task] = state.tasks;
    expect((task?.state as typeof state | undefined)?.next).toEqual(['ask']);
    const done = await graph.invoke(new Command({ resume: 'yes' }), config);
    expect([done.word, done.counted]).toEqual(['asked yes', 5]);
  });

  test('back in time, a graph within goes on with what it had then', async () => {
    const world = await openTranscriptWorld(backend);
    const graph = graphOn(world);
    for (let round = 1; round <= 5; round++) await run(graph);
    await granted(world.transcripts.checkpoints.prune('t', keep));
    const history: Awaited<ReturnType<typeof graph.getState>>[] = [];
    for await (const one of graph.getStateHistory(config)) history.push(one);
    expect(history).toHaveLength(keep);
    const before = history.find(({ next }) => next[0] === 'counting');
    const done = await graph.invoke(null, before?.config);
    // The fifth time again, and not the sixth.
    expect(done.counted).toBe(5);
    await granted(world.transcripts.checkpoints.prune('t', 1));
    expect((await run(graph)).counted).toBe(6);
  });
});

/**
 * Puts checkpoints one after another, with a large value that changes each time, one that never does and one that only the
 * first has, and those that go on from that.
 */
function putter(saver: ReturnType<typeof langGraphSaver>) {
  let step = 0;
  let last: Parameters<typeof saver.put>[0] = { configurable: { thread_id: 't', checkpoint_ns: '' } };
  return async (after?: typeof last) => {
    step++;
    const versions = { n: step, once: 1, early: step === 1 || after ? 1 : 2 };
    last = await saver.put(
      after ?? last,
      {
        ...emptyCheckpoint(),
        id: uuid6(step),
        channel_values: { n: `${step} ${'x'.repeat(1_000)}`, once: 'first', early: versions.early },
        channel_versions: versions,
      },
      { source: 'loop', step, parents: {} },
      step === 1 ? versions : step === 2 ? { n: step, early: 2 } : { n: step },
    );
    await saver.putWrites(last, [['n', step]], 'task');
    return last;
  };
}

describe.each([memoryBackend, sqliteFastBackend])('old checkpoints on $name', (backend) => {
  test('are deleted later where that fails; what was put is answered all the same', async () => {
    const world = await openTranscriptWorld(backend);
    let fails = true;
    let failed = 0;
    const engine: Engine = {
      ...world.engine,
      range: async (query) => {
        if (!fails) return world.engine.range(query);
        if (failed++ % 2 === 0) throw new Error('a page that cannot be had');
        return world.engine.range({ ...query, limit: 0 });
      },
    };
    const put = putter(
      langGraphSaver(createTranscripts(engine).checkpoints && createTranscripts(engine), { keep }),
    );
    for (let step = 1; step <= 60; step++) await put();
    expect(failed).toBeGreaterThan(0);
    expect(await recordsOf(world, 'checkpoint')).toHaveLength(60);
    fails = false;
    for (let step = 1; step <= 17; step++) await put();
    expect((await recordsOf(world, 'checkpoint')).length).toBeLessThanOrEqual(keep + 17);
  });

  test('cost what they are, and no value that stays is read', async () => {
    const world = await openTranscriptWorld(backend);
    const read = new Map<string, number>();
    const note = (keys: readonly Parameters<typeof decodeKey>[0][]) => {
      for (const key of keys) {
        const kind = String(decodeKey(key)[0]);
        read.set(kind, (read.get(kind) ?? 0) + 1);
      }
    };
    const engine: Engine = {
      ...world.engine,
      async range(query) {
        const page = await world.engine.range(query);
        if (page.ok) note(page.entries.map(({ key }) => key));
        return page as never;
      },
      read(keys) {
        note(keys);
        return world.engine.read(keys);
      },
    };
    const bound = 100;
    const put = putter(langGraphSaver(createTranscripts(engine), { keep: bound }));
    for (let step = 1; step <= 300; step++) await put();
    const deleted = 300 - (await recordsOf(world, 'checkpoint')).length;
    expect(deleted).toBeGreaterThan(150);
    expect(read.get('checkpoint-value') ?? 0).toBeLessThanOrEqual(deleted + 20);
    expect(read.get('checkpoint-write') ?? 0).toBeLessThanOrEqual(deleted + 20);
    // A look reads all of them, without values, and waits so much longer the more there are.
    expect(read.get('checkpoint') ?? 0).toBeLessThanOrEqual(300 * 9);
    await granted(world.transcripts.checkpoints.prune('t', bound));
    expect(await recordsOf(world, 'checkpoint')).toHaveLength(bound);
    expect(await recordsOf(world, 'checkpoint-value')).toHaveLength(bound + 2);
  });

  test('that somebody goes on from meanwhile keep what the new one needs, whenever that is', async () => {
    for (let at = 1; ; at++) {
      const world = await openTranscriptWorld(backend);
      const saver = langGraphSaver(world.transcripts);
      const put = putter(saver);
      const first = await put();
      for (let step = 2; step <= 8; step++) await put();
      let left = at;
      let forked: typeof first | undefined;
      const meanwhile = async () => {
        if (--left === 0) forked = await put(first);
      };
      const engine: Engine = {
        ...world.engine,
        async range(query) {
          await meanwhile();
          return world.engine.range(query) as never;
        },
        async transact(keys, body, constants) {
          await meanwhile();
          return world.engine.transact(keys, body, constants);
        },
      };
      await granted(createTranscripts(engine).checkpoints.prune('t', 2));
      const found = [];
      for await (const { checkpoint } of saver.list({ configurable: { thread_id: 't' } }))
        found.push(checkpoint.channel_values['once']);
      expect(found.length).toBeGreaterThanOrEqual(2);
      expect(new Set(found)).toEqual(new Set(['first']));
      if (forked) {
        const values = (await saver.getTuple(forked))?.checkpoint.channel_values;
        expect(values).toMatchObject({ once: 'first', early: 1 });
      }
      await granted(world.transcripts.checkpoints.prune('t', 1));
      expect(await recordsOf(world, 'checkpoint-value')).toHaveLength(3);
      expect(await recordsOf(world, 'checkpoint-write')).toHaveLength(1);
      if (left > 0) {
        expect(at).toBeGreaterThan(5);
        break;
      }
    }
  });

  test.each(['checkpoint', 'checkpoint-value', 'checkpoint-write', 'checkpoint-namespace'])(
    'are shown beside one of which a %s is damaged; where that one was asked for, it is an error',
    async (kind) => {
      for (const spoilt of [Value.fromText('{"schema":1,"te'), Value.of(7), Value.of({ schema: 1 })]) {
        const world = await openTranscriptWorld(backend);
        const put = putter(langGraphSaver(world.transcripts));
        for (let step = 1; step <= 5; step++) await put();
        const records = await recordsOf(world, kind);
        // Of the fourth, which has one value, one write and one record.
        const record = records.at(kind === 'checkpoint-namespace' ? 0 : -2);
        const write = {
          kind: 'put' as const,
          key: record?.key as never,
          expected: record?.version ?? null,
          version: 'spoilt.0',
          value: spoilt,
        };
        expect((await world.storage.commit([{ writes: [write] }])).outcomes).toEqual([{ status: 'ok' }]);
        const again = await world.reopen();
        const saver = langGraphSaver(createTranscripts(again.engine));
        const steps = [];
        for await (const { metadata } of saver.list({ configurable: { thread_id: 't' } }))
          steps.push(metadata?.step);
        const isWhole = kind === 'checkpoint-namespace';
        expect(steps).toEqual(isWhole ? [5, 4, 3, 2, 1] : [5, 3, 2, 1]);
        if (isWhole) continue;
        const fourth = decodeKey(record?.key as never)[3] as string;
        const of = { configurable: { thread_id: 't', checkpoint_ns: '', checkpoint_id: fourth } };
        await expect(saver.getTuple(of)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
        // The newest two: nobody is given an older one in its place.
        const newest = async () => {
          for await (const _one of saver.list({ configurable: { thread_id: 't' } }, { limit: 2 }));
        };
        await expect(newest()).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
        // Old ones are deleted all the same, but for what cannot be read.
        await granted(createTranscripts(again.engine).checkpoints.prune('t', 1));
        expect(
          (await saver.getTuple({ configurable: { thread_id: 't', checkpoint_ns: '' } }))?.metadata?.step,
        ).toBe(5);
        const left = [];
        for await (const { metadata } of saver.list({ configurable: { thread_id: 't' } }))
          left.push(metadata?.step);
        expect(left).toEqual([5]);
      }
    },
  );
});

test('texts that are long lie apart, are read, replaced and deleted', async () => {
  const world = await openTranscriptWorld(memoryBackend);
  const saver = langGraphSaver(world.transcripts);
  const place = { configurable: { thread_id: 't', checkpoint_ns: '' } };
  const checkpoint = { ...emptyCheckpoint(), id: uuid6(0) };
  for (const note of ['x'.repeat(10_000), 'short', 'y'.repeat(400_000), 'z'.repeat(5_000)]) {
    await saver.put(place, checkpoint, { source: 'input', step: 0, parents: {}, note } as never, {});
    const tuple = await saver.getTuple(place);
    expect((tuple?.metadata as { note?: string } | undefined)?.note).toBe(note);
    const [record] = await recordsOf(world, 'checkpoint');
    expect(record?.value.text.length).toBeLessThan(5_000);
  }
  expect(await recordsOf(world, 'checkpoint-value')).toHaveLength(1);
  await saver.put(
    config,
    { ...emptyCheckpoint(), id: uuid6(1) },
    { source: 'input', step: 1, parents: {} },
    {},
  );
  await granted(world.transcripts.checkpoints.prune('t', 1));
  expect(await recordsOf(world, 'checkpoint-value')).toHaveLength(0);
  for (let left = 1; left > 0;) left = (await granted(world.transcripts.collect())).records;
  expect(await recordsOf(world, 'transcript-piece')).toEqual([]);
});
