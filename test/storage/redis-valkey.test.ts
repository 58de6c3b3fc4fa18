import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findValkey, type RedisServer, startRedisServer } from '../servers/redis-server.js';
import { newNamespace, openStore } from './redis-servers.js';
import { fakeClock } from 'ambit/testing';
import { redisStorage } from 'ambit/redis';
import { runContract } from './run-contract.js';

const program = findValkey();

describe.each(program === undefined ? [] : [program])('redis: Valkey, %s', (valkey) => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedisServer({ program: valkey });
  });
  afterAll(() => server.stop());

  runContract('redis: Valkey', () => {
    const [clock, namespace] = [fakeClock(), newNamespace()];
    return { clock, open: () => redisStorage({ url: server.url, namespace, clock }) };
  });

  test('says that it is Valkey, and what it keeps', async () => {
    const storage = await openStore({ url: server.url });
    expect((await storage.describe?.())?.server).toMatch(/^Valkey \d/);
    expect(storage.capabilities.durability).toEqual({ level: 'power' });
  });
});

test('redis: Valkey is tested too, where there is one', ({ skip }) => {
  if (program === undefined) skip('valkey-server is not on the PATH: Valkey is untested');
});
