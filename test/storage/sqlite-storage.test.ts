import { sqliteFastBackend, sqliteFreeBackend } from './backends.js';
import { runContract } from './run-contract.js';

for (const backend of [sqliteFastBackend, sqliteFreeBackend]) {
  runContract(backend.name, () => backend.createStore());
}
