import { accessSync, chmodSync, constants, existsSync, mkdtempSync, statfsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';

/** What the tests know of a server that runs, shared by all of them or private to one. */
export interface RunningServer {
  readonly url: string;
  /** Stops it and removes what it wrote. */
  stop(): Promise<void>;
}

/** A program to be started as a server, and the signal at which it ends at once. */
export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly uid?: number;
  readonly gid?: number;
  readonly stopSignal: NodeJS.Signals;
}

/** A process of a server. */
export interface ServerProcess {
  readonly pid: number;
  /** Resolves when it has ended, however that came about, with the last of what it printed. */
  readonly ended: Promise<string>;
}

/** A directory and the servers in it, all of which end with whoever started them, even by SIGKILL. */
export interface GuardedServers {
  readonly directory: string;
  start(command: ServerCommand): Promise<ServerProcess>;
  /** Ends what still runs and removes the directory. */
  stop(): Promise<void>;
}

const guardScript = fileURLToPath(new URL('server-guard.js', import.meta.url));

/** `f_type` of a file system in memory: a flush would cost nothing there, and prove nothing. */
const tmpfs = 0x01_02_19_94;

/** Makes a directory on the disk, and a guard over the servers that will run in it. */
export async function guardServers(name: string): Promise<GuardedServers> {
  const inMemory = statfsSync(tmpdir()).type === tmpfs && existsSync('/var/tmp');
  const directory = mkdtempSync(join(inMemory ? '/var/tmp' : tmpdir(), `ambit-${name}-`));
  chmodSync(directory, 0o755);
  // A process group of its own: what the terminal sends to the test run must not end it before its servers.
  const guard = spawn(process.execPath, [guardScript, directory], {
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  guard.stdin.on('error', () => undefined);
  const starting: { resolve: (server: ServerProcess) => void; reject: (error: Error) => void }[] = [];
  const endings = new Map<number, (said: string) => void>();
  createInterface({ input: guard.stdout }).on('line', (line) => {
    const { started, ended, said } = JSON.parse(line) as { started?: number; ended?: number; said: string };
    if (started !== undefined) {
      const end = new Promise<string>((resolve) => endings.set(started, resolve));
      starting.shift()?.resolve({ pid: started, ended: end });
    } else if (ended === undefined || ended === null) {
      starting.shift()?.reject(new Error(said));
    } else {
      endings.get(ended)?.(said);
    }
  });
  const guardEnded = new Promise<void>((resolve) => guard.once('close', () => resolve()));
  return {
    directory,
    start(command) {
      return new Promise((resolve, reject) => {
        starting.push({ resolve, reject });
        guard.stdin.write(`${JSON.stringify(command)}\n`);
      });
    },
    async stop() {
      guard.stdin.end();
      await guardEnded;
    },
  };
}

/** Starts servers under a guard of their own; where they could not be started, nothing of them is left. */
export async function startGuarded<T>(
  name: string,
  start: (guard: GuardedServers) => Promise<T>,
): Promise<T> {
  const guard = await guardServers(name);
  try {
    return await start(guard);
  } catch (error) {
    await guard.stop();
    throw error;
  }
}

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address === 'object' && address) return address.port;
  throw new Error('a server without a port');
}

/** The first of these programs that is in one of these directories, or on the PATH. */
export function findProgram(name: string, directories: readonly string[] = []): string | undefined {
  const onPath = (process.env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '');
  return [...directories, ...onPath]
    .map((directory) => join(directory, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
