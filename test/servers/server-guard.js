/**
 * Keeps the servers of a test run from outliving it: `server-guard.js DIRECTORY`. Whoever started it holds its standard
 * input, and when that ends, however it ended, the servers are stopped by their pids and the directory is removed.
 *
 * Takes lines of JSON: `{ "command", "args", "uid"?, "gid"?, "stopSignal" }` starts a server. Answers
 * `{ "started": pid }`, and at its end `{ "ended": pid, "said": its last words }`.
 */
import { createInterface } from 'node:readline';
import { rmSync } from 'node:fs';
import { spawn } from 'node:child_process';

/** Past it a server is killed: whoever waits for the end of the run has waited long enough. */
const stoppingMsMax = 5_000;

const [, , directory = ''] = process.argv;

/** @type {Map<import('node:child_process').ChildProcess, NodeJS.Signals>} */
const running = new Map();

/** @param {unknown} line */
function say(line) {
  // Nobody may be there any more to hear it.
  if (process.stdout.writable) process.stdout.write(`${JSON.stringify(line)}\n`);
}

process.stdout.on('error', () => undefined);
// Ctrl-C goes to everybody in the terminal; the servers are stopped when the run has ended.
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']))
  process.on(signal, () => undefined);

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const { command, args, stopSignal, ...identity } = JSON.parse(line);
  const server = spawn(command, args, { ...identity, cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [server.stdout, server.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      said = (said + text).slice(-4_000);
    });
  }
  server.once('spawn', () => {
    running.set(server, stopSignal);
    say({ started: server.pid });
  });
  server.once('error', (error) => say({ ended: null, said: error.message }));
  server.once('close', () => {
    running.delete(server);
    say({ ended: server.pid, said });
  });
});
lines.once('close', () => {
  const ends = [...running].map(
    ([server, signal]) =>
      new Promise((resolve) => {
        server.once('close', resolve);
        server.kill(signal);
        setTimeout(() => server.kill('SIGKILL'), stoppingMsMax).unref();
      }),
  );
  void Promise.all(ends).then(() => {
    rmSync(directory, { recursive: true, force: true });
    process.exit();
  });
});
