import { memoryStorage } from 'ambit/memory';
import { fakeClock, type TestStore } from 'ambit/testing';

/** How tests open a backend: every suite that runs on all of them reads this list, and a test sees to it that none is missing. */
export interface Backend {
  /** The backend's folder in src/storage, and where there is more than one way to open it, which. */
  readonly name: string;
  /** Makes an empty store. */
  createStore(): TestStore | Promise<TestStore>;
}

export const memoryBackend: Backend = {
  name: 'memory',
  createStore() {
    const clock = fakeClock();
    return { clock, open: () => memoryStorage({ clock }) };
  },
};

export const backends: readonly Backend[] = [memoryBackend];
