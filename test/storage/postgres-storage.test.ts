import { postgresBackend } from './backends.js';
import { runContract } from './run-contract.js';

runContract(postgresBackend.name, () => postgresBackend.createStore());
