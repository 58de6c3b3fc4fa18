import { AmbitError } from '../storage.js';
import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errnoOf, shown, unavailable, wordsOf } from './file-errors.js';

/** File systems of other machines, by their numbers in statfs(2): NFS, SMB, CIFS. Their locks can be lost unnoticed. */
const networkFileSystems = new Set([0x69_69, 0xfe_53_4d_42, 0xff_53_4d_42]);

/**
 * Turns what the user named into an absolute path.
 *
 * @throws TypeError if it is no string; AmbitError `INVALID_INPUT`
 */
export function absoluteDirectory(path: string): string {
  if (typeof path !== 'string') throw new TypeError('file: path must be a string');
  if (path === '' || path.includes('\0'))
    throw new AmbitError(
      'INVALID_INPUT',
      `file: ${JSON.stringify(path)} is not the path of a directory; name one`,
    );
  return resolve(path);
}

/**
 * Sees to it that there is a directory to keep a store in, readable by its owner only. Directories above it are not made:
 * a mistyped path is an error, not a new tree.
 */
export function prepareDirectory(directory: string): void {
  try {
    const made = makeDirectory(directory);
    if (!statSync(directory).isDirectory()) {
      throw new AmbitError(
        'INVALID_INPUT',
        `file: ${shown(directory)} is a file, and a store is a directory; name another one`,
      );
    }
    if (process.platform === 'linux' && networkFileSystems.has(statfsSync(directory).type)) {
      throw new AmbitError(
        'STORE_UNSUPPORTED',
        `file: ${shown(directory)} lies on a network file system, where its lock can be lost; use a local disk`,
      );
    }
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    flushNames(dirname(directory), made);
  } catch (error) {
    throw directoryError(directory, error);
  }
}

function makeDirectory(directory: string): boolean {
  try {
    mkdirSync(directory, { mode: 0o700 });
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/**
 * A directory that is new to its parent is gone after a power cut unless the parent is flushed, by whoever made it, who may
 * have died before, or by whoever opens it. A parent that may not be read was there before the store, for others to use: it
 * cannot be flushed, and a directory that was found in it is taken for an old one.
 */
function flushNames(parent: string, made: boolean): void {
  if (process.platform === 'win32') return;
  let descriptor: number;
  try {
    descriptor = openSync(parent, constants.O_RDONLY);
  } catch (error) {
    if (!made && errnoOf(error) === 'EACCES') return;
    throw error;
  }
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function directoryError(directory: string, error: unknown): unknown {
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  if (errno === 'ENOENT' || errno === 'ENOTDIR') {
    return new AmbitError(
      'INVALID_INPUT',
      `file: the directory above ${shown(directory)} does not exist; create it, or name another one`,
      { cause: error },
    );
  }
  return unavailable(directory, wordsOf(error), 'none', error);
}
