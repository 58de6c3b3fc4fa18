import { AmbitError, type Durability, StorageUnavailableError } from '../storage.js';
import type { Greeting, PostgresSession } from './postgres-connections.js';
import { schemaVersion, versionOf } from './postgres-schema.js';

/** What a server is and how it is set, as far as it decides what an acknowledged call survives. */
export interface ServerSettings {
  readonly fsync: boolean;
  readonly fullPageWrites: boolean;
}

/** The oldest PostgreSQL that is tested. */
const serverVersionMin = 14;

/**
 * Asks a new connection whether it may be used. What a server is set to may change when it is started anew, and behind
 * the same address another may take its place, so each connection is asked.
 *
 * @param place host and database, as they may be shown
 * @param statementMsMax set on the connection, unless it is somebody else's
 * @throws AmbitError `STORE_UNSUPPORTED`; `STORAGE_UNAVAILABLE` for a standby
 */
export async function askSettings(
  send: PostgresSession['send'],
  place: string,
  statementMsMax: number | undefined,
): Promise<ServerSettings> {
  const [[row = []] = []] = await send({
    text: `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), pg_is_in_recovery(),
      current_setting('fsync'), current_setting('full_page_writes')${
        statementMsMax === undefined ? '' : `, set_config('statement_timeout', '${statementMsMax}', false)`
      }`,
  });
  const [version, encoding, isStandby, fsync, fullPageWrites] = row;
  const major = Math.floor(Number(version) / 10_000);
  if (!(major >= serverVersionMin)) {
    throw new AmbitError(
      'STORE_UNSUPPORTED',
      `postgres: ${place}: PostgreSQL ${serverVersionMin} or later is needed, and this is ${major}; update the server`,
    );
  }
  if (encoding !== 'UTF8') {
    throw new AmbitError(
      'STORE_UNSUPPORTED',
      `postgres: ${place}: the database is not encoded in UTF8; create one that is, and name that`,
    );
  }
  // What it shows may be old, and an answer that rests on it wrong.
  if (isStandby === true) {
    throw new StorageUnavailableError(`postgres: ${place}: the server is a standby; connect to the primary`, {
      outcome: 'none',
    });
  }
  return { fsync: fsync === 'on', fullPageWrites: fullPageWrites === 'on' };
}

/**
 * What an answered commit survives. Our own transactions set `synchronous_commit` to `on`, so it does not count; without
 * `full_page_writes` a page that was half written when the power went cannot be repaired.
 */
export function durabilityOf({ fsync, fullPageWrites }: ServerSettings): Durability {
  return Object.freeze({ level: fsync && fullPageWrites ? 'power' : 'process' });
}

/** Refuses connections to a server that keeps less than was promised at open, or whose tables a newer Ambit has changed. */
export function guardPromises(
  place: string,
  schema: string,
  promised: Durability,
  statementMsMax: number | undefined,
): Greeting {
  return async (send) => {
    const { level } = durabilityOf(await askSettings(send, place, statementMsMax));
    if (promised.level === 'power' && level !== 'power') {
      throw new StorageUnavailableError(
        `postgres: ${place}: the server is set to lose commits with the power (fsync, full_page_writes), which it was not when the store was opened`,
        { outcome: 'none' },
      );
    }
    const version = await versionOf(send, schema);
    if (version === schemaVersion) return;
    if (version !== undefined && version > schemaVersion) {
      throw new StorageUnavailableError(
        `postgres: ${place}: a newer Ambit has changed its tables (schema ${version}, this one knows ${schemaVersion}); update this program and start it anew`,
        { outcome: 'none', retryAfterMs: 'never' },
      );
    }
    throw new StorageUnavailableError(
      `postgres: ${place}: its schema is ${version ?? 'gone'}, and was ${schemaVersion} when the store was opened; start this program anew`,
      { outcome: 'none' },
    );
  };
}
