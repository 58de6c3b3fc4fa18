import { asking } from '../servers/postgres-standby.js';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { Storage } from 'ambit/storage';
import { postgresStorage, type PostgresStorageOptions } from 'ambit/postgres';
import { sharedServerUrl } from '../servers/shared-server.js';

export const postgresChild: string = fileURLToPath(new URL('postgres-child.js', import.meta.url));

let databases = 0;

/**
 * The URL of a database of a test's own on the server that all tests share. It goes with the server; from one that was
 * there before, it is dropped after the test, for which the server has to write out all it has in memory.
 */
export async function ownDatabase(settings = ''): Promise<string> {
  const url = await sharedServerUrl('postgres');
  const name = `ambit_test_${process.pid}_${databases++}`;
  await asking(url, (ask) => ask(`CREATE DATABASE ${name} ${settings}`));
  if (process.env['AMBIT_TEST_POSTGRES_URL']) {
    onTestFinished(async () => {
      await asking(url, (ask) => ask(`DROP DATABASE ${name} WITH (FORCE)`));
    }, 300_000);
  }
  return changed(url, { pathname: `/${name}` });
}

/** A URL with some of its parts replaced. */
export function changed(
  url: string,
  parts: Partial<Pick<URL, 'pathname' | 'username' | 'password' | 'port'>>,
): string {
  return Object.assign(new URL(url), parts).href;
}

/** Opens a store, closed after the test. */
export async function openPostgres(options: PostgresStorageOptions): Promise<Storage> {
  const storage = await postgresStorage(options);
  onTestFinished(() => void storage.close());
  return storage;
}
