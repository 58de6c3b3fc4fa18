import { describe, expect, test } from 'vitest';
import { memoryBackend, sqliteFastBackend } from '../storage/backends.js';
import { emptyCheckpoint, uuid6 } from '@langchain/langgraph-checkpoint';
import { granted } from '../core/answers.js';
import { openTranscriptWorld, standingStill } from './transcript-world.js';
import { keysBelow } from '../../src/core/keys.js';
import { langGraphSaver } from 'ambit/langgraph';

const large = 'x'.repeat(1_000_000);
const thread = { configurable: { thread_id: 't', checkpoint_ns: '' } };
const metadata = { source: 'loop' as const, step: 0, parents: {} };

describe.each([memoryBackend, sqliteFastBackend])('on $name', (backend) => {
  test.each(['put', 'putWrites'] as const)(
    'what stood still for an hour and was given up meanwhile is refused, wherever it stood, and leaves no hole: %s',
    async (operation) => {
      const world = await openTranscriptWorld(backend);
      const { transcripts, storage } = world;
      const saver = langGraphSaver(transcripts);
      const before = await saver.put(
        thread,
        { ...emptyCheckpoint(), id: uuid6(0), channel_values: { x: 'before' }, channel_versions: { x: 1 } },
        metadata,
        { x: 1 },
      );
      for (let standsAt = 1, refused = 0; ; standsAt++) {
        const slow = standingStill(world, standsAt);
        const other = langGraphSaver(slow.transcripts);
        const id = uuid6(standsAt);
        const done: Promise<unknown> =
          operation === 'put'
            ? other.put(
                before,
                { ...emptyCheckpoint(), id, channel_values: { x: large }, channel_versions: { x: 2 } },
                metadata,
                { x: 2 },
              )
            : other.putWrites(before, [['x', large]], `task ${standsAt}`);
        const error: unknown = await done.then(
          () => undefined,
          (one: unknown) => one,
        );
        const newest = await saver.getTuple(thread);
        const written = newest?.pendingWrites?.map(([task]) => task) ?? [];
        const isThere =
          operation === 'put' ? newest?.checkpoint.id === id : written.includes(`task ${standsAt}`);
        expect(isThere).toBe(error === undefined);
        if (error !== undefined) {
          refused++;
          expect(error).toMatchObject({ refusal: { code: 'SESSION_CHANGED', retryable: true } });
        }
        if (!slow.stoodStill()) {
          // It has no more transactions to stand still before.
          expect(refused).toBeGreaterThan(3);
          break;
        }
        world.clock.advance(3_600_001);
        for (let round = 0; round < 3; round++) await granted(transcripts.collect());
        const { records } = await storage.range({ ...keysBelow(['transcript-staging']), limit: 100 });
        expect(records.filter(({ value }) => value.json !== null)).toEqual([]);
      }
    },
  );
});
