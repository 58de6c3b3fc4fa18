import { backends, sqliteFastBackend } from '../storage/backends.js';
import {
  codeOf,
  granted,
  openTranscriptWorld,
  said,
  type TranscriptWorld,
  written,
} from './transcript-world.js';
import { describe, expect, test } from 'vitest';
import { entryKey, loopStateKey, sessionKey } from '../../src/transcripts/transcript-records.js';
import type { Key } from '../../src/core/keys.js';
import { Value } from '../../src/core/json.js';

let version = 0;

/** Writes what Ambit would not: past the engine, so that nothing is cached of it. */
async function spoil({ storage }: TranscriptWorld, key: Key, value: Value): Promise<void> {
  const { records } = await storage.read([key]);
  const put = {
    kind: 'put' as const,
    key,
    expected: records[0]?.version ?? null,
    version: `spoilt.${version++}`,
    value,
  };
  const { outcomes } = await storage.commit([{ writes: [put] }]);
  expect(outcomes).toEqual([{ status: 'ok' }]);
}

const broken = {
  'text that is no JSON': Value.fromText('{"schema":1,"loop'),
  'JSON of another shape': Value.of(7),
  'a record without its fields': Value.of({ schema: 1 }),
  'a record of a later layout': Value.of({ schema: 99, loopId: 'x', incarnation: 'x', status: 'x' }),
};

describe.each(backends)('on $name', (backend) => {
  test.each(Object.entries(broken))('a damaged record hides no other: %s', async (_what, value) => {
    const world = await openTranscriptWorld(backend);
    const { transcripts } = world;
    for (const id of ['a', 'b', 'c']) {
      await granted(
        transcripts.append(id, [said('one'), said('two'), said('three')], { create: { agentId: 'x' } }),
      );
      world.clock.advance(10_000);
    }
    const { session } = await granted(transcripts.get('b'));
    await spoil(world, entryKey(session.incarnation, 1), value);
    await spoil(world, loopStateKey(session.incarnation, session.currentLoopId ?? ''), value);
    const { transcript } = await granted(transcripts.load('b'));
    expect(transcript.entries.map(({ position }) => position)).toEqual([0, 2]);
    expect(transcript.loops).toHaveLength(1);
    expect(transcript.damaged?.map(({ what }) => what)).toEqual([
      `the state of the loop ${session.currentLoopId}`,
      'the entry at position 1',
    ]);
    expect((await granted(transcripts.history('b'))).messages.map(({ message }) => message.content)).toEqual([
      'one',
      'three',
    ]);
    expect((await granted(transcripts.load('b', { turns: 1 }))).transcript.entries).toHaveLength(2);

    await spoil(world, sessionKey('b'), value);
    const page = await granted(transcripts.list());
    expect(page.sessions.map(({ sessionId }) => sessionId)).toEqual(['c', 'a']);
    expect(page.damaged).toEqual(['b']);
    expect(await written(world, 'a')).toEqual(['one', 'two', 'three']);
    const again = await world.reopen();
    await expect(again.transcripts.load('b')).rejects.toThrow(/other transcripts are not affected/);
    await expect(again.transcripts.append('b', [said('x')])).rejects.toMatchObject({ name: 'AmbitError' });
    await granted(again.transcripts.append('a', [said('four')]));
  });
});

test('a store that does not answer is no damage', async () => {
  const world = await openTranscriptWorld(sqliteFastBackend);
  await granted(world.transcripts.create({ sessionId: 's', agentId: 'a' }));
  await world.engine.close();
  expect(await codeOf(world.transcripts.load('s'))).toBe('STORAGE_UNAVAILABLE');
  expect(await codeOf(world.transcripts.list())).toBe('STORAGE_UNAVAILABLE');
});
