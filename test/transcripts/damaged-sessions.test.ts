import { backends, memoryBackend, sqliteFastBackend } from '../storage/backends.js';
import { createEngine } from '../../src/engine/create-engine.js';
import { createTranscripts } from '../../src/transcripts/transcripts.js';
import { codeOf, granted } from '../core/answers.js';
import { openTranscriptWorld, said, spoil, type TranscriptWorld, written } from './transcript-world.js';
import { describe, expect, test } from 'vitest';
import { entryKey, sessionKey, type SessionRecord } from '../../src/transcripts/transcript-records.js';
import type { Transcript } from '../../src/transcripts/transcript-types.js';
import { Value } from '../../src/core/json.js';

const noJson = Value.fromText('{"schema":1,"loop');
const wrongShapes = {
  'a record without its fields': (): Value => Value.of({ schema: 1 }),
  'a number': (): Value => Value.of(7),
  'nothing to speak of': (): Value => Value.of(0),
  'a record with one field that is wrong': (record: SessionRecord): Value =>
    Value.of({ ...record, revision: 'many' }),
  'a record with ids that are none': (record: SessionRecord): Value =>
    Value.of({ ...record, incarnation: ['x'], identity: '', operations: 7, parentIdentity: '\u0000' }),
};

/** Puts something else in the place of the session's record. */
async function damaged(world: TranscriptWorld, value: (record: SessionRecord) => Value): Promise<void> {
  const key = sessionKey('s');
  const { records } = await world.storage.read([key]);
  await spoil(world, key, value(records[0]?.value.json as SessionRecord));
}

interface Opened extends TranscriptWorld {
  readonly copy: Transcript;
  readonly child: Transcript;
}

/** The session `s`, the current one of `a`, with a sub-agent's; copies of both from before `s` was damaged. */
async function openDamaged(
  backend: (typeof backends)[number],
  value: (record: SessionRecord) => Value,
): Promise<Opened> {
  const world = await openTranscriptWorld(backend);
  const { transcripts } = world;
  await granted(transcripts.openCurrent({ agentId: 'a', sessionId: 's', inactiveMs: 1_000_000 }));
  await granted(transcripts.append('s', [said('one')], { operationId: 'first' }));
  await granted(transcripts.create({ sessionId: 'child', agentId: 'b', parent: { sessionId: 's' } }));
  await granted(transcripts.append('child', [said('hello')]));
  const copy = (await granted(transcripts.export('s'))).transcript;
  const child = (await granted(transcripts.export('child'))).transcript;
  await damaged(world, value);
  // Another process, which has none of it in memory.
  const engine = createEngine(world.storage, { instanceId: 'uncached', cacheBytesMax: 0 });
  return { ...world, engine, transcripts: createTranscripts(engine), copy, child };
}

describe.each(backends)('on $name', (backend) => {
  test('a session whose record is damaged is deleted, with what it held, and made anew', async () => {
    const { transcripts, storage, copy } = await openDamaged(backend, (record) =>
      Value.of({ ...record, counts: 7 }),
    );
    const entry = entryKey(copy.session.incarnation, 0);
    expect((await storage.read([entry])).records[0]).toBeDefined();
    expect(await codeOf(transcripts.delete('s'))).toBe('ok');
    expect(await codeOf(transcripts.get('s'))).toBe('SESSION_NOT_FOUND');
    const { sessions, damaged: left } = await granted(transcripts.list());
    expect([sessions.map(({ sessionId }) => sessionId), left]).toEqual([['child'], []]);
    await granted(transcripts.collect());
    // A store that several processes write to holds a mark in its place for a while.
    expect((await storage.read([entry])).records[0]?.value.json ?? null).toBe(null);
    await granted(transcripts.create({ sessionId: 's', agentId: 'a' }));
    expect(await codeOf(transcripts.delete('s'))).toBe('ok');
  });

  test('a session whose text is no JSON keeps no agent and no sub-agent from going on', async () => {
    const world = await openDamaged(backend, () => noJson);
    const { transcripts, child, copy } = world;
    const inactiveMs = 1_000_000;
    const opened = await granted(transcripts.openCurrent({ agentId: 'a', inactiveMs }));
    expect(opened.created).toBe(true);
    const again = await granted(transcripts.openCurrent({ agentId: 'a', inactiveMs }));
    expect([again.created, again.session.sessionId]).toEqual([false, opened.session.sessionId]);
    await granted(transcripts.save(child));
    await granted(transcripts.import(copy, { sessionId: 'rescued' }));
    expect(await written(world, 'rescued')).toEqual(['one']);
    await expect(transcripts.delete('s')).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      message: expect.stringMatching(/no JSON.*another id/) as unknown,
    });
    await expect(transcripts.import(copy, { replace: true })).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
    });
  });
});

