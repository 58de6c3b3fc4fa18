import { type RedisServer, startRedisServer } from './redis-server.js';
import { freePort } from './guarded-servers.js';
import { Redis } from 'ioredis';

/** A node of a cluster: a server, and the name that the others know it by. */
export interface ClusterNode {
  readonly server: RedisServer;
  readonly id: string;
  /** The client of an administrator. */
  readonly client: Redis;
}

/** Three primaries on loopback, with a third of the slots each, and a replica of the first one. */
export interface RedisCluster {
  readonly primaries: readonly ClusterNode[];
  readonly replica: ClusterNode;
  stop(): Promise<void>;
}

const password = 'the-same-everywhere';
const slots = 16_384;

export async function startRedisCluster(): Promise<RedisCluster> {
  const nodes: ClusterNode[] = [];
  const stop = async (): Promise<void> => {
    for (const { client } of nodes) client.disconnect();
    await Promise.all(nodes.map(({ server }) => server.stop()));
  };
  try {
    nodes.push(...(await Promise.all(Array.from({ length: 4 }, startNode))));
    const [first, second, third, replica] = nodes as [ClusterNode, ClusterNode, ClusterNode, ClusterNode];
    const primaries = [first, second, third];
    const busPorts = await Promise.all(nodes.map(busPortOf));
    await Promise.all(
      primaries.map(({ client }, index) => {
        const from = Math.floor((index * slots) / 3);
        return client.cluster('ADDSLOTSRANGE', from, Math.floor(((index + 1) * slots) / 3) - 1);
      }),
    );
    for (const [index, { server }] of nodes.entries()) {
      if (index > 0)
        await first.client.call('CLUSTER', 'MEET', '127.0.0.1', server.port, busPorts[index] ?? 0);
    }
    await until(async () => (await replica.client.cluster('INFO')).includes('cluster_known_nodes:4'));
    await until(async () => String(await replica.client.cluster('NODES')).includes(first.id));
    await replica.client.cluster('REPLICATE', first.id);
    await until(async () => (await first.client.info('replication')).includes('state=online'));
    for (const { client } of nodes) {
      await until(async () => {
        const info = await client.cluster('INFO');
        return info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:4');
      });
    }
    return { primaries, replica, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startNode(): Promise<ClusterNode> {
  const server = await startRedisServer({
    password,
    settings: ['--cluster-enabled yes', `--cluster-port ${await freePort()}`, '--cluster-node-timeout 2000'],
  });
  const client = new Redis(server.url, { lazyConnect: true });
  client.on('error', () => undefined);
  await client.connect();
  return { server, client, id: await client.cluster('MYID') };
}

async function busPortOf({ client }: ClusterNode): Promise<number> {
  const [, port] = await client.config('GET', 'cluster-port');
  return Number(port);
}

/** Waits until it is so; a cluster comes to terms within seconds. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; !(await holds()); attempt++) {
    if (attempt === 1_000) throw new Error('it did not come about within a minute');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
