import { redisBackend } from './backends.js';
import { runContract } from './run-contract.js';

runContract(redisBackend.name, () => redisBackend.createStore());
