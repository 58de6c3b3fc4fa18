import { describe, expect, test } from 'vitest';
import { memoryBackend, sqliteFastBackend } from '../storage/backends.js';
import { granted } from '../core/answers.js';
import { openTranscriptWorld, said, standingStill } from './transcript-world.js';
import { keysBelow } from '../../src/core/keys.js';

const large = { type: 'message' as const, message: { role: 'user', content: 'x'.repeat(1_000_000) } };

describe.each([memoryBackend, sqliteFastBackend])('on $name', (backend) => {
  test.each([
    ['an append', 'append'],
    ['a save', 'save'],
  ] as const)(
    'what stood still for an hour and was given up meanwhile is refused, wherever it stood, and leaves nothing: %s',
    async (_what, operation) => {
      const world = await openTranscriptWorld(backend);
      const { transcripts, storage } = world;
      await granted(transcripts.append('s', [said('before')], { create: { agentId: 'a' } }));
      const keysNow = async () =>
        (await storage.range({ ...keysBelow([]), limit: 1_000 })).records.map(({ key }) => key);
      const before = await keysNow();

      for (let standsAt = 1; ; standsAt++) {
        const slow = standingStill(world, standsAt);
        const other = slow.transcripts;
        const answer = await (operation === 'append'
          ? other.append('s', [said('one'), large, said('two')])
          : other.save({ session: { sessionId: 's', agentId: 'a' }, entries: [large, said('two'), large] }));
        const { transcript } = await granted(transcripts.load('s'));
        expect(transcript.damaged).toBeUndefined();
        if (!slow.stoodStill()) {
          // It has no more transactions to stand still before.
          expect(standsAt).toBeGreaterThan(4);
          expect(transcript.entries.length).toBeGreaterThan(1);
          await granted(answer);
          break;
        }
        if (answer.ok) {
          // It was done already, or had not yet begun.
          expect(transcript.entries.length).toBeGreaterThan(1);
          await granted(
            transcripts.save({ session: { sessionId: 's', agentId: 'a' }, entries: [said('before')] }),
          );
        } else {
          expect(answer).toMatchObject({ refusal: { retryable: true } });
          expect(transcript.entries).toHaveLength(1);
        }
        world.clock.advance(3_600_001);
        for (let round = 0; round < 3; round++) await granted(transcripts.collect());
        expect(await keysNow()).toHaveLength(before.length);
      }
    },
  );
});
