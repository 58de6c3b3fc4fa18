import type { PostgresConnections } from './postgres-connections.js';
import { schemaVersion } from './postgres-schema.js';
import type { StorageDescription } from '../storage.js';

/** What the server says of itself now. */
export async function describePostgres(
  connections: PostgresConnections,
  schema: string,
): Promise<StorageDescription> {
  const settings = [
    'server_version',
    'fsync',
    'full_page_writes',
    'synchronous_commit',
    'synchronous_standby_names',
  ];
  const names = [...settings, 'wal_sync_method', 'data_checksums', 'max_connections'];
  const [row = []] = await connections.read({
    text: `SELECT ${names.map((name) => `coalesce(current_setting('${name}', true), 'unknown')`).join(', ')}`,
  });
  const found = new Map(names.map((name, index) => [name, String(row[index]).replace(/\p{C}/gu, '?')]));
  const value = (name: string): string => found.get(name) ?? '';
  const warnings: string[] = [];
  if (value('fsync') !== 'on') {
    warnings.push('fsync is off: a loss of power can destroy the whole database; turn it on');
  }
  if (value('full_page_writes') !== 'on') {
    warnings.push('full_page_writes is off: a loss of power can destroy pages; turn it on');
  }
  return {
    server: `PostgreSQL ${value('server_version').split(' ')[0]}`,
    schemaVersion,
    facts: {
      schema,
      fsync: value('fsync'),
      'full page writes': value('full_page_writes'),
      'synchronous commit': /^(?:on|remote_apply)$/.test(value('synchronous_commit'))
        ? value('synchronous_commit')
        : `${value('synchronous_commit')} for others; on in the transactions of this store`,
      'synchronous standbys': value('synchronous_standby_names') || 'none',
      'flushes by': value('wal_sync_method'),
      'page checksums': value('data_checksums'),
      connections: `${value('max_connections')} at most`,
    },
    warnings,
  };
}
