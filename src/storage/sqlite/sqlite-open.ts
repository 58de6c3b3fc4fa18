import { absolutePath, prepareFile } from './sqlite-file.js';
import { connect, type SqliteConnection, type SqliteConnectionOptions } from './sqlite-connection.js';
import { createExecutor, type SqliteExecutor } from './sqlite-executor.js';
import { isBusy, openingError } from './sqlite-errors.js';
import { lockWaitMsMax, pauseBeforeRetry, SqliteAccess } from './sqlite-access.js';
import { loadDriver } from './sqlite-driver.js';

export interface OpeningOptions extends SqliteConnectionOptions {
  /** Whether the file was open before: then it must be there. A new one in its place would grant every budget anew. */
  readonly again: boolean;
}

/** Opens a file on this thread, creating it where it is missing. Throws what `sqliteStorage` says. */
export async function openExecutor(options: OpeningOptions, clock: () => number): Promise<SqliteExecutor> {
  const path = absolutePath(options.path);
  const { durability } = options;
  const driver = await loadDriver();
  if (!options.again) prepareFile(path);
  const reconnect = (): SqliteConnection => connect(driver, { path, durability });
  return createExecutor(new SqliteAccess(path, await patiently(reconnect, path), reconnect), clock);
}

/** Of processes that open a new file at once, all but one find it locked for a moment. */
async function patiently(open: () => SqliteConnection, path: string): Promise<SqliteConnection> {
  const startMs = performance.now();
  for (;;) {
    try {
      return open();
    } catch (error) {
      if (!isBusy(error) || performance.now() - startMs > lockWaitMsMax) throw openingError(path, error);
    }
    await pauseBeforeRetry();
  }
}
