import {
  answering,
  findBinaries,
  identityForServer,
  type PostgresServer,
  postgresSettings,
} from './postgres-server.js';
import { freePort, type RunningServer, startGuarded } from './guarded-servers.js';
import { chownSync } from 'node:fs';
import { Client } from 'pg';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';

/** A second PostgreSQL that follows a first, and can take its place. */
export interface PostgresStandby extends RunningServer {
  readonly port: number;
  /** From now on it is a primary. */
  promote(): Promise<void>;
}

/**
 * Starts a standby that follows `primary`, which from then on answers a commit only after the standby has flushed it as
 * well: what was acknowledged survives a failover.
 */
export async function startPostgresStandby(primary: PostgresServer): Promise<PostgresStandby> {
  const binaries = findBinaries();
  if (!binaries) throw new Error('a standby is made of a PostgreSQL that is installed, not of one in docker');
  return startGuarded('postgres-standby', async (guard) => {
    const identity = identityForServer();
    if (identity.uid !== undefined && identity.gid !== undefined)
      chownSync(guard.directory, identity.uid, identity.gid);
    const data = join(guard.directory, 'data');
    const { username, password } = new URL(primary.url);
    const copied = spawnSync(
      join(binaries, 'pg_basebackup'),
      ['-h', '127.0.0.1', '-p', String(primary.port), '-U', username, '-D', data]
        // -R: it is told whom to follow.
        .concat(['-R', '-X', 'stream', '--checkpoint=fast', '--no-sync']),
      {
        ...identity,
        cwd: guard.directory,
        encoding: 'utf8',
        env: { ...process.env, PGPASSWORD: password, HOME: guard.directory },
      },
    );
    if (copied.status !== 0) throw new Error(`pg_basebackup failed: ${copied.stderr.trim()}`);
    const port = await freePort();
    // A standby refuses to follow with fewer connections than its primary has.
    const settings = [
      ...postgresSettings,
      `port=${port}`,
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
    ];
    const server = await guard.start({
      command: join(binaries, 'postgres'),
      args: ['-D', data, ...settings.flatMap((setting) => ['-c', setting])],
      ...identity,
      stopSignal: 'SIGQUIT',
    });
    const url = primary.url.replace(`:${primary.port}/`, `:${port}/`);
    await answering(url, server);
    await becomeSynchronous(primary.url);
    return {
      url,
      port,
      promote: () => asking(url, async (ask) => void (await ask('SELECT pg_promote(true, 60)'))),
      stop: () => guard.stop(),
    };
  });
}

/** Statements over one connection. */
export async function asking<T>(
  url: string,
  work: (ask: (text: string) => Promise<Record<string, unknown>[]>) => Promise<T>,
): Promise<T> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(async (text) => (await client.query<Record<string, unknown>>(text)).rows);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function becomeSynchronous(primaryUrl: string): Promise<void> {
  await asking(primaryUrl, async (ask) => {
    await ask("ALTER SYSTEM SET synchronous_standby_names = '*'");
    await ask('SELECT pg_reload_conf()');
    for (let attempt = 0; attempt < 600; attempt++) {
      const [standby] = await ask('SELECT sync_state FROM pg_stat_replication');
      if (standby?.['sync_state'] === 'sync') return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('the standby did not become synchronous within half a minute');
  });
}
