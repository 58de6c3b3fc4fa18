import { createConnection, createServer, type Server, type Socket } from 'node:net';

/**
 * What becomes of a request (whatever comes from a client in one piece):
 *
 * - `pass`: nothing
 * - `swallow-reply`: the server gets it and answers it in full; the client hears nothing but the end of its connection
 * - `cut-request`: the server gets the first half of it, then both connections end
 * - `swallow-request`: the server never gets it; both connections stay open, and silent from then on
 * - a number: it is passed on so many milliseconds later
 */
export type RequestFate = 'pass' | 'swallow-reply' | 'cut-request' | 'swallow-request' | number;

/** A TCP proxy on loopback that spoils what goes through it. */
export interface CuttingProxy {
  readonly port: number;
  /** Requests that met each fate but `pass`, so that a test can tell whether it tested anything. */
  readonly met: Readonly<Record<'swallowed' | 'cut' | 'holed' | 'delayed', number>>;
  /** Asked for every request; passes all until it is set. */
  fateOf: (request: Buffer) => RequestFate;
  /** Where connections made from now on lead. */
  targetPort: number;
  /** Ends all connections, both ways. */
  cutAll(): void;
  /** Ends all connections and lets nobody in: connecting is refused by the system. */
  refuse(): Promise<void>;
  /** Lets everybody in again, on the same port. */
  accept(): Promise<void>;
  close(): Promise<void>;
}

/** A reply is complete when nothing came for so long. Shorter, and a cut could come before the server has committed. */
const replyQuietMs = 40;

export async function startCuttingProxy(targetPort: number): Promise<CuttingProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  const met = { swallowed: 0, cut: 0, holed: 0, delayed: 0 };
  let listening: Server | undefined;
  let port = 0;

  const proxy: CuttingProxy = {
    get port() {
      return port;
    },
    met,
    fateOf: () => 'pass',
    targetPort,
    cutAll() {
      for (const pair of pairs) for (const socket of pair) socket.destroy();
    },
    async refuse() {
      const stopping = listening;
      listening = undefined;
      const stopped = new Promise<void>((resolve) =>
        stopping ? stopping.close(() => resolve()) : resolve(),
      );
      proxy.cutAll();
      await stopped;
    },
    async accept() {
      if (listening) return;
      const server = createServer((client) => connect(proxy, client, pairs, met));
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, '127.0.0.1', resolve);
      });
      ({ port } = server.address() as { port: number });
      listening = server;
    },
    close: () => proxy.refuse(),
  };
  await proxy.accept();
  return proxy;
}

/** Joins a client to the server, and spoils what it sends as the proxy is told. */
function connect(
  proxy: CuttingProxy,
  client: Socket,
  pairs: Set<readonly [Socket, Socket]>,
  met: { swallowed: number; cut: number; holed: number; delayed: number },
): void {
  const server = createConnection(proxy.targetPort, '127.0.0.1');
  const pair = [client, server] as const;
  pairs.add(pair);
  const end = (): void => {
    client.destroy();
    server.destroy();
    pairs.delete(pair);
  };
  for (const socket of pair) {
    socket.setNoDelay(true);
    socket.on('error', end);
    socket.on('close', end);
  }
  let state: 'open' | 'swallowing' | 'silent' = 'open';
  let quiet: NodeJS.Timeout | undefined;
  // Requests stay in order, also behind one that is delayed.
  let turn = Promise.resolve();
  const inTurn = (delayMs: number, pass: () => void): void => {
    turn = turn.then(async () => {
      if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
      pass();
    });
  };

  client.on('data', (request) => {
    if (state === 'silent') return;
    const fate = proxy.fateOf(request);
    if (typeof fate === 'number') met.delayed++;
    inTurn(typeof fate === 'number' ? fate : 0, () => {
      if (fate === 'swallow-request') {
        met.holed++;
        state = 'silent';
      } else if (fate === 'cut-request') {
        met.cut++;
        state = 'silent';
        server.write(request.subarray(0, Math.ceil(request.length / 2)), () => setTimeout(end, 5));
      } else {
        if (fate === 'swallow-reply' && state === 'open') state = 'swallowing';
        server.write(request);
      }
    });
  });
  server.on('data', (reply) => {
    if (state === 'open') client.write(reply);
    if (state !== 'swallowing') return;
    if (quiet === undefined) met.swallowed++;
    clearTimeout(quiet);
    quiet = setTimeout(end, replyQuietMs);
  });
}
