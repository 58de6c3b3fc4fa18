import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** How an MCP server's process ended. */
export interface ServerExit {
  /** What a shell would answer: the server's own code, or 128 + n for signal n. */
  readonly exitCode: number;
  readonly signal?: NodeJS.Signals;
  /** It had to be signalled: it did not end by itself within its grace. */
  readonly wasStopped: boolean;
}

/** An MCP server running as a child in its own process group; its stderr is ours. */
export interface ServerProcess {
  readonly input: Writable;
  readonly output: Readable;
  readonly pid: number;
  /** Resolves when it has exited and the rest of its group was stopped. Never rejects. */
  readonly exited: Promise<ServerExit>;
  /**
   * Closes its stdin, waits a grace, then sends SIGTERM to its process group, waits again, then SIGKILL. May be
   * called again; resolves as `exited` does.
   */
  stop(): Promise<ServerExit>;
  /** Sends a signal to the whole group; if it has not ended after a grace, goes on as `stop` does. */
  forward(signal: NodeJS.Signals): void;
}

export interface ServerProcessOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** `process.env` unless given. `AMBIT_SESSION` and `AMBIT_STORAGE` are taken out in either case. */
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** How long the server may take to end by itself after its stdin closed, and again after SIGTERM: 2,000 ms unless given. */
  readonly graceMs?: number;
  /** Passes SIGINT, SIGTERM and SIGHUP of this process on to the group until it has exited. On unless `false`. */
  readonly forwardSignals?: boolean;
}

/** COMMAND could not be started: the message says why in one line, with what to do. */
export class ServerStartError extends Error {
  /** What a shell answers: 127 when COMMAND is not found, 126 when it cannot be executed. */
  readonly exitCode: 126 | 127;

  constructor(message: string, exitCode: 126 | 127, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ServerStartError';
    this.exitCode = exitCode;
  }
}

/**
 * Starts an MCP server with pipes for its stdin and stdout. The session's secrets are not in its environment.
 *
 * @throws ServerStartError when COMMAND does not exist or may not be executed
 * @example
 * ```ts
 * const server = await startServerProcess({ command: 'npx', args: ['-y', '@modelcontextprotocol/server-filesystem', '.'] });
 * const { exitCode } = await server.stop();
 * ```
 */
export async function startServerProcess(options: ServerProcessOptions): Promise<ServerProcess> {
  const child = await spawnServer(options);
  const group = createProcessGroup(child);
  const graceMs = options.graceMs ?? graceMsDefault;
  let wasStopped = false;

  async function waitForExit(): Promise<ServerExit> {
    const { code, signal } = await exit;
    await stopStragglers(group, graceMs);
    closeWhenDrained(child.stdout);
    for (const [name, handler] of handlers) process.off(name, handler);
    process.off('exit', killAtExit);
    if (signal === null) return { exitCode: code ?? 1, wasStopped };
    return { exitCode: 128 + constants.signals[signal], signal, wasStopped };
  }

  /** SIGTERM after one grace, SIGKILL after another. */
  async function endAfterGrace(): Promise<void> {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      await Promise.race([exit, sleep(graceMs, undefined, { ref: false })]);
      if (hasExited(child)) return;
      wasStopped = true;
      group.signal(signal);
    }
  }

  let ending: Promise<void> | undefined;
  const exit = exitOf(child);
  const killAtExit = (): void => group.signal('SIGKILL');
  const handlers = forwardedSignals.map((name) => [name, () => forward(name)] as const);
  process.on('exit', killAtExit);
  if (options.forwardSignals !== false) for (const [name, handler] of handlers) process.on(name, handler);
  const exited = waitForExit();

  function forward(signal: NodeJS.Signals): void {
    group.signal(signal);
    wasStopped = true;
    ending ??= endAfterGrace();
  }

  return {
    input: child.stdin,
    output: child.stdout,
    pid: group.pid,
    exited,
    stop() {
      child.stdin.end();
      ending ??= endAfterGrace();
      return exited;
    },
    forward,
  };
}

