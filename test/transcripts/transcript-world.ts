import { afterEach } from 'vitest';
import type { FakeClock, TestStore } from 'ambit/testing';
import type { Backend } from '../storage/backends.js';
import { createEngine } from '../../src/engine/create-engine.js';
import { createTranscripts } from '../../src/transcripts/transcripts.js';
import type { Engine } from '../../src/engine/engine.js';
import type { Refused } from '../../src/core/refusals.js';
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

const opened: { engine: Engine; store: TestStore }[] = [];
let instances = 0;

afterEach(async () => {
  for (const { engine, store } of opened.splice(0)) {
    await engine.close();
    await store.remove?.();
  }
});

export async function openTranscriptWorld(
  backend: Backend,
  settings: TranscriptSettings = {},
): Promise<TranscriptWorld> {
  const store = await backend.createStore();
  if (!store.clock) throw new Error(`${backend.name}: tests of rules need a clock of their own`);
  return worldOf(store, store.clock, settings);
}

async function worldOf(
  store: TestStore,
  clock: FakeClock,
  settings: TranscriptSettings,
): Promise<TranscriptWorld> {
  const storage = await store.open();
  const engine = createEngine(storage, { instanceId: `transcripts${process.pid}.${instances++}` });
  opened.push({ engine, store });
  const world: TranscriptWorld = {
    transcripts: createTranscripts(engine, settings),
    engine,
    storage,
    clock,
    async reopen() {
      // A store that remembers nothing has nothing to be opened again.
      if (storage.capabilities.durability.level === 'none') return world;
      await engine.close();
      return worldOf(store, clock, settings);
    },
  };
  return world;
}

/** What was granted; a refusal fails the test. */
export async function granted<T extends { readonly ok: true }>(
  answer: T | Refused | Promise<T | Refused>,
): Promise<T> {
  const settled = await answer;
  if (!settled.ok) throw new Error(`refused: ${settled.refusal.code}: ${settled.refusal.message}`);
  return settled;
}

/** The code of a refusal, or `ok`. */
export async function codeOf(
  answer: { readonly ok: true } | Refused | Promise<{ readonly ok: true } | Refused>,
): Promise<string> {
  const settled = await answer;
  return settled.ok ? 'ok' : settled.refusal.code;
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
