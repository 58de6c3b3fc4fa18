import { AmbitError } from '../storage.js';
import type { Database } from 'better-sqlite3';

/** Opens a connection; what better-sqlite3 exports, as far as it is used here. */
export type SqliteDriver = new (
  path: string,
  options: { timeout: number; fileMustExist?: boolean },
) => Database;

/**
 * The oldest SQLite to be trusted. Before it, a checkpoint racing with a commit of another process could reset the
 * log under it and corrupt the database (the "WAL-reset bug", https://sqlite.org/wal.html).
 */
const sqliteVersionMin = '3.51.3';

/**
 * Loads better-sqlite3, which is needed only by those who use this backend, and looks at the SQLite it was built with.
 *
 * @throws AmbitError `MISSING_DEPENDENCY`, `STORE_UNSUPPORTED`
 */
export async function loadDriver(
  load: () => Promise<{ default: unknown }> = () => import('better-sqlite3'),
): Promise<SqliteDriver> {
  let driver: SqliteDriver;
  let version: string;
  try {
    driver = (await load()).default as SqliteDriver;
    // The compiled part is loaded by the first connection only.
    const probe = new driver(':memory:', { timeout: 0 });
    version = probe.prepare('SELECT sqlite_version()').pluck().get() as string;
    probe.close();
  } catch (error) {
    throw missing(error);
  }
  assertTrusted(version);
  return driver;
}

/** Refuses a SQLite that can corrupt a database which several processes share. */
export function assertTrusted(version: string): void {
  if (rankOf(version) >= rankOf(sqliteVersionMin)) return;
  throw new AmbitError(
    'STORE_UNSUPPORTED',
    `sqlite: SQLite ${version} can corrupt a shared database; install better-sqlite3 12.11 or later, which brings ${sqliteVersionMin} or later`,
  );
}

function rankOf(version: string): number {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  return (major * 1_000 + minor) * 1_000 + patch;
}

function missing(cause: unknown): AmbitError {
  const said = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
  const installed = (cause as { code?: unknown } | null)?.code !== 'ERR_MODULE_NOT_FOUND';
  const advice = installed
    ? `better-sqlite3 does not load (${said}); run \`npm rebuild better-sqlite3\``
    : 'better-sqlite3 is not installed; run `npm install better-sqlite3`';
  return new AmbitError('MISSING_DEPENDENCY', `sqlite: ${advice}`, { cause });
}
