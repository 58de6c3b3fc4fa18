import { createServer } from 'node:http';
import type { RunningServer } from './guarded-servers.js';
import { startPostgresServer } from './postgres-server.js';
import { startRedisServer } from './redis-server.js';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where tests ask for the servers that they share. */
    serversUrl: string;
  }
}

/** The servers that the tests of one run share. Each is started when the first test asks for it. */
const starters: Readonly<Record<string, () => Promise<RunningServer>>> = {
  postgres: startPostgresServer,
  redis: startRedisServer,
};

/**
 * Answers `GET /NAME` with the URL of that server, started now if it is the first question, or with why there is none.
 * A server named in `AMBIT_TEST_NAME_URL` is taken instead of a private one.
 */
// oxlint-disable-next-line import/no-default-export -- the form vitest asks of a global setup
export default async function startServers(project: TestProject): Promise<() => Promise<void>> {
  const started = new Map<string, Promise<RunningServer>>();
  const serverOf = (name: string): Promise<RunningServer> => {
    const known = started.get(name);
    if (known) return known;
    const starting = startOrTake(name);
    started.set(name, starting);
    return starting;
  };
  const desk = createServer((request, response) => {
    serverOf((request.url ?? '').slice(1)).then(
      ({ url }) => response.end(JSON.stringify({ url })),
      (error: unknown) => response.end(JSON.stringify({ error: (error as Error).message })),
    );
  });
  await new Promise<void>((resolve) => desk.listen(0, '127.0.0.1', resolve));
  const address = desk.address();
  if (typeof address !== 'object' || !address) throw new Error('a desk without a port');
  project.provide('serversUrl', `http://127.0.0.1:${address.port}`);
  return async () => {
    desk.closeAllConnections();
    desk.close();
    for (const starting of started.values()) await (await starting.catch(() => undefined))?.stop();
  };
}

async function startOrTake(name: string): Promise<RunningServer> {
  const url = process.env[`AMBIT_TEST_${name.toUpperCase()}_URL`];
  if (url) return { url, stop: () => Promise.resolve() };
  const start = starters[name];
  if (!start) throw new Error(`no server "${name}" in test/servers/start-servers.ts`);
  return start();
}
