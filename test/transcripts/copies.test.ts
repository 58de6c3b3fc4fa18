import { describe, expect, test } from 'vitest';
import { granted } from '../core/answers.js';
import { openTranscriptWorld, said, seen, textsOf, type TranscriptWorld } from './transcript-world.js';
import { memoryBackend, sqliteFastBackend } from '../storage/backends.js';

/** Exports a session and imports it into another store, and copies it within its own. */
async function copiedTwice(world: TranscriptWorld, sessionId: string): Promise<void> {
  const { transcripts } = world;
  const { transcript } = await granted(transcripts.export(sessionId));
  const file: unknown = JSON.parse(JSON.stringify(transcript));
  const other = await openTranscriptWorld(memoryBackend);
  await granted(other.transcripts.import(file));
  await granted(transcripts.fork(sessionId, { sessionId: `copy of ${sessionId}` }));
  const fork = (await granted(transcripts.load(`copy of ${sessionId}`))).transcript;
  const imported = (await granted(other.transcripts.load(sessionId))).transcript;
  for (const { loops, groups, entries, session } of [fork, imported]) {
    expect({ loops, groups, entries }).toEqual({
      loops: transcript.loops,
      groups: transcript.groups,
      entries: transcript.entries,
    });
    expect(session.usage).toEqual(transcript.session.usage);
    expect(session.nextPosition).toBe(transcript.session.nextPosition);
  }
}

