import { chownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import {
  findProgram,
  freePort,
  type GuardedServers,
  guardServers,
  startGuarded,
  type RunningServer,
  type ServerCommand,
  type ServerProcess,
} from './guarded-servers.js';
import { dirname, join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { spawnSync } from 'node:child_process';

/** A PostgreSQL of the tests' own. */
export interface PostgresServer extends RunningServer {
  readonly port: number;
  /** Kills the postmaster and all its backends with SIGKILL: no farewell to any client, no last flush. */
  kill(): Promise<void>;
  /** Starts it again, on the same port and data. */
  start(): Promise<void>;
}

const installing =
  'PostgreSQL 14 or later is needed by these tests: install it (apt-get install postgresql, brew install postgresql), ' +
  'or name a server in AMBIT_TEST_POSTGRES_URL';

/** As durable as a server that a user runs, and with room for every handle of the tests. */
export const postgresSettings: readonly string[] = [
  'fsync=on',
  'full_page_writes=on',
  'synchronous_commit=on',
  'max_connections=300',
  'shared_buffers=64MB',
  // One checkpoint in a test run is enough.
  'max_wal_size=2GB',
];

/** Starts a private server on a free port of loopback, with a data directory of its own on the disk, and fsync on. */
export async function startPostgresServer(extraSettings: readonly string[] = []): Promise<PostgresServer> {
  const binaries = findBinaries();
  if (!binaries) return startInDocker(extraSettings);
  return startGuarded('postgres', (guard) => startLocally(guard, binaries, extraSettings));
}

async function startLocally(
  guard: GuardedServers,
  binaries: string,
  extraSettings: readonly string[],
): Promise<PostgresServer> {
  const identity = identityForServer();
  const password = randomBytes(12).toString('hex');
  const data = join(guard.directory, 'data');
  const passwordFile = join(guard.directory, 'password');
  mkdirSync(data, { mode: 0o700 });
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (identity.uid !== undefined && identity.gid !== undefined) {
    for (const path of [guard.directory, data, passwordFile]) chownSync(path, identity.uid, identity.gid);
  }
  const initialised = spawnSync(
    join(binaries, 'initdb'),
    [
      '-D',
      data,
      '-U',
      'ambit',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--no-sync',
    ]
      // A locale other than C, as users have: the order of keys must not depend on it.
      .concat(['--locale=C.UTF-8']),
    { ...identity, cwd: guard.directory, encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } },
  );
  if (initialised.status !== 0) {
    throw new Error(`initdb failed: ${initialised.error?.message ?? initialised.stderr.trim()}`);
  }
  let port = await freePort();
  const command = (): ServerCommand => ({
    command: join(binaries, 'postgres'),
    args: [
      '-D',
      data,
      ...optionsOf([
        ...postgresSettings,
        ...extraSettings,
        `port=${port}`,
        'listen_addresses=127.0.0.1',
        'unix_socket_directories=',
      ]),
    ],
    ...identity,
    // An immediate shutdown: the data goes anyway.
    stopSignal: 'SIGQUIT',
  });
  const urlOf = (): string => `postgres://ambit:${password}@127.0.0.1:${port}/postgres`;

  let server: ServerProcess | undefined;
  const start = async (): Promise<void> => {
    server = await guard.start(command());
    await answering(urlOf(), server);
  };
  for (let attempt = 1; ; attempt++) {
    try {
      await start();
      break;
    } catch (error) {
      // Somebody else may have taken the port in between.
      if (attempt === 3) throw error;
      port = await freePort();
    }
  }
  return {
    url: urlOf(),
    port,
    start,
    async kill() {
      if (server) await killAll(server);
    },
    stop: () => guard.stop(),
  };
}

function optionsOf(all: readonly string[]): string[] {
  return all.flatMap((setting) => ['-c', setting]);
}

/** Kills a postmaster and its children: left alone, these end by themselves, but only after they have noticed. */
async function killAll({ pid, ended }: ServerProcess): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
  const children = stdout
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([child = 0, parent]) => (parent === pid ? [child] : []));
  for (const victim of [...children, pid]) process.kill(victim, 'SIGKILL');
  await ended;
  // Until they are gone, the next postmaster finds its shared memory in use.
  while (runs(children)) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Whether any of these processes still runs; those that nobody has buried yet do not. */
