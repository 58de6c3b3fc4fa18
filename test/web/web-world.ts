import { afterEach } from 'vitest';
import type { FakeClock, TestStore } from 'ambit/testing';
import type { NewWebSession, WebSession, WebSessions, WebSettings } from '../../src/web/web-types.js';
import type { Backend } from '../storage/backends.js';
import { createEngine } from '../../src/engine/create-engine.js';
import { createWebSessions } from '../../src/web/web-sessions.js';
import type { Engine } from '../../src/engine/engine.js';
import type { Json } from '../../src/core/json.js';
import type { Refused } from '../../src/core/refusals.js';
import type { Storage } from '../../src/storage/storage.js';

/** Web sessions over a store of a backend, on a clock that the test moves. */
export interface WebWorld {
  readonly web: WebSessions;
  readonly storage: Storage;
  readonly clock: FakeClock;
  /** Closes the store and opens it again, as a new process would. */
  reopen(): Promise<WebWorld>;
}

export type Anything = Record<string, Json>;

const opened: { engine: Engine; store: TestStore }[] = [];
let instances = 0;

afterEach(async () => {
  for (const { engine, store } of opened.splice(0)) {
    await engine.close();
    await store.remove?.();
  }
});

export async function openWebWorld(
  backend: Backend,
  settings: WebSettings = {},
  wrapped: (storage: Storage) => Storage = (storage) => storage,
): Promise<WebWorld> {
  const store = await backend.createStore();
  if (!store.clock) throw new Error(`${backend.name}: tests of rules need a clock of their own`);
  return worldOf(store, store.clock, settings, wrapped);
}

async function worldOf(
  store: TestStore,
  clock: FakeClock,
  settings: WebSettings,
  wrapped: (storage: Storage) => Storage,
): Promise<WebWorld> {
  const storage = wrapped(await store.open());
  const engine = createEngine(storage, { instanceId: `web${instances++}` });
  opened.push({ engine, store });
  return {
    web: createWebSessions(engine, settings),
    storage,
    clock,
    async reopen() {
      await engine.close();
      return worldOf(store, clock, settings, wrapped);
    },
  };
}

export async function begun<Data extends object = Anything>(
  { web }: Pick<WebWorld, 'web'>,
  input?: NewWebSession<NoInfer<Data>>,
): Promise<WebSession<Data>> {
  return good(await web.create<Data>(input)).session;
}

export async function loaded<Data extends object = Anything>(
  { web }: Pick<WebWorld, 'web'>,
  id: string,
): Promise<WebSession<Data>> {
  return good(await web.load<Data>(id)).session;
}

/** An answer that must be no refusal. */
export function good<T extends { readonly ok: true }>(answer: T | Refused): T {
  if (answer.ok) return answer;
  throw new Error(`refused: ${answer.refusal.code}: ${answer.refusal.message}`);
}

/** The code of a refusal, or `ok`. */
export function codeOf(answer: { readonly ok: true } | Refused): string {
  return answer.ok ? 'ok' : answer.refusal.code;
}

/** Whether a session loads. */
export async function lives({ web }: Pick<WebWorld, 'web'>, id: string): Promise<boolean> {
  return (await web.load(id, { touch: false })).ok;
}
