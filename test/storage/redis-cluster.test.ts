import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Ambit, openAmbit } from 'ambit';
import { type ClusterNode, type RedisCluster, startRedisCluster, until } from '../servers/redis-cluster.js';
import {
  create,
  documentedRights,
  eventually,
  key,
  newNamespace,
  openStore,
  put,
  valuesOf,
} from './redis-servers.js';
import { Cluster } from 'ioredis';
import { fakeClock } from 'ambit/testing';
import { redisStorage } from 'ambit/redis';
import { runContract } from './run-contract.js';

let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startRedisCluster();
});
afterAll(() => cluster.stop());

/** The keys of a namespace on each primary. */
function keysOnEach(namespace: string): Promise<string[][]> {
  return Promise.all(cluster.primaries.map(({ client }) => client.keys(`ambit:{${namespace}}:*`)));
}

function urlOf(node: ClusterNode | undefined): string {
  return node?.server.url ?? expect.fail('no node');
}

/** A namespace whose slot lies on this node. */
async function namespaceOn(node: ClusterNode): Promise<string> {
  for (;;) {
    const namespace = newNamespace();
    const storage = await openStore({ url: node.server.url, namespace });
    await storage.close();
    const keys = await node.client.keys(`ambit:{${namespace}}:*`);
    if (keys.length > 0) return namespace;
  }
}

runContract('redis, a cluster of three', () => {
  const clock = fakeClock();
  const namespace = newNamespace();
  // Whichever node is named.
  const node = cluster.primaries[Math.floor(Math.random() * 3)];
  return { clock, open: () => redisStorage({ url: urlOf(node), namespace, clock }) };
});

async function opened(namespace: string): Promise<Ambit> {
  const ambit = await openAmbit({
    storage: `${urlOf(cluster.primaries[1])}?namespace=${namespace}`,
    sweepEveryMs: false,
  });
  onTestFinished(() => ambit.close());
  return ambit;
}

const terms = { agentId: 'agent', declaredIntent: 'a test', authorizedTools: ['read_file'] };

async function sessionIn({ tasks }: Ambit, callBudget: number): Promise<string> {
  const created = await tasks.create({ ...terms, callBudget });
  return created.ok ? created.session.sessionId : expect.fail(created.refusal.message);
}

