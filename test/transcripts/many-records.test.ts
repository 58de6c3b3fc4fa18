import { openTranscriptWorld, said } from './transcript-world.js';
import { describe, expect, test } from 'vitest';
import { backends } from '../storage/backends.js';
import { granted } from '../core/answers.js';
import { keysBelow } from '../../src/core/keys.js';

const count = 1_000;
const loopIds = Array.from({ length: count }, (_, index) => `loop-${index}`);

describe.each(backends)('many records in one call on $name', (backend) => {
  test('as many loops as an append may have begin, are changed, chosen and spoken in, in a store that has just been opened', async () => {
    let world = await openTranscriptWorld(backend);
    const begin = loopIds.map((loopId, index) => ({
      type: 'loop' as const,
      loopId,
      groupId: `g${index % 500}`,
    }));
    const create = { agentId: 'a' };
    const begun = await granted(world.transcripts.append('s', begin, { create, operationId: 'begin' }));
    expect(begun.session.counts.loops).toBe(count);

    world = await world.reopen();
    expect(
      (await granted(world.transcripts.append('s', begin, { create, operationId: 'begin' }))).replayed,
    ).toBe(true);
    const updates = loopIds.map((loopId) => ({
      type: 'loop-update' as const,
      loopId,
      status: 'completed' as const,
      usage: { outputTokens: 1 },
      selected: true as const,
    }));
    const updated = await granted(world.transcripts.append('s', updates));
    expect(updated.session.usage).toEqual({ outputTokens: count });

    world = await world.reopen();
    const spoken = loopIds
      .slice(0, 500)
      .flatMap((loopId) => [
        { type: 'turn' as const, loopId, usage: { inputTokens: 2 } },
        said(`in ${loopId}`, loopId),
      ]);
    const appended = await granted(world.transcripts.append('s', spoken));
    expect(appended.session.counts).toMatchObject({ turns: 500, messages: 500 });

    world = await world.reopen();
    const { transcript } = await granted(world.transcripts.load('s'));
    expect(transcript.loops.filter(({ status }) => status === 'completed')).toHaveLength(count);
    expect(new Set(transcript.groups.map(({ selectedLoopId }) => selectedLoopId))).toEqual(
      new Set(loopIds.slice(500)),
    );
    const used = new Map(transcript.loops.map(({ loopId, usage }) => [loopId, usage]));
    expect(used.get('loop-499')).toEqual({ inputTokens: 2, outputTokens: 1 });
    expect(used.get('loop-500')).toEqual({ outputTokens: 1 });
    // A loop that is not there is refused as ever, and a whole copy has as many.
    expect(await world.transcripts.append('s', [...spoken.slice(1), said('x', 'none')])).toMatchObject({
      refusal: { code: 'LOOP_NOT_FOUND' },
    });
    const copy = await granted(world.transcripts.fork('s', { sessionId: 'copy' }));
    expect(copy.session.counts.loops).toBe(count);
    await granted(world.transcripts.save(transcript));
    await granted(world.transcripts.import(transcript, { sessionId: 'imported' }));
  }, 60_000);

  test('loops that are made up on the way, each of the one before', async () => {
    const world = await openTranscriptWorld(backend);
    const begin = Array.from({ length: count }, () => ({ type: 'loop' as const }));
    const begun = await granted(world.transcripts.append('s', begin, { create: { agentId: 'a' } }));
    expect(begun.session.counts.loops).toBe(count);
  }, 60_000);

  test('what refers to many large values is collected, written over and deleted', async () => {
    let world = await openTranscriptWorld(backend);
    const large = Array.from({ length: 80 }, (_, index) => said(`${index} ${'x'.repeat(40_000)}`));
    await granted(world.transcripts.append('s', large, { create: { agentId: 'a' } }));
    await granted(world.transcripts.delete('s'));
    world = await world.reopen();
    // The session's own records, and then those of each of the large entries.
    await granted(world.transcripts.collect());
    await granted(world.transcripts.collect());

    const text = (content: string) => ({ type: 'json', text: JSON.stringify(content) });
    const place = { threadId: 't', namespace: '', checkpointId: '1' };
    const channels = Array.from({ length: 80 }, (_, index) => ({
      channel: `c${index}`,
      version: 1,
      value: text(`${index} ${'x'.repeat(14_000)}`),
    }));
    const writes = channels.map(({ channel, value }, index) => ({
      ...value,
      channel,
      taskId: 'task',
      index,
    }));
    for (let round = 0; round < 2; round++) {
      const { checkpoints } = world.transcripts;
      await granted(checkpoints.put({ ...place, checkpoint: text('c'), metadata: text('m'), channels }));
      await granted(checkpoints.putWrites(place, writes));
      world = await world.reopen();
    }
    const { checkpoints } = world.transcripts;
    await granted(
      checkpoints.put({
        ...place,
        checkpointId: '2',
        checkpoint: text('c'),
        metadata: text('m'),
        channels: [],
      }),
    );
    expect((await granted(checkpoints.prune('t', 1))).deleted).toBe(1);
    for (let round = 0; round < 4; round++) await granted(world.transcripts.collect());
    const { records } = await world.storage.range({ ...keysBelow(['transcript-piece']), limit: 1_000 });
    expect(records.filter(({ value }) => value.json !== null)).toEqual([]);
  }, 60_000);
});
