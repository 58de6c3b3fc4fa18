import { startPostgresServer } from '../test/servers/postgres-server.js';

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
  redis: (_flushing: RedisFlushing, _work: (url: string) => Promise<void>): Promise<void> =>
    Promise.reject(new Error('this version of Ambit has no Redis backend')),
};
