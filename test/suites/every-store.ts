import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { RunningServer } from '../servers/guarded-servers.js';
import { startPostgresServer } from '../servers/postgres-server.js';
import { startRedisServer } from '../servers/redis-server.js';
import { tmpdir } from 'node:os';

/** Hands out the URL of an empty store of every backend, one after another. */
export async function everyStore(see: (name: string, url: string) => void | Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-suite-'));
  try {
    await see('memory', 'memory:');
    await see('file', `file:${join(folder, 'store')}`);
    await see('sqlite fast', `sqlite:${join(folder, 'fast.db')}?eventLoop=fast`);
    await see('sqlite free', `sqlite:${join(folder, 'free.db')}?eventLoop=free`);
    for (const [name, start] of servers) {
      const server = await start();
      try {
        await see(name, server.url);
      } finally {
        await server.stop();
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const servers: readonly [name: string, start: () => Promise<RunningServer>][] = [
  ['postgres', startPostgresServer],
  ['redis', startRedisServer],
];
