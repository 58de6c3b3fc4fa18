import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import Database from 'better-sqlite3';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Storage } from 'ambit/storage';
import { sqliteStorage, type SqliteStorageOptions } from 'ambit/sqlite';
import { tmpdir } from 'node:os';

/** A directory for one test, gone after it. */
export function testDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'ambit-sqlite-'));
  // For children of the test that gave up their rights.
  chmodSync(directory, 0o777);
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Opens a store that is closed after the test. */
export async function openStore(path: string, options: Partial<SqliteStorageOptions> = {}): Promise<Storage> {
  const storage = await sqliteStorage({ path, ...options });
  onTestFinished(() => storage.close());
  return storage;
}

/** Runs statements on a file that no store has open, as another program would. */
export function withDatabase<T>(path: string, work: (database: Database.Database) => T): T {
  const database = new Database(path);
  try {
    return work(database);
  } finally {
    database.close();
  }
}
