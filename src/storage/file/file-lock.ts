import { AmbitError } from '../storage.js';
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statSync,
  writeSync,
} from 'node:fs';
import { errnoOf, shown } from './file-errors.js';
import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** How long a process that opens a store waits for the one that has it: a restart overlaps with its predecessor. */
export const lockWaitMsMax = 5_000;

/** How often it asks. Asking costs a few microseconds; a longer pause would be felt when the owner lets go. */
export const askEveryMs = 20;

/** The lock of a store, held until it is let go or the process ends, however it ends. */
export interface StoreLock {
  release(): void;
}

/**
 * Takes the store for this process. The lock is one of the operating system's: it belongs to one opening of a file, so a
 * second opening in the same process is refused as well, and it is gone with the process. The file says who has it, for the
 * message that others get. It can be removed while its owner lives; so the journals are locked as well.
 *
 * @throws AmbitError `STORE_LOCKED`, `MISSING_DEPENDENCY`, `STORE_UNSUPPORTED`
 */
export async function lockStore(directory: string): Promise<StoreLock> {
  const path = join(directory, 'lock');
  const startMs = performance.now();
  for (;;) {
    const descriptor = tryToLock(directory, path);
    if (descriptor !== undefined) {
      signIn(descriptor);
      return { release: () => closeSync(descriptor) };
    }
    if (performance.now() - startMs >= lockWaitMsMax) {
      throw new AmbitError(
        'STORE_LOCKED',
        `file: ${shown(directory)} is in use by ${ownerIn(path)}; one process at a time may have it open: ` +
          'end that one, or use a store that processes can share',
      );
    }
    await new Promise((resolve) => setTimeout(resolve, askEveryMs));
  }
}

function tryToLock(directory: string, path: string): number | undefined {
  const descriptor = openSync(path, 'a+', 0o600);
  let mine = false;
  try {
    // Removed since it was opened: others lock another file of this name.
    mine =
      lockFile(descriptor, directory) &&
      statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(descriptor).ino;
  } finally {
    if (!mine) closeSync(descriptor);
  }
  return mine ? descriptor : undefined;
}

/**
 * Locks a file that is open, if nobody else has it locked, until it is closed.
 *
 * @throws AmbitError `MISSING_DEPENDENCY`, `STORE_UNSUPPORTED`
 */
export function lockFile(descriptor: number, path: string): boolean {
  tryLock ??= loadTryLock();
  try {
    return tryLock(descriptor, lockedByte, 1);
  } catch (error) {
    throw new AmbitError(
      'STORE_UNSUPPORTED',
      `file: ${shown(path)} is on a file system that locks no files (${errnoOf(error) ?? String(error)}); use a local disk`,
      { cause: error },
    );
  }
}

/** Far behind the end of every file: where a lock keeps others from reading (Windows), the file can still be read. */
const lockedByte = 2 ** 50;

type TryLock = (descriptor: number, offset: number, length: number) => boolean;

let tryLock: TryLock | undefined;

/** Who has the lock, in words for people. */
function signIn(descriptor: number): void {
  const owner = `process ${process.pid} on ${hostname()}, since ${new Date().toISOString()}\n`;
  try {
    ftruncateSync(descriptor);
    writeSync(descriptor, owner);
  } catch {
    // A full disk: the lock holds all the same.
  }
}

function ownerIn(path: string): string {
  if (!existsSync(path)) return 'another process';
  const line = readFileSync(path, 'utf8').split('\n', 1)[0]?.slice(0, 200) ?? '';
  return line === '' ? 'another process' : shown(line);
}

function loadTryLock(): TryLock {
  try {
    // A package without types, compiled for each platform, which only those need who use this backend.
    const require = createRequire(import.meta.url);
    return (require('fs-native-extensions') as { tryLock: TryLock }).tryLock;
  } catch (error) {
    const said = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    throw new AmbitError(
      'MISSING_DEPENDENCY',
      `file: fs-native-extensions does not load (${said}); run \`npm install fs-native-extensions\`, or use another store`,
      { cause: error },
    );
  }
}
