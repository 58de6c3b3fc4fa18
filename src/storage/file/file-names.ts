import type { Disk } from './file-disk.js';
import { join } from 'node:path';

/** The files of a store, by their numbers in order. Snapshot N holds the records as they were when journal N began. */
export interface StoreFiles {
  /** Whether there is the file that says which journal is the newest. */
  readonly manifest: boolean;
  readonly snapshots: readonly number[];
  readonly journals: readonly number[];
  /** Names of files that were being made when their process died. */
  readonly unfinished: readonly string[];
}

export type FileKind = 'journal' | 'snapshot';

export function pathOf(directory: string, kind: FileKind, number: number): string {
  return join(directory, `${kind}-${String(number).padStart(8, '0')}`);
}

export function manifestPathOf(directory: string): string {
  return join(directory, 'manifest');
}

/** A file gets this name while it is made, and its own once it is whole and durable. */
export function unfinishedPathOf(path: string): string {
  return `${path}.new`;
}

/** Puts a file that is whole and durable under its own name, durably. */
export async function finish(disk: Disk, directory: string, path: string): Promise<void> {
  await disk.rename(unfinishedPathOf(path), path);
  await disk.flushDirectory(directory);
}

export async function listFiles(disk: Disk, directory: string): Promise<StoreFiles> {
  const snapshots: number[] = [];
  const journals: number[] = [];
  const unfinished: string[] = [];
  let manifest = false;
  for (const name of await disk.list(directory)) {
    if (name === 'manifest') manifest = true;
    if (name === 'manifest.new') unfinished.push(name);
    const [, kind, digits, rest] = /^(journal|snapshot)-(\d{8,15})(\.new)?$/.exec(name) ?? [];
    if (kind === undefined) continue;
    if (rest !== undefined) unfinished.push(name);
    else (kind === 'journal' ? journals : snapshots).push(Number(digits));
  }
  const ascending = (a: number, b: number): number => a - b;
  return {
    manifest,
    snapshots: snapshots.toSorted(ascending),
    journals: journals.toSorted(ascending),
    unfinished,
  };
}
