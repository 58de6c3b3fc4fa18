import { createTranscripts } from '../../src/transcripts/transcripts.js';
import { expect, test } from 'vitest';
import { loopKey, loopStateKey } from '../../src/transcripts/transcript-records.js';
import type { Key } from '../../src/core/keys.js';
import { granted } from '../core/answers.js';
import { memoryBackend } from '../storage/backends.js';
import { openFace } from '../engine/face-world.js';
import { said } from './transcript-world.js';
import type { Storage } from '../../src/storage/storage.js';
import { Value } from '../../src/core/json.js';

/** Storage that notes of which kinds the records are that it hands out. */
function watched(storage: Storage, kinds: Set<string>): Storage {
  const note = (key: Key): unknown => kinds.add(/^.([a-z-]+)/.exec(key)?.[1] ?? key);
  const { peek: _peek, ...others } = storage;
  return {
    ...others,
    read(keys) {
      keys.forEach(note);
      return storage.read(keys);
    },
    range(query) {
      note(query.start);
      return storage.range(query);
    },
    close: () => storage.close(),
  };
}

test('usage is told without reading an entry, as a whole load tells it', async () => {
  const kinds = new Set<string>();
  const world = await openFace(
    memoryBackend,
    (engine) => ({ face: createTranscripts(engine) }),
    (storage) => watched(storage, kinds),
  );
  const { face: transcripts, storage } = world;
  const large = 'x'.repeat(3_000_000);
  await granted(
    transcripts.append(
      's',
      [
        { type: 'loop', loopId: 'z', config: { model: 'm' } },
        { type: 'turn', usage: { tokens: 5 } },
        said(large),
        { type: 'loop', loopId: 'y', parentLoopId: 'z' },
        { type: 'turn', usage: { tokens: 7 } },
        { type: 'loop', loopId: 'a', kind: 'branch', parentLoopId: 'z' },
      ],
      { create: { agentId: 'x' } },
    ),
  );
  const { transcript } = await granted(transcripts.load('s'));
  expect(kinds).toContain('transcript-piece');
  kinds.clear();
  expect(await granted(transcripts.usage('s'))).toEqual({
    ok: true,
    total: { tokens: 12 },
    loops: transcript.loops.map(({ loopId, usage }) => ({ loopId, usage })),
  });
  expect(transcript.loops.map(({ loopId }) => loopId)).toEqual(['z', 'y', 'a']);
  expect([...kinds].filter((kind) => kind !== 'transcript').sort()).toEqual([
    'transcript-loop',
    'transcript-loop-state',
  ]);

  for (const key of [
    loopKey(transcript.session.incarnation, 'y'),
    loopStateKey(transcript.session.incarnation, 'a'),
  ]) {
    const { records } = await storage.read([key]);
    const write = {
      kind: 'put' as const,
      key,
      expected: records[0]?.version ?? null,
      version: `spoilt.${key}`.slice(0, 40),
      value: Value.fromText('{"schema":1'),
    };
    expect((await storage.commit([{ writes: [write] }])).outcomes).toEqual([{ status: 'ok' }]);
  }
  expect(await granted(transcripts.usage('s'))).toMatchObject({
    total: { tokens: 12 },
    loops: [
      { loopId: 'z', usage: { tokens: 5 } },
      { loopId: 'a', usage: {} },
      { loopId: 'y', usage: { tokens: 7 } },
    ],
    damaged: [
      { what: 'the state of the loop a', problem: 'is damaged' },
      { what: 'the loop y', problem: 'is damaged' },
    ],
  });
});
