import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';

/** The program as it is installed. */
export const program: string = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const stub: string = fileURLToPath(new URL('stub-server.js', import.meta.url));

/** COMMAND and its arguments for the stub server. */
export function stubServer(...options: string[]): string[] {
  return ['--', process.execPath, stub, ...options];
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a client hears. */
export interface Message {
  readonly id?: string | number | null;
  readonly method?: string;
  readonly error?: { readonly code: number; readonly message: string };
  readonly result?: {
    readonly content?: readonly { readonly text: string }[];
    readonly tools?: readonly { readonly name: string }[];
    readonly _meta?: { readonly 'ambit/refusal'?: { readonly code: string } };
  };
}

export interface Running {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  readonly stdout: () => string;
  readonly stderr: () => string;
  kill(signal: NodeJS.Signals): void;
  /** Writes a line to its stdin, as it is. */
  say(line: string): void;
  /** The next message on its stdout; undefined once it has ended. */
  hear(): Promise<Message | undefined>;
  /** Sends a request and waits for its answer. */
  ask(method: string, params?: object): Promise<Message>;
  /** A call of a tool: the text, the refusal's code, or the error's message. */
  call(tool: string, args?: object): Promise<string>;
  closeStdout(): void;
  closeStderr(): void;
  /** Closes its stdin and waits for its end. */
  leave(): Promise<Ended>;
}

/** A folder of one test, with a store in it, and the programs started there; all gone after it. */
export interface Desk {
  readonly folder: string;
  readonly storage: string;
  /** Runs `ambit` to its end, its stdin empty. */
  ambit(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ended>;
  /** Runs `ambit sessions … --json` and reads what it prints. */
  sessions<T = Session>(...args: string[]): Promise<T>;
  /** Runs `ambit` to its end with a stdout that nobody reads any more. */
  unread(args: readonly string[]): Promise<Ended>;
  /** Starts `ambit run` on the store of the folder. */
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Running;
  /** Starts `ambit` by way of another program, such as `strace -o FILE`. */
  through(program: readonly string[], args: readonly string[]): Running;
}

export interface Session {
  readonly sessionId: string;
  readonly agentId: string;
  readonly taskName?: string;
  readonly status: string;
  readonly callsMade: number;
  readonly callBudget: number;
}

const folders: string[] = [];
const children = new Set<ChildProcessWithoutNullStreams>();

afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

export function openDesk(): Desk {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ambit-cli-')));
  folders.push(folder);
  const storage = `sqlite:${join(folder, 'ambit.db')}`;
  const desk: Desk = {
    folder,
    storage,
    async ambit(args, env = {}) {
      const running = start(args, folder, { AMBIT_STORAGE: storage, ...env });
      return running.leave();
    },
    async sessions<T>(...args: string[]) {
      const { code, stdout, stderr } = await desk.ambit(['sessions', ...args, '--json']);
      if (code !== 0) throw new Error(`sessions ${args.join(' ')}: exit ${code}: ${stderr}`);
      return JSON.parse(stdout) as T;
    },
    unread(args) {
      const running = start(args, folder, { AMBIT_STORAGE: storage });
      running.closeStdout();
      return running.leave();
    },
    run: (args, env = {}) => start(['run', ...args], folder, { AMBIT_STORAGE: storage, ...env }),
    through: (other, args) => start(args, folder, { AMBIT_STORAGE: storage }, other),
  };
  return desk;
}

function start(
  args: readonly string[],
  folder: string,
  env: Readonly<Record<string, string>>,
  through: readonly string[] = [],
): Running {
  const { AMBIT_SESSION: _session, AMBIT_STORAGE: _storage, ...inherited } = process.env;
  const [command = '', ...rest] = [...through, process.execPath, program, ...args];
  const child = spawn(command, rest, {
    cwd: folder,
    // The data directory of whoever runs the tests is not for tests.
    env: { ...inherited, HOME: folder, XDG_DATA_HOME: join(folder, 'data'), ...env },
  });
  children.add(child);
  // It may have ended before it has read.
  child.stdin.on('error', () => {});
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code, signal) => {
      children.delete(child);
      resolve({ code, signal, stdout, stderr });
    });
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let lastId = 0;
  const running: Running = {
    pid: child.pid ?? 0,
    ended,
    stdout: () => stdout,
    stderr: () => stderr,
    kill: (signal) => void child.kill(signal),
    say: (line) => void child.stdin.write(`${line}\n`),
    async hear() {
      const { value, done } = await lines.next();
      return done ? undefined : (JSON.parse(value) as Message);
    },
    async ask(method, params = {}) {
      const id = ++lastId;
      running.say(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
      const answer = await running.hear();
      if (answer?.id === id) return answer;
      throw new Error(`${method} heard ${JSON.stringify(answer)}; on stderr: ${stderr}`);
    },
    async call(tool, given = {}) {
      const { result, error } = await running.ask('tools/call', { name: tool, arguments: given });
      const text = result?.content?.map((part) => part.text).join(' ');
      return result?._meta?.['ambit/refusal']?.code ?? error?.message ?? text ?? 'nothing';
    },
    closeStdout: () => void child.stdout.destroy(),
    closeStderr: () => void child.stderr.destroy(),
    leave() {
      child.stdin.end();
      return ended;
    },
  };
  return running;
}

/** Greets the server as a client of revision 2025-11-25 does. */
export async function greet(running: Running): Promise<Running> {
  await running.ask('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'test', version: '1.0.0' },
  });
  running.say('{"jsonrpc":"2.0","method":"notifications/initialized"}');
  return running;
}

/** One clear line for a person: the program's name first, no stack trace, nothing else. */
export const oneLine: RegExp = /^ambit: (?!.*\bat .*:\d+:\d+)[^\n]{10,400}\n$/;
