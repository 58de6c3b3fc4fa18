import { codeOf, granted } from '../core/answers.js';
import { openTranscriptWorld, said, seen, written } from './transcript-world.js';
import { describe, expect, test } from 'vitest';
import { backends } from '../storage/backends.js';
import { keysBelow } from '../../src/core/keys.js';

describe.each(backends)('operations on $name', (backend) => {
  test('an operation is done once, also where the whole session was saved in between', async () => {
    const world = await openTranscriptWorld(backend);
    const { transcripts } = world;
    const send = (text: string) => transcripts.append('s', [said(text)], { operationId: 'op' });
    await granted(transcripts.append('s', [said('first')], { create: { agentId: 'a' } }));
    expect((await granted(send('second'))).position).toBe(1);
    const { transcript } = await granted(transcripts.load('s'));
    await granted(transcripts.save(transcript));
    await granted(transcripts.collect());

    const again = await world.reopen();
    expect(
      await granted(again.transcripts.append('s', [said('second')], { operationId: 'op' })),
    ).toMatchObject({
      replayed: true,
      position: 1,
    });
    expect(await written(again, 's')).toEqual(['first', 'second']);
    expect((await granted(again.transcripts.findOperation('s', 'op', [said('second')]))).found).toBe(true);
    expect(await codeOf(again.transcripts.append('s', [said('other')], { operationId: 'op' }))).toBe(
      'INVALID_INPUT',
    );

    // An import in its place replaces what the session holds, and not the session.
    await granted(again.transcripts.import(transcript, { replace: true }));
    await granted(again.transcripts.collect());
    expect(
      (await granted(again.transcripts.append('s', [said('second')], { operationId: 'op' }))).replayed,
    ).toBe(true);
  });

  test('operations are forgotten where a save says so, and every record of them goes with the session', async () => {
    const world = await openTranscriptWorld(backend);
    const { transcripts } = world;
    const send = (operationId: string) => transcripts.append('s', [said(operationId)], { operationId });
    await granted(transcripts.create({ sessionId: 's', agentId: 'a' }));
    for (let round = 0; round < 3; round++) {
      for (const id of ['one', 'two']) expect((await granted(send(id))).replayed).toBeUndefined();
      for (const id of ['one', 'two']) expect((await granted(send(id))).replayed).toBe(true);
      const cleared = { session: { sessionId: 's', agentId: 'a' } };
      await granted(transcripts.save(cleared, { overwrite: true }));
      expect((await granted(send('one'))).replayed).toBe(true);
      await granted(transcripts.save(cleared, { overwrite: true, forgetOperations: true }));
    }
    await granted(send('one'));
    await granted(transcripts.delete('s'));
    await granted(transcripts.collect());
    const { records } = await world.storage.range({ ...keysBelow([]), limit: 1_000 });
    expect(records.filter(({ value }) => value.json !== null)).toEqual([]);
  });

  test('a session that was deleted answers no operation of the one that has its id now', async () => {
    const world = await openTranscriptWorld(backend);
    const { transcripts } = world;
    const send = () =>
      transcripts.append('s', [said('hello')], { operationId: 'op', create: { agentId: 'a' } });
    await granted(send());
    expect((await granted(send())).replayed).toBe(true);
    const { transcript } = await granted(transcripts.export('s'));

    await granted(transcripts.delete('s'));
    expect((await granted(send())).replayed).toBeUndefined();
    expect(await seen(world, 's')).toEqual(['hello']);
    await granted(transcripts.delete('s'));
    await granted(transcripts.collect());
    await granted(transcripts.import(transcript));
    expect((await granted(send())).replayed).toBeUndefined();
    expect(await seen(world, 's')).toEqual(['hello', 'hello']);
    await granted(transcripts.fork('s', { sessionId: 'copy' }));
    expect((await granted(transcripts.append('copy', [said('hello')], { operationId: 'op' }))).replayed).toBe(
      undefined,
    );
  });
});
