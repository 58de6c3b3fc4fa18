import {
  findProgram,
  freePort,
  type GuardedServers,
  guardServers,
  startGuarded,
  type RunningServer,
  type ServerProcess,
} from './guarded-servers.js';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { spawnSync } from 'node:child_process';

/** A Redis, or a Valkey, of the tests' own. */
export interface RedisServer extends RunningServer {
  readonly port: number;
  /** SIGKILL: no farewell to any client, no last flush. */
  kill(): Promise<void>;
  /** Starts it again, on the same port and data, with these settings on top; resolves when it can be used, or answers. */
  start(moreSettings?: readonly string[], until?: 'ready' | 'any answer'): Promise<void>;
  /** SIGSTOP and SIGCONT: it keeps its connections and says nothing. */
  pause(): void;
  resume(): void;
}

export interface RedisServerOptions {
  /** Lines of its configuration, each with `--` before its name: `--appendfsync everysec`. */
  readonly settings?: readonly string[];
  readonly program?: string;
  /** None, where a cluster's nodes are started. */
  readonly password?: string | undefined;
}

const installing =
  'Redis 7 or later is needed by these tests: install it (apt-get install redis-server, brew install redis), ' +
  'or name a server in AMBIT_TEST_REDIS_URL';

/** As durable as a server can be. */
const durable: readonly string[] = ['--appendonly yes', '--appendfsync always'];

/** Valkey's server, where it is installed. */
export function findValkey(): string | undefined {
  return findProgram('valkey-server');
}

function findRedis(): string | undefined {
  const program = findProgram('redis-server', ['/opt/homebrew/bin', '/usr/local/bin']) ?? findValkey();
  const version = program ? spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout : '';
  return program && Number(/v=(\d+)/.exec(version)?.[1] ?? 0) >= 7 ? program : undefined;
}

/** Starts a private server on a free port of loopback, with a data directory of its own on the disk. */
export async function startRedisServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  const program = options.program ?? findRedis();
  if (!program) return startInDocker(options);
  return startGuarded('redis', (guard) => startIn(guard, program, options));
}

async function startIn(
  guard: GuardedServers,
  program: string,
  options: RedisServerOptions,
): Promise<RedisServer> {
  const password = 'password' in options ? options.password : randomBytes(12).toString('hex');
  let port = await freePort();
  let server: ServerProcess | undefined;
  const urlOf = (): string => `redis://${password === undefined ? '' : `:${password}@`}127.0.0.1:${port}`;
  const start: RedisServer['start'] = async (moreSettings = [], until = 'ready') => {
    const directory = join(guard.directory, String(port));
    mkdirSync(directory, { recursive: true });
    const args = argumentsOf([
      `--port ${port}`,
      '--bind 127.0.0.1',
      `--dir ${directory}`,
      ...passwordSettings(password),
      ...durable,
      ...(options.settings ?? []),
      ...moreSettings,
    ]);
    server = await guard.start({ command: program, args, stopSignal: 'SIGKILL' });
    await answering(urlOf(), server, until);
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
    get url() {
      return urlOf();
    },
    port,
    start,
    async kill() {
      if (!server) return;
      process.kill(server.pid, 'SIGKILL');
      await server.ended;
    },
    pause: () => void (server && process.kill(server.pid, 'SIGSTOP')),
    resume: () => void (server && process.kill(server.pid, 'SIGCONT')),
    stop: () => guard.stop(),
  };
}

function passwordSettings(password: string | undefined): string[] {
  return password === undefined
    ? ['--protected-mode no']
    : [`--requirepass ${password}`, `--masterauth ${password}`];
}

/** Settings in Redis' own way of taking them from a command line, and no snapshots. */
function argumentsOf(settings: readonly string[]): string[] {
  return ['--save', '', ...settings.flatMap((setting) => setting.split(' '))];
}

async function startInDocker(options: RedisServerOptions): Promise<RedisServer> {
  const docker = findProgram('docker');
  if (!docker || spawnSync(docker, ['info'], { timeout: 10_000 }).status !== 0) throw new Error(installing);
  const guard = await guardServers('redis');
  const password = 'password' in options ? options.password : randomBytes(12).toString('hex');
  const port = await freePort();
  const url = `redis://${password === undefined ? '' : `:${password}@`}127.0.0.1:${port}`;
  const settings = [...passwordSettings(password), ...durable, ...(options.settings ?? [])];
  try {
    const server = await guard.start({
      command: docker,
      args: ['run', '--rm', '--name', `ambit-test-${randomBytes(6).toString('hex')}`]
        .concat(['-p', `127.0.0.1:${port}:${port}`, 'redis:7', 'redis-server'])
        .concat(argumentsOf([`--port ${port}`, ...settings])),
      stopSignal: 'SIGTERM',
    });
    await answering(url, server, 'ready');
  } catch (error) {
    await guard.stop();
    throw new Error(`${installing} (docker: ${(error as Error).message})`, { cause: error });
  }
  const inDocker = (): never => {
    throw new Error('a Redis in docker is not killed by these tests; install Redis itself for them');
  };
  return {
    url,
    port,
    kill: async () => inDocker(),
    start: async () => inDocker(),
    pause: inDocker,
    resume: inDocker,
    stop: () => guard.stop(),
  };
}

/** Waits until the server answers, or says why it ended. */
async function answering(url: string, server: ServerProcess, until: 'ready' | 'any answer'): Promise<void> {
  let ended: string | undefined;
  void server.ended.then((said) => {
    ended = said;
  });
  for (let attempt = 0; attempt < 600; attempt++) {
    if (ended !== undefined) throw new Error(`Redis did not start: ${ended.trim().split('\n').at(-1)}`);
    const enableReadyCheck = until === 'ready';
    const client = new Redis(url, { lazyConnect: true, enableReadyCheck, retryStrategy: () => null });
    client.on('error', () => undefined);
    try {
      await client.connect();
      // `INFO` is answered while it loads, `PING` is not.
      await (enableReadyCheck ? client.ping() : client.info('server'));
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    } finally {
      client.disconnect();
    }
  }
  throw new Error('Redis did not answer within half a minute');
}
