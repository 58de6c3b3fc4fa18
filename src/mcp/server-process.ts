import type { Readable, Writable } from 'node:stream';

/** How an MCP server's process ended. */
export interface ServerExit {
  /** What `ambit run` exits with: the server's own code, or 128 + n for signal n. */
  readonly exitCode: number;
  readonly signal?: NodeJS.Signals;
}

/** An MCP server running as a child in its own process group; its stderr is ours. */
export interface ServerProcess {
  readonly input: Writable;
  readonly output: Readable;
  readonly pid: number;
  /** Resolves when it has exited, and all of its group was stopped. Never rejects. */
  readonly exited: Promise<ServerExit>;
  /**
   * Closes its stdin, waits a grace, then sends SIGTERM to its process group, waits again, then SIGKILL. May be
   * called again; resolves as `exited` does.
   */
  stop(): Promise<ServerExit>;
  /** Sends a signal to the whole group. */
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
  /** Passes SIGINT, SIGTERM and SIGHUP of this process on to the group (and removes the handlers at exit). On unless `false`. */
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

/** Starts an MCP server; rejects with `ServerStartError` when COMMAND does not exist or may not be executed. */
export function startServerProcess(_options: ServerProcessOptions): Promise<ServerProcess> {
  return Promise.reject(new Error('server processes are not written yet'));
}