describe.each([memoryBackend, sqliteFastBackend])('on $name', (backend) => {
  describe.each(Object.entries(wrongShapes))('%s in the place of a session', (_what, value) => {
    test('is deleted', async () => {
      const { transcripts } = await openDamaged(backend, value);
      expect(await codeOf(transcripts.delete('s'))).toBe('ok');
      expect(await codeOf(transcripts.get('s'))).toBe('SESSION_NOT_FOUND');
      expect(await codeOf(transcripts.delete('s'))).toBe('SESSION_NOT_FOUND');
    });

    test('is replaced on purpose only', async () => {
      const world = await openDamaged(backend, value);
      const { transcripts, copy } = world;
      await expect(transcripts.create({ sessionId: 's', agentId: 'a' })).rejects.toMatchObject({
        code: 'STORE_CORRUPT',
        message: expect.stringMatching(/delete/) as unknown,
      });
      expect(await codeOf(transcripts.import(copy))).toBe('SESSION_EXISTS');
      expect(await codeOf(transcripts.save(copy))).toBe('SESSION_CHANGED');
      await granted(transcripts.import(copy, { replace: true }));
      expect(await written(world, 's')).toEqual(['one']);
      await damaged(world, value);
      world.clock.advance(10_000);
      await granted(transcripts.save(copy, { overwrite: true }));
      expect(await written(world, 's')).toEqual(['one']);
      await granted(transcripts.append('s', [said('two')]));
      const { sessions, damaged: left } = await granted(transcripts.list());
      expect([sessions.map(({ sessionId }) => sessionId).sort(), left]).toEqual([['child', 's'], []]);
      await granted(transcripts.delete('s'));
      await granted(transcripts.import(copy));
      expect(await written(world, 's')).toEqual(['one']);
    });

    test('is no parent and nobody is in it', async () => {
      const world = await openDamaged(backend, value);
      const { transcripts, child } = world;
      await granted(transcripts.save(child));
      await granted(transcripts.import(child, { sessionId: 'other' }));
      expect(await written(world, 'other')).toEqual(['hello']);
      const parent = { sessionId: 's' };
      expect(await codeOf(transcripts.create({ sessionId: 'new', agentId: 'b', parent }))).toBe(
        'SESSION_NOT_FOUND',
      );
      const opened = await granted(transcripts.openCurrent({ agentId: 'a', inactiveMs: 1_000_000 }));
      expect(opened).toMatchObject({ created: true, session: { formation: 'explicit' } });
      const again = await granted(transcripts.openCurrent({ agentId: 'a', inactiveMs: 1_000_000 }));
      expect([again.created, again.session.sessionId]).toEqual([false, opened.session.sessionId]);
    });
  });

  test('what was done in a session that is replaced stays done, where its record still says where that lies', async () => {
    const { transcripts, copy } = await openDamaged(backend, (record) => Value.of({ ...record, usage: 7 }));
    await granted(transcripts.import(copy, { replace: true }));
    const again = await granted(transcripts.append('s', [said('one')], { operationId: 'first' }));
    expect(again.replayed).toBe(true);
  });

  test('a session that a later version wrote is not taken for a damaged one', async () => {
    const { transcripts, copy, child } = await openDamaged(backend, (record) =>
      Value.of({ ...record, schema: 99 }),
    );
    const refused = { code: 'STORE_SCHEMA_TOO_NEW' };
    await expect(transcripts.delete('s')).rejects.toMatchObject(refused);
    await expect(transcripts.import(copy, { replace: true })).rejects.toMatchObject(refused);
    await expect(transcripts.save(copy, { overwrite: true })).rejects.toMatchObject(refused);
    await expect(transcripts.save(child)).rejects.toMatchObject(refused);
    await expect(transcripts.openCurrent({ agentId: 'a', inactiveMs: 1_000_000 })).rejects.toMatchObject(
      refused,
    );
  });
});
