import { loadDriver } from './sqlite-driver.js';
import { resolve } from 'node:path';
import { schemaVersion } from './sqlite-schema.js';
import type { StorageDescription } from '../storage.js';

/** What a SQLite store is; how it flushes was set and read back when its connection was opened. */
export async function describeSqlite(
  path: string,
  durability: 'power' | 'process',
  eventLoop: 'fast' | 'free',
): Promise<StorageDescription> {
  const driver = await loadDriver();
  const probe = new driver(':memory:', { timeout: 0 });
  const version = probe.prepare('SELECT sqlite_version()').pluck().get() as string;
  probe.close();
  return {
    server: `SQLite ${version}`,
    schemaVersion,
    facts: {
      // A path may hold any character but NUL.
      file: resolve(path).replace(/\p{C}/gu, '?'),
      flushing:
        durability === 'power' ? 'every commit (synchronous = FULL)' : 'now and then (synchronous = NORMAL)',
      runs: eventLoop === 'fast' ? 'on the calling thread' : 'on a thread of its own',
    },
    warnings: [],
  };
}