describe.each([memoryBackend, sqliteFastBackend])('on $name', (backend) => {
  test('loops that begin at one position come parents first, whatever their ids and times, and can be copied', async () => {
    const world = await openTranscriptWorld(backend);
    const { transcripts } = world;
    const loop = (loopId: string, atMs: number, more: object = {}) => ({
      type: 'loop' as const,
      loopId,
      atMs,
      ...more,
    });
    await granted(
      transcripts.append(
        's',
        [
          loop('z', 9_000),
          loop('m', 8_000),
          loop('b', 7_000, { parentLoopId: 'z', kind: 'branch' }),
          loop('a', 6_000, { parentLoopId: 'b' }),
          said('hello'),
          loop('y', 5_000, { kind: 'rerun' }),
          loop('x', 4_000),
        ],
        { create: { agentId: 'a' } },
      ),
    );
    const { transcript } = await granted(transcripts.load('s'));
    const before = new Set<string>();
    for (const { loopId, parentLoopId } of transcript.loops) {
      if (parentLoopId !== undefined) expect(before).toContain(parentLoopId);
      before.add(loopId);
    }
    // Where neither is the other's parent, the one that began first comes first.
    expect(transcript.loops.map(({ loopId }) => loopId)).toEqual(['z', 'b', 'a', 'm', 'y', 'x']);
    await copiedTwice(world, 's');
  });

  test('a branch has the loops at its beginning that hold nothing, and can be copied', async () => {
    const world = await openTranscriptWorld(backend);
    const { transcripts } = world;
    const loop = (loopId: string) => ({ type: 'loop' as const, loopId });
    await granted(
      transcripts.append('s', [loop('a'), loop('b'), loop('c'), said('one'), loop('d')], {
        create: { agentId: 'a' },
      }),
    );
    for (const [loopId, count] of [
      ['a', 1],
      ['b', 2],
      ['c', 3],
      ['d', 4],
    ] as const) {
      const { transcript } = await granted(transcripts.load('s', { loopId }));
      expect(transcript.loops).toHaveLength(count);
      const { session } = await granted(transcripts.fork('s', { loopId }));
      await copiedTwice(world, session.sessionId);
    }
  });

  test('what only a loop that was loaded has is no field of a new one: none that makes it impossible to copy', async () => {
    const world = await openTranscriptWorld(backend);
    const { transcripts } = world;
    const fields = { schema: 'x', position: 'x' };
    await granted(transcripts.append('s', [{ type: 'loop', ...fields }], { create: { agentId: 'a' } }));
    await copiedTwice(world, 's');
    for (const field of ['startedAtMs', 'endedAtMs'])
      expect(await transcripts.append('s', [{ type: 'loop', [field]: 7 }])).toMatchObject({
        refusal: { code: 'INVALID_INPUT' },
      });
  });

  test('a loop of a group is copied without the others, also where another one was chosen', async () => {
    const world = await openTranscriptWorld(backend);
    const { transcripts } = world;
    const branch = (loopId: string) => ({
      type: 'loop' as const,
      loopId,
      kind: 'branch' as const,
      parentLoopId: 'root',
      groupId: 'g',
    });
    await granted(
      transcripts.append(
        's',
        [
          { type: 'loop', loopId: 'root' },
          said('question'),
          branch('left'),
          branch('right'),
          said('left', 'left'),
          said('right', 'right'),
          { type: 'loop-update', loopId: 'left', selected: true },
        ],
        { create: { agentId: 'a' } },
      ),
    );
    for (const loopId of ['right', 'left', 'root']) {
      await granted(transcripts.fork('s', { loopId, sessionId: loopId }));
      const { messages } = await granted(transcripts.history('s', { loopId }));
      expect(await seen(world, loopId)).toEqual(textsOf(messages));
      const { transcript } = await granted(transcripts.load('s', { loopId }));
      expect((await granted(transcripts.load(loopId))).transcript.groups).toEqual(transcript.groups);
    }
    const { groups } = (await granted(transcripts.load('right'))).transcript;
    expect(groups).toEqual([{ groupId: 'g', loopIds: ['right'] }]);
    expect((await granted(transcripts.load('left'))).transcript.groups).toEqual([
      { groupId: 'g', loopIds: ['left'], selectedLoopId: 'left' },
    ]);
    await copiedTwice(world, 's');
    await copiedTwice(world, 'right');
  });

  test('sums of usage of many names and large amounts keep no session from being added to and copied', async () => {
    const world = await openTranscriptWorld(backend);
    const { transcripts } = world;
    const usage = (from: number, amount: number) =>
      Object.fromEntries(
        Array.from({ length: 32 }, (_, index) => [
          from + index === 7 ? 'constructor' : `name ${from + index}`,
          amount,
        ]),
      );
    await granted(transcripts.create({ sessionId: 's', agentId: 'a' }));
    for (let from = 0; from < 320; from += 32) {
      await granted(
        transcripts.append('s', [
          { type: 'turn', turnId: `t${from}`, usage: usage(from, 2 ** 41) },
          { type: 'turn-update', turnId: 't0', usage: usage(from, 2 ** 41) },
          { type: 'loop-update', usage: usage(0, 2 ** 41) },
        ]),
      );
    }
    const { total } = await granted(transcripts.usage('s'));
    expect(total['name 0']).toBe(12 * 2 ** 41);
    expect(total.constructor).toBe(12 * 2 ** 41);
    expect(total['name 40']).toBe(2 * 2 ** 41);
    expect(Object.keys(total)).toHaveLength(128);
    await copiedTwice(world, 's');

    await granted(transcripts.append('most', [{ type: 'loop' }], { create: { agentId: 'a' } }));
    const most = Array.from({ length: 1_000 }, () => ({
      type: 'loop-update' as const,
      usage: { tokens: 2 ** 41 },
    }));
    for (let round = 0; round < 5; round++) await granted(transcripts.append('most', most));
    expect((await granted(transcripts.usage('most'))).total).toEqual({ tokens: Number.MAX_SAFE_INTEGER });
    await copiedTwice(world, 'most');
  });

  test('a turn that grew by additions larger than an entry may be is copied', async () => {
    const world = await openTranscriptWorld(backend);
    const { transcripts } = world;
    await granted(transcripts.create({ sessionId: 's', agentId: 'a' }));
    const part = 'x'.repeat(20_000_000);
    await granted(transcripts.append('s', [{ type: 'turn', turnId: 't', input: part }]));
    await granted(transcripts.append('s', [{ type: 'turn-update', turnId: 't', output: part }]));
    await granted(transcripts.fork('s', { sessionId: 'copy' }));
    const { transcript } = await granted(transcripts.load('copy'));
    expect(transcript.entries).toHaveLength(1);
    expect(transcript.entries[0]).toMatchObject({ turnId: 't', input: part, output: part });
  });
});