/** Long enough for a server to write down what it has, short enough that a person closing a window does not notice. */
const graceMsDefault = 2_000;
/** What the server wrote last is in the pipe already when it exits: it needs to be read, not waited for. */
const pipeDrainMs = 500;
/** A killed process may stay a zombie for ever where nobody reaps orphans (some containers): no use in waiting for it. */
const killedWaitMs = 200;
const groupPollMs = 20;

const forwardedSignals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const secretNames = new Set(['AMBIT_SESSION', 'AMBIT_STORAGE']);

/** A child with pipes for stdin and stdout. */
type PipedChild = ChildProcess & { readonly stdin: Writable; readonly stdout: Readable };

async function spawnServer(options: ServerProcessOptions): Promise<PipedChild> {
  const { command, args, cwd } = options;
  try {
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: withoutSecrets(options.env ?? process.env),
      // A group of its own, so that what it started is stopped with it (npx starts a shell that starts a server).
      detached: hasProcessGroups,
      windowsHide: true,
      ...(cwd === undefined ? {} : { cwd }),
    });
    // Without a listener a write to a server that died would end this process; the leash listens as well.
    child.stdin.on('error', () => {});
    await once(child, 'spawn');
    return child;
  } catch (error) {
    throw startError(command, error);
  }
}

const hasProcessGroups = process.platform !== 'win32';

function withoutSecrets(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  // Windows does not tell upper from lower case here.
  return Object.fromEntries(Object.entries(env).filter(([name]) => !secretNames.has(name.toUpperCase())));
}

function startError(command: string, error: unknown): ServerStartError {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  const shown = JSON.stringify(command.slice(0, 200));
  if (code === 'ENOENT') {
    const message = `command ${shown} was not found (or the interpreter in its first line, or the working directory); check the spelling and PATH`;
    return new ServerStartError(message, 127, { cause: error });
  }
  if (code === 'EACCES') {
    const message = `command ${shown} may not be executed; give the file the right to (chmod +x), or name the program that runs it`;
    return new ServerStartError(message, 126, { cause: error });
  }
  const reason = error instanceof Error ? error.message.split('\n', 1)[0] : String(code);
  return new ServerStartError(`command ${shown} could not be started: ${reason}`, 126, { cause: error });
}

interface ProcessGroup {
  readonly pid: number;
  signal(signal: NodeJS.Signals): void;
  isAlive(): boolean;
}

function createProcessGroup(child: PipedChild): ProcessGroup {
  const pid = child.pid ?? 0;
  function send(signal: NodeJS.Signals | 0): boolean {
    try {
      return hasProcessGroups ? process.kill(-pid, signal) : child.kill(signal);
    } catch {
      // Nobody is left in it.
      return false;
    }
  }
  return { pid, signal: (signal) => void send(signal), isAlive: () => hasProcessGroups && send(0) };
}

/** What the server started and left behind. */
async function stopStragglers(group: ProcessGroup, graceMs: number): Promise<void> {
  if (!group.isAlive()) return;
  group.signal('SIGTERM');
  if (await isGoneWithin(group, graceMs)) return;
  group.signal('SIGKILL');
  await isGoneWithin(group, killedWaitMs);
}

async function isGoneWithin(group: ProcessGroup, timeoutMs: number): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < timeoutMs; waitedMs += groupPollMs) {
    if (!group.isAlive()) return true;
    await sleep(groupPollMs);
  }
  return !group.isAlive();
}

interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

function exitOf(child: ChildProcess): Promise<ChildExit> {
  // Told when a signal could not be sent, too: the exit is what counts.
  child.on('error', () => {});
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
}

/** A process that left the group may hold the pipe open for as long as it likes; what was written is still read. */
function closeWhenDrained(output: Readable): void {
  const timer = setInterval(() => {
    if (output.readableLength > 0) return;
    clearInterval(timer);
    output.destroy();
  }, pipeDrainMs).unref();
  output.once('close', () => clearInterval(timer));
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