function runs(pids: readonly number[]): boolean {
  if (pids.length === 0) return false;
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', pids.join(',')], { encoding: 'utf8' });
  return stdout.split('\n').some((state) => state !== '' && !state.startsWith('Z'));
}

/** Waits until the server answers, or says why it ended. */
export async function answering(url: string, server: ServerProcess): Promise<void> {
  let ended: string | undefined;
  void server.ended.then((said) => {
    ended = said;
  });
  for (let attempt = 0; attempt < 1_200; attempt++) {
    if (ended !== undefined) throw new Error(`PostgreSQL did not start: ${ended.trim()}`);
    const client = new Client({ connectionString: url });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query('SELECT 1');
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    } finally {
      await client.end().catch(() => undefined);
    }
  }
  throw new Error('PostgreSQL did not answer within a minute');
}

/** PostgreSQL refuses to run as root: then it runs as `postgres`, or as `nobody`. */
export function identityForServer(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  for (const user of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((flag) => spawnSync('id', [flag, user], { encoding: 'utf8' }));
    if (uid?.status === 0 && gid?.status === 0) return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  }
  throw new Error(
    'PostgreSQL refuses to run as root, and there is no user "postgres" or "nobody" to run it as',
  );
}

/** The directory of initdb and postgres, of the newest version there is. */
export function findBinaries(): string | undefined {
  const configured = spawnSync('pg_config', ['--bindir'], { encoding: 'utf8' });
  const versions = versionsIn('/usr/lib/postgresql').map((version) => `/usr/lib/postgresql/${version}/bin`);
  const candidates = [...versions, ...(configured.status === 0 ? [configured.stdout.trim()] : [])];
  const onPath = findProgram('initdb');
  if (onPath) candidates.push(dirname(onPath));
  return candidates.find((directory) => {
    const version = spawnSync(join(directory, 'postgres'), ['--version'], { encoding: 'utf8' });
    const major = Number(/\(PostgreSQL\) (\d+)/.exec(version.stdout ?? '')?.[1] ?? 0);
    return major >= 14 && findProgram('initdb', [directory]) === join(directory, 'initdb');
  });
}

function versionsIn(directory: string): string[] {
  try {
    return readdirSync(directory).toSorted((a, b) => Number(b) - Number(a));
  } catch {
    return [];
  }
}

async function startInDocker(extraSettings: readonly string[]): Promise<PostgresServer> {
  const docker = findProgram('docker');
  if (!docker || spawnSync(docker, ['info'], { timeout: 10_000 }).status !== 0) throw new Error(installing);
  const guard = await guardServers('postgres');
  const name = `ambit-test-${randomBytes(6).toString('hex')}`;
  const password = randomBytes(12).toString('hex');
  const port = await freePort();
  const url = `postgres://ambit:${password}@127.0.0.1:${port}/postgres`;
  const environment = [`POSTGRES_USER=ambit`, `POSTGRES_PASSWORD=${password}`, 'POSTGRES_DB=postgres'];
  try {
    const server = await guard.start({
      command: docker,
      args: ['run', '--rm', '--name', name, '-p', `127.0.0.1:${port}:5432`].concat(
        environment.flatMap((variable) => ['-e', variable]),
        'postgres:17',
        optionsOf([...postgresSettings, ...extraSettings]),
      ),
      stopSignal: 'SIGTERM',
    });
    await answering(url, server);
  } catch (error) {
    await guard.stop();
    throw new Error(`${installing} (docker: ${(error as Error).message})`, { cause: error });
  }
  const inDocker = (): never => {
    throw new Error(
      'a PostgreSQL in docker is not killed by these tests; install PostgreSQL itself for them',
    );
  };
  return { url, port, kill: async () => inDocker(), start: async () => inDocker(), stop: () => guard.stop() };
}
