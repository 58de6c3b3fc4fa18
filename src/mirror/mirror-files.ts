import { mkdir, open, opendir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mirrorFileName } from './mirror-names.js';
import { randomBytes } from 'node:crypto';

/** There while files may be older than the store: left behind by a process that was killed. */
const unfinishedName = 'unfinished';

/** A file before it has its name. */
const newName = /^\.ambit-[0-9a-f]{16}\.new$/;

/** Younger, and another process may be writing it. */
const newAgeMsMin = 60_000;

/** Of a file, as much as holds its first lines: the longest id takes about 1,500 bytes. */
const headBytes = 4_096;

/** The files of a mirror. What was not written here is never deleted: each file names the session it is of. */
export class MirrorFiles {
  readonly directory: string;
  readonly #folders: readonly string[];
  readonly #onGone: () => void;
  #begun = false;

  /**
   * @param onGone is called when the directory turns out to be gone, with all that was in it
   */
  constructor(directory: string, folders: readonly string[], onGone: () => void) {
    this.directory = directory;
    this.#folders = folders;
    this.#onGone = onGone;
  }

  /** Whether all was written when it was left: the directory is there, and no killed process left it. */
  async isFinished(): Promise<boolean> {
    return (await isThere(this.directory)) && !(await isThere(this.#unfinished));
  }

  pathOf(folder: string, id: string): string {
    return join(this.directory, folder, mirrorFileName(id));
  }

  async write(folder: string, id: string, content: object): Promise<void> {
    const path = this.pathOf(folder, id);
    const text = textOf(folder, id, content);
    // A file that is as it should be keeps its time.
    if ((await readFile(path, 'utf8').catch(() => undefined)) === text) return;
    await this.#begin();
    try {
      await this.#replace(folder, path, text);
    } catch (error) {
      this.#begun = false;
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      await this.#begin();
      this.#onGone();
      await this.#replace(folder, path, text);
    }
  }

  /** Deletes the file of a session, if it is one that was written here. */
  async remove(folder: string, id: string): Promise<void> {
    const path = this.pathOf(folder, id);
    if ((await idIn(path, folder)) === id) await rm(path, { force: true });
  }

  /** The sessions that have a file which was written here. What a killed process left half written goes on the way. */
  async *ids(folder: string): AsyncGenerator<string, void, undefined> {
    const path = join(this.directory, folder);
    if (!(await isThere(path))) return;
    for await (const entry of await opendir(path)) {
      if (!entry.isFile()) continue;
      const file = join(path, entry.name);
      if (newName.test(entry.name)) {
        const { mtimeMs } = await stat(file);
        if (Date.now() - mtimeMs > newAgeMsMin) await rm(file, { force: true });
        continue;
      }
      const id = await idIn(file, folder);
      if (id !== undefined && mirrorFileName(id) === entry.name) yield id;
    }
  }

  /** Says that all is written. */
  async finish(): Promise<void> {
    await rm(this.#unfinished, { force: true });
    this.#begun = false;
  }

  get #unfinished(): string {
    return join(this.directory, unfinishedName);
  }

  /** Whoever opens the file sees a whole one. */
  async #replace(folder: string, path: string, text: string): Promise<void> {
    const unfinished = join(this.directory, folder, `.ambit-${randomBytes(8).toString('hex')}.new`);
    try {
      await writeFile(unfinished, text, { mode: 0o600, flag: 'wx' });
      await rename(unfinished, path);
    } catch (error) {
      await rm(unfinished, { force: true }).catch(() => {});
      throw error;
    }
  }

  async #begin(): Promise<void> {
    if (this.#begun) return;
    for (const folder of this.#folders)
      await mkdir(join(this.directory, folder), { recursive: true, mode: 0o700 });
    await writeFile(this.#unfinished, 'Files here may be older than the store.\n', { mode: 0o600 });
    this.#begun = true;
  }
}

/** What stands first in a file: which session it is of, so that it is known for the mirror's own. */
function textOf(folder: string, id: string, content: object): string {
  const all = { mirrorOf: `${folder}/${id}`, ...(withDates(content) as object) };
  return `${JSON.stringify(all, undefined, 2)}\n`;
}

const head = /^\{\n {2}"mirrorOf": ("(?:[^"\\\n]|\\.)*"),?\n/;

/** The session that a file says it is of; undefined for what was not written here, or is not there. */
async function idIn(path: string, folder: string): Promise<string | undefined> {
  let text: string;
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0);
      text = buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch {
    // A folder, a file that may not be read: not to be deleted, either.
    return undefined;
  }
  const [, quoted] = head.exec(text) ?? [];
  if (quoted === undefined) return undefined;
  try {
    const of = JSON.parse(quoted) as string;
    return of.startsWith(`${folder}/`) ? of.slice(folder.length + 1) : undefined;
  } catch {
    return undefined;
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Beside every time in milliseconds, the same as people write it. */
function withDates(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withDates);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).flatMap(([name, inner]): [string, unknown][] => {
    if (name.endsWith('AtMs') && typeof inner === 'number' && Math.abs(inner) <= 8.64e15)
      return [
        [name, inner],
        [name.slice(0, -2), new Date(inner).toISOString()],
      ];
    return [[name, withDates(inner)]];
  });
  // Of entries, since a name like __proto__ is one of the value's own.
  return Object.fromEntries(entries);
}
