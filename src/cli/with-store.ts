import { storageFlag, type StorageFlags } from './command-options.js';
import type { Ambit } from '../open-ambit.js';
import type { Command } from 'commander';
import { openStore } from './open-store.js';
import { refusedError } from './run-session.js';
import type { Refused } from '../core/refusals.js';

/** The flags of every command that looks into a store. */
export type StoreFlags = StorageFlags & { readonly json?: true };

/** Adds them. */
export function addStoreFlags(command: Command): Command {
  return command.option('--json', 'print JSON').addOption(storageFlag());
}

/** Opens the store for some work, and closes it whatever became of that. */
export async function withStore(flags: StorageFlags, work: (ambit: Ambit) => Promise<void>): Promise<void> {
  const ambit = await openStore(flags);
  try {
    await work(ambit);
  } finally {
    await ambit.close();
  }
}

/** What was granted; a refusal ends the command. */
export function granted<T extends { readonly ok: true }>(answer: T | Refused): T {
  if (answer.ok) return answer;
  throw refusedError(answer);
}
