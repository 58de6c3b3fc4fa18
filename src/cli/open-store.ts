import { type Ambit, openAmbit } from '../open-ambit.js';
import { CliError, exitCodes } from './exit-codes.js';
import { AmbitError } from '../core/errors.js';
import envPaths from 'env-paths';
import { codeOf } from './session-file.js';
import { join, resolve } from 'node:path';
import { mkdirSync } from 'node:fs';
import { parseStorageUrl, type StorageLocation } from '../core/storage-url.js';
import type { StorageFlags } from './command-options.js';

/** Opens the store that the flags, the environment or else the user's data directory name. */
export async function openStore(flags: StorageFlags): Promise<Ambit> {
  const url = storageUrlOf(flags);
  const location = locationOf(url);
  try {
    // A URL says by name what it gives up: durability=…, or memory.
    return await openAmbit({
      storage: url,
      durability: location.kind === 'memory' ? 'none' : location.durability,
    });
  } catch (error) {
    throw storeError(error);
  }
}

/** The URL of that store. Holds its password, if there is one. */
export function storageUrlOf({ storage }: StorageFlags): string {
  return storage ?? nonEmpty(process.env.AMBIT_STORAGE) ?? defaultStorageUrl();
}

/** Where that store is; what is wrong with a URL ends the command. */
export function locationOf(url: string): StorageLocation {
  try {
    return parseStorageUrl(url);
  } catch (error) {
    throw storeError(error);
  }
}

/** `--task` promises that the session is there tomorrow. */
export function requireRemembering(task: string | undefined, url: string): void {
  if (task === undefined || locationOf(url).kind !== 'memory') return;
  throw new CliError(
    '--task is a name to come back to, and memory: remembers nothing; name another store, or leave --task out',
    exitCodes.usage,
  );
}

/** A URL that means the same store from whatever directory it is opened. */
export function absoluteStorageUrl(url: string): string {
  const location = locationOf(url);
  if (location.kind !== 'sqlite' && location.kind !== 'file') return url;
  const [, query = ''] = /(\?.*)$/s.exec(url) ?? [];
  return `${location.kind}:${encodePath(resolve(location.path))}${query}`;
}

/** What opening a store throws, as the end of a command. */
export function storeError(error: unknown): unknown {
  if (!(error instanceof AmbitError)) return error;
  return new CliError(error.message, error.code === 'INVALID_INPUT' ? exitCodes.usage : exitCodes.store, {
    cause: error,
  });
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
  return `sqlite:${encodePath(join(directory, 'ambit.db'))}`;
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
