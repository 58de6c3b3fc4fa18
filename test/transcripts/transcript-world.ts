import type { Key } from '../../src/core/keys.js';
import type { Value } from '../../src/core/json.js';
import { expect } from 'vitest';
import { type FaceWorld, openFace } from '../engine/face-world.js';
import type { Backend } from '../storage/backends.js';
import { createTranscripts } from '../../src/transcripts/transcripts.js';
import type { Engine } from '../../src/engine/engine.js';
import type { FakeClock } from 'ambit/testing';
import { granted } from '../core/answers.js';
import type { Storage } from '../../src/storage/storage.js';
import type { TranscriptMessage, VisibleMessage } from '../../src/transcripts/transcript-types.js';
import type { Transcripts } from '../../src/transcripts/transcripts-face.js';
import type { TranscriptSettings } from '../../src/transcripts/transcript-input-types.js';

/** Transcripts over a store of a backend, on a clock that the test moves. */
export interface TranscriptWorld {
  readonly transcripts: Transcripts;
  readonly engine: Engine;
  readonly storage: Storage;
  readonly clock: FakeClock;
  /** Closes the store and opens it again, as a new process would. */
  reopen(): Promise<TranscriptWorld>;
}

export async function openTranscriptWorld(
  backend: Backend,
  settings: TranscriptSettings = {},
): Promise<TranscriptWorld> {
  return transcriptWorld(
    await openFace(backend, (engine) => ({ face: createTranscripts(engine, settings) })),
  );
}

function transcriptWorld(opened: FaceWorld<Transcripts>): TranscriptWorld {
  const { face, engine, storage, clock } = opened;
  const world: TranscriptWorld = {
    transcripts: face,
    engine,
    storage,
    clock,
    async reopen() {
      // A store that remembers nothing has nothing to be opened again.
      if (storage.capabilities.durability.level === 'none') return world;
      return transcriptWorld(await opened.reopen());
    },
  };
  return world;
}

/** A message to append. */
export const said = (text: string, loopId?: string) => ({
  type: 'message' as const,
  message: { role: 'user', content: text },
  ...(loopId !== undefined && { loopId }),
});

/** What was said, in order. */
export const textsOf = (messages: readonly (VisibleMessage | TranscriptMessage)[]): unknown[] =>
  messages.map(({ message }) => message.content);

/** What a model sees of a session. */
export async function seen(
  { transcripts }: TranscriptWorld,
  sessionId: string,
  loopId?: string,
): Promise<unknown[]> {
  const { messages } = await granted(transcripts.history(sessionId, loopId === undefined ? {} : { loopId }));
  return textsOf(messages);
}

/** What was said in a session, whatever a model sees of it. */
export async function written({ transcripts }: TranscriptWorld, sessionId: string): Promise<unknown[]> {
  const { transcript } = await granted(transcripts.load(sessionId));
  return textsOf(transcript.entries.filter((entry) => entry.type === 'message'));
}

let spoilt = 0;

/** Writes what Ambit would not: past the engine, so that nothing is cached of it. */
export async function spoil({ storage }: TranscriptWorld, key: Key, value: Value): Promise<void> {
  const { records } = await storage.read([key]);
  const put = {
    kind: 'put' as const,
    key,
    expected: records[0]?.version ?? null,
    version: `spoilt.${spoilt++}`,
    value,
  };
  const { outcomes } = await storage.commit([{ writes: [put] }]);
  expect(outcomes).toEqual([{ status: 'ok' }]);
}

/** Transcripts of a process that stands still for more than an hour before one of its transactions, while others go on. */
export function standingStill({ engine, transcripts, clock }: TranscriptWorld, standsAt: number) {
  let left = standsAt;
  const slow: Engine = {
    ...engine,
    async transact(keys, body, constants) {
      if (--left === 0) {
        clock.advance(3_600_001);
        await granted(transcripts.collect());
      }
      return engine.transact(keys, body, constants);
    },
  };
  return { transcripts: createTranscripts(slow), stoodStill: () => left <= 0 };
}
