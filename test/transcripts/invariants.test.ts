import { granted } from '../core/answers.js';
import { openTranscriptWorld, said, textsOf } from './transcript-world.js';
import { memoryBackend, sqliteFastBackend, sqliteFreeBackend } from '../storage/backends.js';
import { describe, expect, test } from 'vitest';
import { createEngine } from '../../src/engine/create-engine.js';
import { createTranscripts } from '../../src/transcripts/transcripts.js';
import { droppedKey, entryKey, stagingKey } from '../../src/transcripts/transcript-records.js';
import { keysBelow } from '../../src/core/keys.js';

describe.each([memoryBackend, sqliteFreeBackend])('on $name', (backend) => {
  test('a reader sees one version while others save', async () => {
    const { transcripts } = await openTranscriptWorld(backend);
    const version = (round: number) => ({
      session: { sessionId: 's', agentId: 'a' },
      entries: Array.from({ length: 1_200 }, () => said(String(round))),
    });
    await granted(transcripts.save(version(0)));
    let saving = true;
    const writing = (async () => {
      for (let round = 1; round <= 15; round++) {
        await granted(transcripts.save(version(round)));
        // Where nothing waits for a disk, a reader would else never get to look in between.
        for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      }
      saving = false;
    })();
    let looks = 0;
    while (saving) {
      const answer = await transcripts.history('s');
      // Too many replacements in a row are said, and never a mixture.
      if (!answer.ok) expect(answer.refusal.code).toBe('SESSION_CHANGED');
      else {
        const texts = textsOf(answer.messages);
        expect(texts).toHaveLength(1_200);
        expect(new Set(texts).size).toBe(1);
        looks++;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    await writing;
    expect(looks).toBeGreaterThan(0);
  });

  test('what a caller changes afterwards changes nothing', async () => {
    const { transcripts } = await openTranscriptWorld(backend);
    const message = { role: 'user', content: ['mine'] };
    const metadata = { tags: ['one'] };
    await granted(
      transcripts.append('s', [{ type: 'message', message }], { create: { agentId: 'a', metadata } }),
    );
    message.content.push('later');
    metadata.tags.push('later');
    const loaded = (await granted(transcripts.load('s'))).transcript as unknown as {
      entries: { message: { content: string[] } }[];
      session: { metadata: { tags: string[] }; counts: { messages: number } };
    };
    expect(loaded.entries[0]?.message.content).toEqual(['mine']);
    loaded.entries[0]?.message.content.push('hers');
    loaded.session.metadata.tags.push('hers');
    loaded.session.counts.messages = 99;
    const { transcript } = await granted(transcripts.load('s'));
    expect(transcript.entries[0]).toMatchObject({ message: { content: ['mine'] } });
    expect(transcript.session).toMatchObject({ metadata: { tags: ['one'] }, counts: { messages: 1 } });
  });
});

test('what a process left behind is collected by another', async () => {
  const store = await sqliteFastBackend.createStore();
  if (!store.clock) throw new Error('the test moves the clock');
  const engine = createEngine(await store.open(), { instanceId: 'left-behind' });
  const transcripts = createTranscripts(engine);
  try {
    await granted(transcripts.append('s', [said('stays')], { create: { agentId: 'a' } }));
    // A save whose process ended before it was switched over to, and a deletion whose process ended right after it.
    await engine.transact([], (view, now) => {
      view.insert(stagingKey('half'), now.latestMs + 3_600_000);
      for (let at = 0; at < 1_200; at++)
        view.insert(entryKey('half', at), { schema: 1, type: 'event', loopId: 'L', atMs: 0, fields: {} });
      view.insert(droppedKey('gone'), 1);
      view.insert(entryKey('gone', 0), {
        schema: 1,
        type: 'event',
        loopId: 'L',
        atMs: 0,
        fields: {},
        pieces: { set: 'set', count: 1 },
      });
      return { ok: true as const };
    });
    expect((await granted(transcripts.collect())).records).toBe(1);
    store.clock.advance(3_600_001);
    expect((await granted(transcripts.collect())).records).toBe(1_200);
    await granted(transcripts.collect());
    for (const kind of ['transcript-staging', 'transcript-dropped']) {
      const { entries } = await granted(engine.range({ ...keysBelow([kind]), limit: 10 }));
      expect(entries).toEqual([]);
    }
    expect((await granted(transcripts.load('s'))).transcript.entries).toHaveLength(1);
  } finally {
    await engine.close();
    await store.remove?.();
  }
});

test('an append reads and writes as much in a session of 3,000 turns as in one of 3', async () => {
  const world = await openTranscriptWorld(memoryBackend);
  const { transcripts, storage } = world;
  const turn = (index: number) => [
    { type: 'turn' as const, turnId: `t${index}`, usage: { inputTokens: 1 } },
    said('x'.repeat(50)),
  ];
  const bytesOf = async (act: () => Promise<unknown>): Promise<number> => {
    const before = await sizes();
    await act();
    const after = await sizes();
    let bytes = 0;
    for (const [key, { text, version }] of after) if (before.get(key)?.version !== version) bytes += text;
    return bytes;
  };
  const sizes = async () => {
    const found = new Map<string, { text: number; version: string }>();
    const { end } = keysBelow([]);
    for (let { start } = keysBelow([]); ;) {
      const { records } = await storage.range({ start, end, limit: 1_000 });
      for (const { key, value, version } of records) found.set(key, { text: value.text.length, version });
      const last = records.at(-1);
      if (!last || records.length < 1_000) return found;
      start = `${last.key}!` as typeof start;
    }
  };
  await granted(transcripts.append('s', turn(0), { create: { agentId: 'a' } }));
  const early = await bytesOf(() => granted(transcripts.append('s', turn(1))));
  for (let index = 2; index < 3_000; index += 250)
    await granted(transcripts.append('s', Array.from({ length: 250 }, (_, at) => turn(index + at)).flat()));
  const late = await bytesOf(() => granted(transcripts.append('s', turn(3_000))));
  // The counters have a few more digits.
  expect(late - early).toBeLessThan(60);
});
