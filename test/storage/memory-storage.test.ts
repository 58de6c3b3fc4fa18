import { memoryStorage } from 'ambit/memory';
import { memoryBackend } from './backends.js';
import { runContract } from './run-contract.js';

runContract(memoryBackend.name, () => memoryBackend.createStore());
// As its users open it: on the clock of this machine.
runContract('memory on the machine clock', () => ({ open: () => memoryStorage() }));