describe('a cluster of three nodes', () => {
  test('namespaces land on different nodes, each whole on one', async () => {
    const used = new Set<number>();
    for (let round = 0; round < 12; round++) {
      const namespace = newNamespace();
      const storage = await openStore({ url: urlOf(cluster.primaries[round % 3]), namespace });
      expect(await create(storage, 'a')).toBe('ok');
      const counts = (await keysOnEach(namespace)).map((keys) => keys.length);
      expect(counts.filter((count) => count > 0)).toHaveLength(1);
      used.add(counts.findIndex((count) => count > 0));
      expect((await storage.describe?.())?.facts['kind']).toContain('a cluster');
      await storage.close();
    }
    expect(used).toEqual(new Set([0, 1, 2]));
  });

  test('a client of the whole cluster may be handed in, and is left alone', async () => {
    const nodes = cluster.primaries.map(({ server }) => ({ host: '127.0.0.1', port: server.port }));
    const { password } = new URL(urlOf(cluster.primaries[0]));
    const client = new Cluster(nodes, { redisOptions: { password } });
    onTestFinished(() => client.disconnect());
    const storage = await openStore({ client });
    expect(storage.capabilities.durability).toEqual({ level: 'power' });
    expect(await create(storage, 'a')).toBe('ok');
    await storage.close();
    expect(await client.set('still', 'there')).toBe('OK');
  });

  test('the user that docs/redis.md tells to make is enough here, too', async () => {
    for (const { client } of [...cluster.primaries, cluster.replica])
      await client.call('ACL', 'SETUSER', 'ambit-app', ...documentedRights());
    const port = cluster.primaries[0]?.server.port ?? 0;
    for (let round = 0; round < 4; round++) {
      const storage = await openStore({ url: `redis://ambit-app:secret@127.0.0.1:${port}` });
      expect(await create(storage, 'a')).toBe('ok');
      expect(storage.capabilities.durability).toEqual({ level: 'power' });
    }
  });

  test.each(['slots', 'info'])('a user who may not run CLUSTER %s is refused at opening', async (word) => {
    for (const { client } of [...cluster.primaries, cluster.replica])
      await client.call('ACL', 'SETUSER', 'lacking', 'reset', ...documentedRights(), `-cluster|${word}`);
    const url = `redis://lacking:secret@127.0.0.1:${cluster.primaries[0]?.server.port ?? 0}`;
    await expect(redisStorage({ url })).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      message: expect.stringContaining(
        `CLUSTER ${word.toUpperCase()}; allow it with ACL SETUSER NAME`,
      ) as string,
    });
  });

  test('the weakest node tells what is kept', async () => {
    const [, , third] = cluster.primaries;
    await third?.client.config('SET', 'appendfsync', 'everysec');
    const storage = await openStore({ url: urlOf(cluster.primaries[0]) });
    await third?.client.config('SET', 'appendfsync', 'always');
    expect(storage.capabilities.durability.level).toBe('bounded-loss');
  });

  test('two openings on one hot session grant exactly its budget', async () => {
    const namespace = newNamespace();
    const [one, two] = [await opened(namespace), await opened(namespace)];
    const sessionId = await sessionIn(one, 300);
    const answers = await Promise.all(
      Array.from({ length: 400 }, (_, index) =>
        (index % 2 === 0 ? one : two).tasks.use(sessionId, 'read_file'),
      ),
    );
    expect(answers.filter(({ ok }) => ok)).toHaveLength(300);
  });

  test('a slot that moves to another node takes its namespace along, and every call stays exact', async () => {
    const [from, to] = cluster.primaries as [ClusterNode, ClusterNode, ClusterNode];
    const namespace = await namespaceOn(from);
    const ambit = await opened(namespace);
    const sessionId = await sessionIn(ambit, 1_000_000);
    let stop = false;
    const count = { granted: 0, unknown: 0 };
    const callers = Array.from({ length: 8 }, async () => {
      while (!stop) {
        const answer = await ambit.tasks.use(sessionId, 'read_file');
        if (answer.ok) count.granted++;
        else if (answer.refusal.outcome === 'unknown') count.unknown++;
        else expect(answer.refusal.code).toBe('STORAGE_UNAVAILABLE');
      }
    });
    const slot = await from.client.cluster('KEYSLOT', `ambit:{${namespace}}:records`);
    await to.client.cluster('SETSLOT', slot, 'IMPORTING', from.id);
    await from.client.cluster('SETSLOT', slot, 'MIGRATING', to.id);
    const { password } = new URL(urlOf(to));
    // One by one, with time in between: for a while the namespace lies on both.
    for (let keys = await keysIn(from, slot); keys.length > 0; keys = await keysIn(from, slot)) {
      const [first = ''] = keys;
      const port = String(to.server.port);
      await from.client.call('MIGRATE', '127.0.0.1', port, first, '0', '5000', 'AUTH', password);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    for (const { client } of [to, from, ...cluster.primaries.slice(2)])
      await client.cluster('SETSLOT', slot, 'NODE', to.id);
    const before = count.granted;
    await until(() => Promise.resolve(count.granted > before + 100));
    stop = true;
    await Promise.all(callers);
    const found = await ambit.tasks.get(sessionId);
    const counted = found.ok ? found.session.callsMade : expect.fail(found.refusal.message);
    expect(counted).toBeGreaterThanOrEqual(count.granted);
    expect(counted).toBeLessThanOrEqual(count.granted + count.unknown);
    const counts = (await keysOnEach(namespace)).map((keys) => keys.length);
    expect(counts.findIndex((keys) => keys > 0)).toBe(1);
  });

  // The last one: the cluster is another one after it.
  test('a primary that dies is replaced by its replica: refused for a while, then answered', async () => {
    const [first] = cluster.primaries as [ClusterNode, ClusterNode, ClusterNode];
    const namespace = await namespaceOn(first);
    const url = urlOf(cluster.primaries[1]);
    const storage = await openStore({ url, namespace });
    expect((await storage.describe?.())?.warnings.join()).toContain('failover');
    for (let index = 0; index < 20; index++) expect(await create(storage, `k${index}`)).toBe('ok');
    // What was acknowledged long ago has reached the replica; what comes last may be lost, which is why it warns.
    const { client: replica } = cluster.replica;
    const offset = Number(/master_repl_offset:(\d+)/.exec(await first.client.info('replication'))?.[1]);
    await until(async () => {
      const [, reached] = /slave_repl_offset:(\d+)/.exec(await replica.info('replication')) ?? [];
      return Number(reached) >= offset;
    });
    await first.server.kill();
    const startMs = performance.now();
    let refused = 0;
    await eventually(async () => {
      try {
        await valuesOf(storage, ['k0']);
      } catch (error) {
        refused++;
        expect(error).toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
        throw error;
      }
    });
    expect(refused).toBeGreaterThan(0);
    expect(performance.now() - startMs).toBeLessThan(45_000);
    const names = Array.from({ length: 20 }, (_, index) => `k${index}`);
    expect(await valuesOf(storage, names)).toEqual(names);
    const [record] = (await storage.read([key('k0')])).records;
    const changed = put(key('k0'), record?.version ?? null, 'changed');
    expect((await storage.commit([{ writes: [changed] }])).outcomes).toEqual([{ status: 'ok' }]);
  });
});

function keysIn({ client }: ClusterNode, slot: number): Promise<string[]> {
  return client.cluster('GETKEYSINSLOT', slot, 100);
}
