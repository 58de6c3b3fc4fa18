import { loadDriver, type RedisClient, type RedisDriver } from './redis-driver.js';

/** Where the server is: a URL, or a client whose settings are taken. */
export interface RedisServer {
  readonly url?: string | undefined;
  readonly client?: object | undefined;
  /** Past it a server that owes an answer and says nothing is given up. */
  readonly waitMs: number;
}

/**
 * Makes the client of a store, which connects when it is told to.
 *
 * A command that was sent once is never sent again behind the engine's back: the engine tells by the versions of a
 * conflict whether the first one was applied, and must know that there was a first one. So nothing is queued while the
 * connection is away, nothing is resent after it, and a cluster's client passes on what happens when a node is lost.
 */
export async function createClient(server: RedisServer): Promise<RedisClient> {
  const given = server.client as (RedisClient & { duplicate(...rest: unknown[]): RedisClient }) | undefined;
  if (!given) {
    const driver = await loadDriver();
    return new driver.Redis(server.url as string, nodeOptions(server.waitMs));
  }
  if (!given.isCluster) return given.duplicate(nodeOptions(server.waitMs));
  return given.duplicate([], clusterOptions(server.waitMs, given.options));
}

/** Makes the client of a whole cluster out of that of one of its nodes, as a URL names it. */
export async function createClusterClient(node: RedisClient, waitMs: number): Promise<RedisClient> {
  const driver: RedisDriver = await loadDriver();
  const { host, port, username, password, tls, family } = node.options as Record<string, unknown>;
  const redisOptions = { username, password, tls, ...(family !== undefined && { family }) };
  return new driver.Cluster([{ host, port }], clusterOptions(waitMs, { redisOptions }));
}

const neverAgain = {
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  enableAutoPipelining: false,
  stringNumbers: false,
  readOnly: false,
  replyMapping: 'legacy',
  // One command less that a user needs the right for.
  disableClientInfo: true,
  // The namespace does what a prefix would do, and a brace in a prefix would change the hash slot.
  keyPrefix: '',
} as const;

function nodeOptions(waitMs: number): object {
  return {
    ...neverAgain,
    lazyConnect: true,
    connectTimeout: waitMs,
    socketTimeout: waitMs,
    maxLoadingRetryTime: 500,
    retryStrategy: (times: number) => Math.min(25 * 2 ** Math.min(times, 6), 1_000),
    // A primary that became a replica: its name may lead to the new primary by now.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  };
}

function clusterOptions(waitMs: number, given: { readonly redisOptions?: object }): object {
  const { enableOfflineQueue, ...node } = neverAgain;
  return {
    ...given,
    enableOfflineQueue,
    enableAutoPipelining: false,
    keyPrefix: '',
    lazyConnect: true,
    scaleReads: 'master',
    retryDelayOnFailover: 0,
    slotsRefreshTimeout: waitMs,
    clusterRetryStrategy: (times: number) => Math.min(25 * 2 ** Math.min(times, 6), 1_000),
    redisOptions: { ...given.redisOptions, ...node, connectTimeout: waitMs, socketTimeout: waitMs },
  };
}
