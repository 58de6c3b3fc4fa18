import { afterEach } from 'vitest';
import type { FakeClock, TestStore } from 'ambit/testing';
import type { Backend } from '../storage/backends.js';
import { createEngine } from '../../src/engine/create-engine.js';
import type { Engine } from '../../src/engine/engine.js';
import type { Storage } from '../../src/storage/storage.js';

/** A face over an engine over a store of a backend, on a clock that the test moves. Behind each test all is removed. */
export interface FaceWorld<Face> {
  readonly face: Face;
  readonly engine: Engine;
  readonly storage: Storage;
  readonly clock: FakeClock;
  /** Closes the store and opens it again, as a new process would. */
  reopen(create?: CreateFace<Face>): Promise<FaceWorld<Face>>;
}

/** Makes the face; what it does in the background ends with `stop`. */
export type CreateFace<Face> = (engine: Engine, clock: FakeClock) => { face: Face; stop?: () => void };

const opened: { engine: Engine; store: TestStore; stop: () => void }[] = [];
let instances = 0;

afterEach(async () => {
  for (const { engine, store, stop } of opened.splice(0)) {
    stop();
    await engine.close();
    await store.remove?.();
  }
});

/** @param wrapped what the engine gets instead of the backend's storage, each time it is opened */
export async function openFace<Face>(
  backend: Backend,
  create: CreateFace<Face>,
  wrapped: (storage: Storage) => Storage = (storage) => storage,
): Promise<FaceWorld<Face>> {
  const store = await backend.createStore();
  const { clock } = store;
  if (!clock) throw new Error(`${backend.name}: tests of rules need a clock of their own`);

  async function open(createFace: CreateFace<Face>): Promise<FaceWorld<Face>> {
    const storage = wrapped(await store.open());
    const engine = createEngine(storage, { instanceId: `world${process.pid}.${instances++}` });
    const { face, stop = () => undefined } = createFace(engine, clock as FakeClock);
    opened.push({ engine, store, stop });
    return {
      face,
      engine,
      storage,
      clock: clock as FakeClock,
      async reopen(again = createFace) {
        stop();
        await engine.close();
        return open(again);
      },
    };
  }

  return open(create);
}
