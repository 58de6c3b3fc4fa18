import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, describe, expect, test } from 'vitest';
import {
  type ServerProcess,
  type ServerProcessOptions,
  ServerStartError,
  startServerProcess,
} from '../../src/mcp/server-process.js';

const folder = mkdtempSync(join(tmpdir(), 'ambit-process-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a line of JavaScript as the server. */
function startScript(script: string, options: Partial<ServerProcessOptions> = {}): Promise<ServerProcess> {
  return startServerProcess({ command: process.execPath, args: ['-e', script], ...options });
}

/** Lives until it is stopped, whatever becomes of its stdin, and says when it is ready. */
const stubborn = 'setInterval(() => {}, 1000); console.log("ready");';

async function untilReady(server: ServerProcess): Promise<void> {
  await new Promise((resolve) => server.output.once('data', resolve));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('a command that cannot be started', () => {
  const notExecutable = join(folder, 'plain.txt');
  const noInterpreter = join(folder, 'script');
  writeFileSync(notExecutable, 'x');
  writeFileSync(noInterpreter, '#!/no/such/interpreter\n', { mode: 0o755 });

  test.each([
    ['that does not exist', { command: 'no-such-command-here' }, 127, /"no-such-command-here" was not found/],
    [
      'whose interpreter does not exist',
      { command: noInterpreter },
      127,
      /was not found \(or the interpreter/,
    ],
    ['that is no program', { command: notExecutable }, 126, /may not be executed/],
    ['that is a folder', { command: folder }, 126, /may not be executed/],
    [
      'in a folder that does not exist',
      { command: process.execPath, cwd: join(folder, 'no') },
      127,
      /working directory/,
    ],
    ['with a NUL in its name', { command: 'a\0b' }, 126, /could not be started/],
  ])('%s is one clear line', async (_title, options, exitCode, message) => {
    const error = await startServerProcess({ args: [], ...options }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ServerStartError);
    expect(error).toMatchObject({ exitCode });
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toContain('\n');
  });
});

describe('how it ended', () => {
  test('an exit code passes, and so does what was written last', async () => {
    const server = await startScript('process.stdout.write("x".repeat(200000)); process.exitCode = 7;');
    const written = text(server.output);
    expect(await server.exited).toEqual({ exitCode: 7, wasStopped: false });
    expect((await written).length).toBe(200_000);
  });

  test('a signal is 128 and its number, as in a shell', async () => {
    const server = await startScript('process.kill(process.pid, "SIGKILL")');
    expect(await server.exited).toEqual({ exitCode: 137, signal: 'SIGKILL', wasStopped: false });
  });

  test('a server that ends with its stdin is not signalled', async () => {
    const server = await startScript('process.stdin.resume().on("end", () => { process.exitCode = 3; })', {
      graceMs: 20_000,
    });
    expect(await server.stop()).toEqual({ exitCode: 3, wasStopped: false });
    expect(await server.stop()).toEqual({ exitCode: 3, wasStopped: false });
  });

  test('one that does not gets SIGTERM after a grace', async () => {
    const server = await startScript(stubborn, { graceMs: 100 });
    await untilReady(server);
    expect(await server.stop()).toEqual({ exitCode: 143, signal: 'SIGTERM', wasStopped: true });
  });

  test('one that ignores that gets SIGKILL after another', async () => {
    const server = await startScript(`process.on("SIGTERM", () => {}); ${stubborn}`, { graceMs: 100 });
    await untilReady(server);
    expect(await server.stop()).toEqual({ exitCode: 137, signal: 'SIGKILL', wasStopped: true });
  });

  test('what it started is stopped with it, and what left its group does not hold up the end', async () => {
    const script = `
      const { spawn } = require("node:child_process");
      const start = (more) => spawn(process.execPath, ["-e", "setTimeout(() => {}, 20000)"], { stdio: ["ignore", "inherit", "inherit"], ...more });
      const left = start({ detached: true });
      left.unref();
      console.log(JSON.stringify([start({}).pid, left.pid]));
      process.stdin.resume().on("end", () => process.exit(0));`;
    const server = await startScript(script, { graceMs: 3_000 });
    const line = await new Promise((resolve) => server.output.once('data', resolve));
    const [inGroup, left] = JSON.parse(String(line)) as [number, number];
    expect(isAlive(inGroup)).toBe(true);
    const ended = new Promise((resolve) => server.output.once('close', resolve));
    expect(await server.stop()).toMatchObject({ exitCode: 0 });
    while (isAlive(inGroup)) await new Promise((resolve) => setTimeout(resolve, 10));
    await ended;
    expect(isAlive(left)).toBe(true);
    process.kill(left, 'SIGKILL');
  });
});

describe('signals and secrets', () => {
  test('a signal is forwarded to the group, and the handlers go when it has exited', async () => {
    const before = process.listenerCount('SIGHUP');
    const script = `process.on("SIGHUP", () => { console.log("hup"); process.exit(5); }); ${stubborn}`;
    const server = await startScript(script, { graceMs: 20_000 });
    await untilReady(server);
    expect(process.listenerCount('SIGHUP')).toBe(before + 1);
    process.emit('SIGHUP');
    expect(await server.exited).toMatchObject({ exitCode: 5 });
    expect(process.listenerCount('SIGHUP')).toBe(before);
  });

  test('a server that does nothing about a signal is stopped after the grace', async () => {
    const server = await startScript(`process.on("SIGINT", () => {}); ${stubborn}`, { graceMs: 100 });
    await untilReady(server);
    server.forward('SIGINT');
    expect(await server.exited).toMatchObject({ signal: 'SIGTERM', wasStopped: true });
  });

  test("the session's token and the store's address are not in its environment", async () => {
    const env = { ...process.env, AMBIT_SESSION: 'secret-1', AMBIT_STORAGE: 'secret-2', OTHER: 'kept' };
    const server = await startScript('console.log(JSON.stringify(process.env))', { env });
    const written = await text(server.output);
    expect(written).toContain('"OTHER":"kept"');
    expect(written).not.toContain('secret-');
    expect(written).not.toContain('AMBIT_');
    await server.exited;
  });

  test('writing to a server that has died is no error of ours', async () => {
    const server = await startScript('process.exit(1)');
    server.output.resume();
    await server.exited;
    server.input.write('x'.repeat(1_000_000));
    server.input.end();
    expect(await server.stop()).toMatchObject({ exitCode: 1 });
  });
});
