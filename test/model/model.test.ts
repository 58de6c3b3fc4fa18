import { describe, test } from 'vitest';
import { backends } from '../storage/backends.js';
import { sharedMemoryStore } from '../storage/shared-memory-store.js';
import { runStorageModel } from './run-storage-model.js';

/** A store that answers from memory can be asked a thousand times as often as one that waits for a disk. */
const runsInMemory = 500;
const runsOnDisk = 30;

describe('random commands are answered as the model answers them', () => {
  test.each(backends.map((backend) => [backend.name, backend] as const))('%s', async (name, backend) => {
    await runStorageModel(() => backend.createStore(), {
      runs: name === 'memory' ? runsInMemory : runsOnDisk,
    });
  });

  // The wrappers as well, and two handles on one store.
  test('shared memory', async () => {
    await runStorageModel(() => sharedMemoryStore(), { runs: runsInMemory });
  });
});
