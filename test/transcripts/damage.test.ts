import { backends, memoryBackend, sqliteFastBackend } from '../storage/backends.js';
import { codeOf, granted } from '../core/answers.js';
import {
  openTranscriptWorld,
  said,
  spoil,
  textsOf,
  type TranscriptWorld,
  written,
} from './transcript-world.js';
import { describe, expect, test } from 'vitest';
import {
  entryKey,
  loopStateKey,
  ownedKinds,
  ownedRange,
  pieceKey,
  type PiecesRef,
  sessionKey,
  type SessionRecord,
} from '../../src/transcripts/transcript-records.js';
import { createEngine } from '../../src/engine/create-engine.js';
import { createTranscripts } from '../../src/transcripts/transcripts.js';
import type { Transcripts } from '../../src/transcripts/transcripts-face.js';
import { decodeKey, type Key } from '../../src/core/keys.js';
import { Value } from '../../src/core/json.js';

const linkWithoutFields = Value.of({ schema: 1 });
const broken = {
  'text that is no JSON': Value.fromText('{"schema":1,"loop'),
  'JSON of another shape': Value.of(7),
  'a record without its fields': linkWithoutFields,
  'a record of a later layout': Value.of({ schema: 99, loopId: 'x', incarnation: 'x', status: 'x' }),
  'a record with other fields': Value.of({
    schema: 1,
    loopId: { x: 1 },
    toolCallId: [],
    incarnation: 'x',
    kind: 'song',
    status: 'lost',
    type: 'song',
    selectedLoopId: 7,
  }),
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

/** A session in which every kind of record stands, and the keys of what it holds. */
async function fullSession({ transcripts, storage }: TranscriptWorld, sessionId: string): Promise<Key[]> {
  await granted(transcripts.create({ sessionId, agentId: 'a' }));
  const loop = (loopId: string, more: object = {}) => ({ type: 'loop' as const, loopId, ...more });
  const branch = { kind: 'branch', parentLoopId: 'L1', groupId: 'g' };
  await granted(
    transcripts.append(sessionId, [
      loop('L1', { config: { model: 'm' } }),
      { type: 'turn', turnId: 't', usage: { tokens: 1 } },
      said('one'),
      loop('L2', branch),
      loop('L3', branch),
      said('left', 'L2'),
      said('right', 'L3'),
      { type: 'loop-update', loopId: 'L2', selected: true, status: 'completed', usage: { tokens: 2 } },
      loop('L4', { parentLoopId: 'L2' }),
      said('four'),
      { type: 'event', event: { text: 'x'.repeat(800_000) } },
      { type: 'turn-update', turnId: 't', output: 'done' },
      said('five'),
      loop('L5'),
    ]),
  );
  const child = { sessionId: `child of ${sessionId}`, agentId: 'b', parent: { sessionId, loopId: 'L1' } };
  await granted(transcripts.create(child));
  const overlay = { type: 'overlay', reason: 'x', from: 2, to: 2, messages: [{ role: 'system' }] } as const;
  await granted(transcripts.append(sessionId, [overlay, said('six')]));
  const { records } = await storage.read([sessionKey(sessionId)]);
  const record = records[0]?.value.json as SessionRecord | undefined;
  const keys: Key[] = [];
  for (const owner of [record?.incarnation ?? '', record?.identity ?? '']) {
    for (const kind of ownedKinds) {
      const owned = await storage.range({ ...ownedRange(kind, owner), limit: 100 });
      for (const { key, value } of owned.records) {
        keys.push(key);
        const { pieces } = value.json as { pieces?: PiecesRef };
        if (pieces) keys.push(pieceKey(pieces.set, pieces.count - 1));
      }
    }
  }
  return keys;
}

const loopIds = ['L1', 'L2', 'L3', 'L4', 'L5'];

// All of it is tried in memory; on a disk what is found as text, and what is found as JSON.
const onDisk = ['text that is no JSON', 'a record with other fields'];

describe.each([memoryBackend, sqliteFastBackend])('on $name', (backend) => {
  const tried = Object.entries(broken).filter(([what]) => backend === memoryBackend || onDisk.includes(what));
  test.each(tried)(
    'whichever record of a session is damaged, the rest is there, can be copied, exported and imported, and says it: %s',
    async (_what, value) => {
      const world = await openTranscriptWorld(backend);
      const other = await openTranscriptWorld(memoryBackend);
      const places = (await fullSession(world, 'whole')).length;
      expect(places).toBeGreaterThan(20);
      const { transcript: whole } = await granted(world.transcripts.export('whole'));
      const engine = createEngine(world.storage, { instanceId: 'uncached', cacheBytesMax: 0 });
      // Another process, which has none of it in memory.
      const transcripts = createTranscripts(engine);
      const seenIn = async (place: Transcripts, id: string, loopId?: string) =>
        (await granted(place.history(id, loopId === undefined ? {} : { loopId }))).messages;

      for (let at = 0; at < places; at++) {
        const id = `session ${at}`;
        const key = (await fullSession(world, id))[at] as Key;
        const [kind, , last] = decodeKey(key);
        const where = `${String(kind)} ${String(last)}`;
        await spoil(world, key, value);

        const { transcript } = await granted(transcripts.export(id));
        // A link to a sub-agent needs no fields.
        const isDamaged = kind !== 'transcript-child' || value !== linkWithoutFields;
        expect(transcript.damaged ?? [], where).toHaveLength(isDamaged ? 1 : 0);
        const lost = kind === 'transcript-entry' || kind === 'transcript-piece' ? 1 : 0;
        // What was added to a turn stands by itself where the turn is lost, and is no entry of its own where it is there.
        expect(transcript.entries.length, where).toBeGreaterThanOrEqual(whole.entries.length - lost);
        expect(transcript.loops.map(({ loopId }) => loopId).sort(), where).toEqual(loopIds);
        if (kind === 'transcript-loop' && last === 'L1') {
          const { damaged } = await granted(transcripts.history(id));
          expect(damaged).toEqual(transcript.damaged);
        }
        expect(textsOf(await seenIn(transcripts, id)), where).toContain(
          lost > 0 && last === 9 ? 'five' : 'six',
        );

        const file: unknown = JSON.parse(JSON.stringify(transcript));
        await granted(other.transcripts.import(file));
        await granted(transcripts.fork(id, { sessionId: `copy of ${id}` }));
        for (const [place, copyId] of [
          [other.transcripts, id],
          [transcripts, `copy of ${id}`],
        ] as const) {
          const copy = (await granted(place.load(copyId))).transcript;
          for (const part of ['entries', 'loops', 'groups'] as const)
            expect(copy[part], `${where}: ${part}`).toEqual(transcript[part]);
          expect(copy.damaged, where).toBeUndefined();
          expect(copy.session.lost, where).toEqual(transcript.damaged);
          expect(await seenIn(place, copyId), where).toEqual(await seenIn(transcripts, id));
        }
        for (const loopId of kind === 'transcript-loop' ? loopIds : []) {
          const { session } = await granted(transcripts.fork(id, { loopId }));
          expect(await seenIn(transcripts, session.sessionId), where).toEqual(
            await seenIn(transcripts, id, loopId),
          );
        }
        // Saved in its place it is whole again, but for its links, which are not replaced.
        await granted(transcripts.save(transcript));
        const saved = (await granted(transcripts.load(id))).transcript;
        expect(saved.damaged ?? [], where).toHaveLength(isDamaged && kind === 'transcript-child' ? 1 : 0);
        await granted(transcripts.append(id, [said('on')]));
      }
      await engine.close();
    },
  );
});

test('a store that does not answer is no damage', async () => {
  const world = await openTranscriptWorld(sqliteFastBackend);
  await granted(world.transcripts.create({ sessionId: 's', agentId: 'a' }));
  await world.engine.close();
  expect(await codeOf(world.transcripts.load('s'))).toBe('STORAGE_UNAVAILABLE');
  expect(await codeOf(world.transcripts.list())).toBe('STORAGE_UNAVAILABLE');
});
