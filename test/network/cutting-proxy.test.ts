import { createConnection, createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { type CuttingProxy, startCuttingProxy } from '../servers/cutting-proxy.js';

/** A server that answers every piece with itself, and remembers what it got. */
async function echo(): Promise<{ port: number; got: string[] }> {
  const got: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (piece) => {
      got.push(String(piece));
      socket.write(piece);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as { port: number }).port, got };
}

/** Sends one piece and answers what came back: a text, or how it ended. */
async function ask(proxy: CuttingProxy, text: string, patienceMs = 5_000): Promise<string> {
  const socket = createConnection(proxy.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  return new Promise((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
    socket.once('close', () => resolve('ended'));
    socket.once('data', (reply) => resolve(String(reply)));
    setTimeout(() => resolve('silence'), patienceMs);
    socket.write(text);
  });
}

async function proxied(): Promise<{ proxy: CuttingProxy; got: string[] }> {
  const { port, got } = await echo();
  const proxy = await startCuttingProxy(port);
  onTestFinished(() => proxy.close());
  return { proxy, got };
}

test('passes, swallows the reply, cuts the request, and swallows it', async () => {
  const { proxy, got } = await proxied();
  expect(await ask(proxy, 'one')).toBe('one');
  proxy.fateOf = () => 'swallow-reply';
  expect(await ask(proxy, 'two')).toBe('ended');
  proxy.fateOf = () => 'cut-request';
  expect(await ask(proxy, 'abcdef')).toBe('ended');
  proxy.fateOf = () => 'swallow-request';
  expect(await ask(proxy, 'four', 300)).toBe('silence');
  proxy.fateOf = () => 50;
  expect(await ask(proxy, 'five')).toBe('five');
  expect(got).toEqual(['one', 'two', 'abc', 'five']);
  expect(proxy.met).toEqual({ swallowed: 1, cut: 1, holed: 1, delayed: 1 });
});

test('refuses, accepts again on the same port, and leads elsewhere', async () => {
  const { proxy, got } = await proxied();
  const { port } = proxy;
  await proxy.refuse();
  expect(await ask(proxy, 'one')).toBe('ECONNREFUSED');
  await proxy.accept();
  expect(proxy.port).toBe(port);
  expect(await ask(proxy, 'two')).toBe('two');
  const other = await echo();
  proxy.targetPort = other.port;
  expect(await ask(proxy, 'three')).toBe('three');
  expect([got, other.got]).toEqual([['two'], ['three']]);
});
