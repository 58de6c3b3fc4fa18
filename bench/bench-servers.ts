import { startPostgresServer } from '../test/servers/postgres-server.js';
import { startRedisServer } from '../test/servers/redis-server.js';

export type RedisFlushing = 'always' | 'everysec';

/** Private servers on free ports of loopback, with data directories of their own on the disk. */
export const benchServers = {
  postgres: async (work: (url: string) => Promise<void>): Promise<void> => {
    const server = await startPostgresServer();
    try {
      await work(server.url);
    } finally {
      await server.stop();
    }
  },
  redis: async (flushing: RedisFlushing, work: (url: string) => Promise<void>): Promise<void> => {
    const server = await startRedisServer({ settings: [`--appendfsync ${flushing}`] });
    try {
      await work(server.url);
    } finally {
      await server.stop();
    }
  },
};
