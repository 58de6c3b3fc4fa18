import { type FaceWorld, openFace } from '../engine/face-world.js';
import type { NewWebSession, WebSession, WebSessions, WebSettings } from '../../src/web/web-types.js';
import type { Backend } from '../storage/backends.js';
import { createWebSessions } from '../../src/web/web-sessions.js';
import type { Json } from '../../src/core/json.js';
import type { FakeClock } from 'ambit/testing';
import { good } from '../core/answers.js';
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

export async function openWebWorld(
  backend: Backend,
  settings: WebSettings = {},
  wrapped?: (storage: Storage) => Storage,
): Promise<WebWorld> {
  return webWorld(
    await openFace(backend, (engine) => ({ face: createWebSessions(engine, settings) }), wrapped),
  );
}

const webWorld = (world: FaceWorld<WebSessions>): WebWorld => ({
  web: world.face,
  storage: world.storage,
  clock: world.clock,
  reopen: async () => webWorld(await world.reopen()),
});

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

/** Whether a session loads. */
export async function lives({ web }: Pick<WebWorld, 'web'>, id: string): Promise<boolean> {
  return (await web.load(id, { touch: false })).ok;
}
