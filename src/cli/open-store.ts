import { type Ambit, openAmbit } from '../open-ambit.js';
import { CliError, exitCodes } from './exit-codes.js';
import { AmbitError } from '../core/errors.js';
import envPaths from 'env-paths';
import { codeOf } from './session-file.js';
import { join } from 'node:path';
import { mkdirSync } from 'node:fs';
import { parseStorageUrl } from '../core/storage-url.js';
import type { StorageFlags } from './command-options.js';

/** Opens the store that the flags, the environment or else the user's data directory name. */
export async function openStore({ storage }: StorageFlags): Promise<Ambit> {
  const url = storage ?? nonEmpty(process.env.AMBIT_STORAGE) ?? defaultStorageUrl();
  try {
    const location = parseStorageUrl(url);
    // A URL says by name what it gives up: durability=…, or memory.
    const durability = location.kind === 'memory' ? 'none' : location.durability;
    return await openAmbit({ storage: url, durability });
  } catch (error) {
    if (!(error instanceof AmbitError)) throw error;
    throw new CliError(error.message, error.code === 'INVALID_INPUT' ? exitCodes.usage : exitCodes.store, {
      cause: error,
    });
  }
}

function defaultStorageUrl(): string {
  const directory = envPaths('ambit', { suffix: '' }).data;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new CliError(
      `${directory}: it cannot be created (${codeOf(error)}); name a store with --storage`,
      exitCodes.store,
    );
  }
  const path = join(directory, 'ambit.db');
  return `sqlite:${path.split('/').map(encodeURIComponent).join('/')}`;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
