import { codeOf, granted } from '../core/answers.js';
import { openTranscriptWorld, said, seen, type TranscriptWorld } from './transcript-world.js';
import { describe, expect, test } from 'vitest';
import { backends } from '../storage/backends.js';
import { createTranscripts } from '../../src/transcripts/transcripts.js';

const summary = { role: 'system', content: 'summary' };

/** Transcripts on the same store, before whose next transaction somebody else writes. */
function overtaken({ engine }: TranscriptWorld, write: () => Promise<unknown>) {
  let isArmed = true;
  return createTranscripts({
    ...engine,
    async transact(keys, body, constants) {
      if (isArmed) {
        isArmed = false;
        await write();
      }
      return engine.transact(keys, body, constants);
    },
  });
}

describe.each(backends)('compactions on $name', (backend) => {
  const open = async () => {
    const world = await openTranscriptWorld(backend);
    for (const [index, text] of ['m0', 'm1', 'm2'].entries())
      await granted(
        world.transcripts.append(
          's',
          [...(index === 0 ? [{ type: 'loop' as const, loopId: 'a' }] : []), { type: 'turn' }, said(text)],
          { create: { agentId: 'a' } },
        ),
      );
    return world;
  };

  test.each([{ keepTurns: 0 }, { keepTurns: 1 }, { to: 3 }])(
    'a compaction hides nothing of what somebody else put in the place of what it was made of: %o',
    async (covering) => {
      const world = await open();
      const entries = ['n0', 'n1', 'n2', 'n3'].map((text) => said(text, 'new'));
      const input = { session: { sessionId: 's', agentId: 'a' }, loops: [{ loopId: 'new' }], entries };
      const save = () => granted(world.transcripts.save(input, { overwrite: true }));
      const compaction = { messages: [summary], ...covering };
      expect(await codeOf(overtaken(world, save).compact('s', compaction))).toBe('SESSION_CHANGED');
      expect(await seen(world, 's')).toEqual(['n0', 'n1', 'n2', 'n3']);
    },
  );

  test('a branch that somebody else began meanwhile does not get the messages of another', async () => {
    const world = await open();
    const branch = () =>
      granted(
        world.transcripts.append('s', [
          { type: 'loop', loopId: 'b', kind: 'branch', parentLoopId: 'a' },
          said('in b'),
        ]),
      );
    const beside = overtaken(world, branch);
    expect(await codeOf(beside.compact('s', { messages: [summary] }))).toBe('SESSION_CHANGED');
    expect(await seen(world, 's')).toEqual(['m0', 'm1', 'm2', 'in b']);
    // Said which branch, it is that one, whichever is the current one.
    await granted(beside.compact('s', { messages: [summary], loopId: 'a', keepTurns: 1 }));
    expect(await seen(world, 's')).toEqual(['summary', 'm2']);
    expect(await seen(world, 's', 'b')).toEqual(['m0', 'm1', 'm2', 'in b']);
    expect(await codeOf(world.transcripts.compact('s', { messages: [summary], loopId: 'none' }))).toBe(
      'LOOP_NOT_FOUND',
    );
  });

  test('what is appended meanwhile stays to be seen, or is refused where nobody may have written', async () => {
    const world = await open();
    const { session } = await granted(world.transcripts.history('s'));
    const append = (text: string) => () => granted(world.transcripts.append('s', [said(text)]));
    const { revision: expectedRevision } = session;
    for (const beside of [overtaken(world, append('m3')), world.transcripts])
      expect(await codeOf(beside.compact('s', { messages: [summary], expectedRevision }))).toBe(
        'SESSION_CHANGED',
      );
    expect(await seen(world, 's')).toEqual(['m0', 'm1', 'm2', 'm3']);

    await granted(overtaken(world, append('m4')).compact('s', { messages: [summary] }));
    expect(await seen(world, 's')).toEqual(['summary', 'm4']);
  });

  test('a compaction of what the caller has read covers no more than that', async () => {
    const world = await open();
    const { session } = await granted(world.transcripts.history('s'));
    await granted(world.transcripts.append('s', [said('m3')]));
    const { nextPosition, currentLoopId, incarnation } = session;
    const compaction = {
      messages: [summary],
      to: nextPosition - 1,
      ...(currentLoopId !== undefined && { loopId: currentLoopId }),
      operationId: 'c',
    };
    await granted(world.transcripts.compact('s', { ...compaction, incarnation }));
    expect(await seen(world, 's')).toEqual(['summary', 'm3']);

    await granted(world.transcripts.save((await granted(world.transcripts.load('s'))).transcript));
    // It was done, whatever it is to be applied to now; another one of the same is refused.
    const again = await granted(world.transcripts.compact('s', { ...compaction, expectedRevision: 99 }));
    expect(again.replayed).toBe(true);
    const other = { ...compaction, incarnation, operationId: 'd' };
    expect(await codeOf(world.transcripts.compact('s', other))).toBe('SESSION_CHANGED');
  });
});
