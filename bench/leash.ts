import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { median } from './measure.js';
import { rawUpdate } from './contenders.js';

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export interface LeashFigures {
  /** Medians of one `tools/call`, in milliseconds. */
  readonly proxyMs: number;
  readonly leashMs: number;
  readonly updateMs: number;
  /** (leash - proxy) / update: how many raw durable UPDATEs the leash costs. */
  readonly updates: number;
}

/** A call through `ambit run`, through a proxy that only passes lines on, and a raw durable UPDATE, in turn. */
export async function leashFigures(folder: string, rounds: number): Promise<LeashFigures> {
  const server = [process.execPath, file('echo-server.js')];
  const proxy = connect([process.execPath, file('plain-proxy.js'), ...server]);
  const options = [
    '--tools',
    '*',
    '--calls',
    '1000000',
    '--task',
    'bench',
    '--storage',
    `sqlite:${folder}/leash.db`,
  ];
  const leash = connect([process.execPath, file('../dist/cli/main.js'), 'run', ...options, '--', ...server]);
  const update = rawUpdate(`${folder}/leash-raw.db`);
  const times: [number[], number[], number[]] = [[], [], []];
  for (let round = -50; round < rounds; round++) {
    const taken = [
      await timed(() => proxy.call()),
      await timed(() => leash.call()),
      await timed(() => update.work(0, 0)),
    ];
    if (round >= 0) taken.forEach((ms, index) => times[index]?.push(ms));
  }
  proxy.child.kill();
  leash.child.kill();
  await update.close?.();
  const [proxyMs, leashMs, updateMs] = times.map(median) as [number, number, number];
  return { proxyMs, leashMs, updateMs, updates: (leashMs - proxyMs) / updateMs };
}

async function timed(work: () => unknown): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

function connect([command = '', ...args]: string[]): { child: ChildProcess; call: () => Promise<void> } {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let id = 0;
  return {
    child,
    async call() {
      const params = { name: 'read_file', arguments: { path: '/a' } };
      child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: ++id, method: 'tools/call', params })}\n`);
      const { value } = await lines.next();
      const answer = JSON.parse(String(value)) as { id: number; result?: { isError?: boolean } };
      if (answer.id !== id || !answer.result || answer.result.isError)
        throw new Error(`not granted: ${String(value)}`);
    },
  };
}
