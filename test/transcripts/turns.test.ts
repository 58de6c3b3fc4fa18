import { openTranscriptWorld, said } from './transcript-world.js';
import { describe, expect, test } from 'vitest';
import { backends } from '../storage/backends.js';
import { granted } from '../core/answers.js';

const turn = (turnId: string) => ({ type: 'turn' as const, turnId, usage: { tokens: 1 } });
const added = (turnId: string, output: string) => ({
  type: 'turn-update' as const,
  turnId,
  output,
  usage: { tokens: 2 },
});

describe.each(backends)('turns on $name', (backend) => {
  const shown = async (world: Awaited<ReturnType<typeof openTranscriptWorld>>, id: string, options = {}) => {
    const { transcript } = await granted(world.transcripts.load(id, options));
    return transcript.entries.flatMap((entry) =>
      entry.type === 'turn' || entry.type === 'turn-update'
        ? [[entry.type, entry.turnId, entry.output, entry.usage?.tokens]]
        : [],
    );
  };

  test('the last turns of a session are so many, also where something was added to an older one', async () => {
    const world = await openTranscriptWorld(backend);
    const entries = [turn('t0'), said('q0'), turn('t1'), said('q1'), turn('t2'), said('q2')];
    const updates = [added('t0', 'late'), added('t2', 'done'), added('t0', 'later')];
    await granted(world.transcripts.append('s', [...entries, ...updates], { create: { agentId: 'a' } }));
    expect(await shown(world, 's', { turns: 2 })).toEqual([
      ['turn', 't1', undefined, 1],
      ['turn', 't2', 'done', 3],
      ['turn-update', 't0', 'late', 2],
      ['turn-update', 't0', 'later', 2],
    ]);
    expect(await shown(world, 's')).toEqual([
      ['turn', 't0', 'later', 5],
      ['turn', 't1', undefined, 1],
      ['turn', 't2', 'done', 3],
    ]);
  });

  test('what was added to a turn that never was is no turn, in copies neither, and an id used twice is two turns', async () => {
    const world = await openTranscriptWorld(backend);
    const { transcripts } = world;
    const entries = [added('none', 'lost'), turn('t'), added('t', 'first'), turn('t'), added('t', 'second')];
    await granted(transcripts.append('s', entries, { create: { agentId: 'a' } }));
    const expected = [
      ['turn-update', 'none', 'lost', 2],
      ['turn', 't', 'first', 3],
      ['turn', 't', 'second', 3],
    ];
    expect(await shown(world, 's')).toEqual(expected);
    const { transcript } = await granted(transcripts.export('s'));
    await granted(transcripts.import(JSON.parse(JSON.stringify(transcript)), { sessionId: 'imported' }));
    await granted(transcripts.fork('s', { sessionId: 'copy' }));
    await granted(transcripts.save(transcript));
    for (const id of ['s', 'imported', 'copy']) {
      expect(await shown(world, id)).toEqual(expected);
      expect((await granted(transcripts.get(id))).session).toMatchObject({
        counts: { turns: 2 },
        usage: { tokens: 8 },
      });
    }
  });
});
