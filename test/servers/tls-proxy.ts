import { connect, createServer, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { readFileSync } from 'node:fs';

/**
 * The certificate of loopback, signed by itself. Its key lies beside it, for everybody to see: nothing but a test may trust
 * it.
 */
export const certificateFile: string = fileURLToPath(new URL('tls/loopback-cert.pem', import.meta.url));
const keyFile = fileURLToPath(new URL('tls/loopback-key.pem', import.meta.url));

/** What a client of PostgreSQL sends in the open before it speaks TLS (SSLRequest), and the answer to it. */
const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
const sslAccepted = 'S';

/** Speaks TLS on a port of its own, and passes on what it hears to a server that does not, until the test ends. */
export async function startTlsProxy(target: {
  readonly host: string;
  readonly port: number;
}): Promise<number> {
  const secureContext = createSecureContext({
    cert: readFileSync(certificateFile),
    key: readFileSync(keyFile),
  });
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on('error', () => socket.destroy());
  };
  const serve = (client: Socket): void => {
    const secure = keep(new TLSSocket(client, { isServer: true, secureContext }));
    const server = keep(connect(target));
    secure.pipe(server).pipe(secure);
    secure.once('close', () => server.destroy());
    server.once('close', () => secure.destroy());
  };
  const listening = createServer((client) => {
    keep(client);
    client.once('data', (first) => {
      client.pause();
      if (first.equals(sslRequest)) client.write(sslAccepted);
      else client.unshift(first);
      serve(client);
    });
  });
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    listening.close();
  });
  return (listening.address() as { port: number }).port;
}
