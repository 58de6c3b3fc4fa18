import {
  accessSync,
  closeSync,
  constants,
  linkSync,
  mkdirSync,
  openSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { AmbitError, StorageUnavailableError } from '../storage.js';
import { dirname, resolve } from 'node:path';
import { randomUUID } from 'node:crypto';

/** File systems of other machines, by their numbers in statfs(2): NFS, SMB, CIFS. WAL needs memory shared by all who open the file. */
const networkFileSystems = new Set([0x69_69, 0xfe_53_4d_42, 0xff_53_4d_42]);

/**
 * Turns what the user named into an absolute path that SQLite takes as it is.
 *
 * @throws TypeError if it is no string; AmbitError `INVALID_INPUT`
 */
export function absolutePath(path: string): string {
  if (typeof path !== 'string') throw new TypeError('sqlite: path must be a string');
  // better-sqlite3 trims what it is given and takes these names for databases in memory.
  if (path === '' || path !== path.trim() || path.includes('\0') || path === ':memory:') {
    throw new AmbitError(
      'INVALID_INPUT',
      `sqlite: ${JSON.stringify(path)} is not the path of a file; name one, or use the memory store`,
    );
  }
  return resolve(path);
}

/**
 * Sees to it that there is a file to open: creates it, and its directory but not that one's parents (a mistyped path
 * is an error, not a new tree). The directory is made 0700 and the file 0600, whatever the umask; SQLite gives the
 * `-wal` and `-shm` beside it the same mode. What is there already keeps its mode.
 *
 * Never opens a file that exists: closing it again would drop the locks that other connections of this process hold
 * on it (POSIX advisory locks).
 */
export function prepareFile(path: string): void {
  const directory = dirname(path);
  try {
    createDirectory(directory);
    if (process.platform === 'linux' && networkFileSystems.has(statfsSync(directory).type)) {
      throw new AmbitError(
        'STORE_UNSUPPORTED',
        `sqlite: ${path} lies on a network file system, where SQLite loses data; use a local disk`,
      );
    }
    createFile(path);
    if (!statSync(path).isFile()) {
      throw new AmbitError('INVALID_INPUT', `sqlite: ${path} is not a file; name a file`);
    }
    accessSync(path, constants.R_OK | constants.W_OK);
    // The log is created beside the file.
    accessSync(directory, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw fileError(path, error);
  }
}

/** Tells one file from another that was put in its place; undefined if there is none. */
export function identityOf(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  return found && `${found.dev}:${found.ino}`;
}

function createDirectory(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

function createFile(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })) return;
  // Made under another name and closed before it gets its own: see above.
  const fresh = `${path}.${randomUUID()}.new`;
  closeSync(openSync(fresh, 'wx', 0o600));
  try {
    linkSync(fresh, path);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    // A file system without links; that another thread of this process opens the file just now is unlikely enough.
    closeSync(openSync(path, 'a', 0o600));
  } finally {
    rmSync(fresh, { force: true });
  }
}

function fileError(path: string, error: unknown): unknown {
  const code = codeOf(error);
  switch (code) {
    case undefined:
      return error;
    case 'ENOENT':
    case 'ENOTDIR':
      return new AmbitError(
        'INVALID_INPUT',
        `sqlite: the directory of ${path} does not exist; create it, or name another file`,
        { cause: error },
      );
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new StorageUnavailableError(
        `sqlite: ${path} or its directory may not be written (${code}); change the permissions, or name another file`,
        { outcome: 'none', cause: error },
      );
    default:
      return new StorageUnavailableError(`sqlite: ${path} cannot be used (${code})`, {
        outcome: 'none',
        cause: error,
      });
  }
}

/** The errno of what a system call threw; AmbitErrors have codes as well, but are no answers of the system. */
function codeOf(error: unknown): string | undefined {
  if (error instanceof AmbitError) return undefined;
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}
