import { codeOf, granted } from '../core/answers.js';
import { openTranscriptWorld, said, type TranscriptWorld, written } from './transcript-world.js';
import { expect, test } from 'vitest';
import { memoryBackend } from '../storage/backends.js';

const turn = (text: string) => [{ type: 'turn' as const, trigger: 'user' }, said(text)];
const whole = ['one', 'two', 'three', 'aside'];

/** A session of two branches. */
async function openBranched(): Promise<TranscriptWorld> {
  const world = await openTranscriptWorld(memoryBackend);
  await granted(
    world.transcripts.append(
      's',
      [
        { type: 'loop', loopId: 'L1' },
        ...turn('one'),
        ...turn('two'),
        ...turn('three'),
        { type: 'loop', loopId: 'L2', kind: 'branch', parentLoopId: 'L1' },
        said('aside'),
      ],
      { create: { agentId: 'a' } },
    ),
  );
  return world;
}

const parts = [{ turns: 1 }, { loopId: 'L1' }, { loopId: 'L1', turns: 2 }];

test.each(parts)('a transcript that was loaded in part, %o, says so', async (part) => {
  const { transcripts } = await openBranched();
  expect((await granted(transcripts.load('s', part))).transcript.part).toEqual(part);
  expect((await granted(transcripts.load('s'))).transcript).not.toHaveProperty('part');
  expect((await granted(transcripts.export('s'))).transcript).not.toHaveProperty('part');
});

test.each(parts)('what was loaded in part, %o, does not take the place of the whole', async (part) => {
  const world = await openBranched();
  const { transcripts } = world;
  const { transcript } = await granted(transcripts.load('s', part));
  const refused = {
    ok: false,
    refusal: { code: 'INVALID_INPUT', field: 'part', message: expect.stringMatching(/overwrite/) as unknown },
  };
  expect(await transcripts.save(transcript)).toMatchObject(refused);
  const file: unknown = JSON.parse(JSON.stringify(transcript));
  expect(await transcripts.import(file, { replace: true })).toMatchObject(refused);
  expect(await codeOf(transcripts.import(file, { overwrite: true }))).toBe('SESSION_EXISTS');
  expect(await written(world, 's')).toEqual(whole);
});

test('what was loaded in part is a whole session of its own under another id, and takes the place of one on purpose', async () => {
  const world = await openBranched();
  const { transcripts } = world;
  const { transcript } = await granted(transcripts.load('s', { loopId: 'L1', turns: 2 }));
  await granted(transcripts.import(transcript, { sessionId: 't' }));
  expect(await written(world, 't')).toEqual(['two', 'three']);
  expect((await granted(transcripts.load('t'))).transcript).not.toHaveProperty('part');
  await granted(transcripts.fork('s', { loopId: 'L1', sessionId: 'u' }));
  expect(await written(world, 'u')).toEqual(['one', 'two', 'three']);

  await granted(transcripts.save(transcript, { overwrite: true }));
  expect(await written(world, 's')).toEqual(['two', 'three']);
  await granted(transcripts.import(transcript, { sessionId: 'u', replace: true, overwrite: true }));
  expect(await written(world, 'u')).toEqual(['two', 'three']);
  await granted(transcripts.delete('s'));
  expect(await codeOf(transcripts.import(transcript, { replace: true }))).toBe('ok');
});
