import { mkdtempSync, rmSync } from 'node:fs';
import { fileBackend } from './backends.js';
import { fileStorage } from 'ambit/file';
import { join } from 'node:path';
import { runContract } from './run-contract.js';
import { tmpdir } from 'node:os';

runContract(fileBackend.name, () => fileBackend.createStore());

// As its users open it, on the clock of this machine; and without a flush of every group.
runContract('file without a flush of every group', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ambit-file-'));
  return {
    open: () => fileStorage({ path: directory, durability: 'process' }),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
});
