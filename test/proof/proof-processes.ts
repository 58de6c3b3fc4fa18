import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';

export const childScript: string = fileURLToPath(new URL('proof-child.js', import.meta.url));

export interface ProofChild {
  /** What it says next; undefined once it has ended. */
  next(): Promise<unknown>;
  /** All it says until its end. */
  rest(): Promise<unknown[]>;
  /** Lets it begin, and tells it what it could not be told before. */
  go(told?: object): void;
  readonly ended: Promise<number | null>;
  kill(signal: NodeJS.Signals): void;
}

/** How a process is started, where that is not as usual. */
export interface Launch {
  readonly nodeArgs: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Starts a process that runs a scenario of `proof-child.js`, or of another script; it ends with its test at the latest. */
export function startChild(
  scenario: string,
  options: object,
  script: string = childScript,
  { nodeArgs, env }: Launch = { nodeArgs: [], env: {} },
): ProofChild {
  const started = spawn(process.execPath, [...nodeArgs, script, scenario, JSON.stringify(options)], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void started.kill('SIGKILL'));
  const ended = new Promise<number | null>((resolve) => started.once('exit', resolve));
  const lines = createInterface({ input: started.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    return done ? undefined : JSON.parse(value);
  };
  return {
    next,
    async rest() {
      const said: unknown[] = [];
      for (let line = await next(); line !== undefined; line = await next()) said.push(line);
      return said;
    },
    go: (told = {}) => void started.stdin.write(`${JSON.stringify(told)}\n`),
    ended,
    kill: (signal) => void started.kill(signal),
  };
}

/** A directory for one test, gone after it. */
export function proofDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'ambit-proof-'));
  chmodSync(directory, 0o700);
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
