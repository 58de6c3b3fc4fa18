import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  answered,
  callEach,
  callsMade,
  openBeside,
  openWorld,
  refusalOfUse,
  sessionIn,
} from './network-world.js';
import { type RedisServer, startRedisServer } from '../servers/redis-server.js';
import { openAmbit } from 'ambit';
import { report } from '../proof/figures.js';
import { Redis } from 'ioredis';

const patience = 180_000;
const refusedForNow = { code: 'STORAGE_UNAVAILABLE', retryable: true };

/** A client beside the store's own, to change the server with. */
async function beside({ url }: { readonly url: string }): Promise<Redis> {
  const client = new Redis(url, { lazyConnect: true });
  client.on('error', () => undefined);
  await client.connect();
  onTestFinished(() => client.disconnect());
  return client;
}

describe('redis, a server in trouble', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedisServer();
  });
  afterAll(() => server.stop());

  test.each([
    ['it is made a replica', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']],
    ['its memory is full', ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']],
    [
      'too few replicas are there',
      ['CONFIG', 'SET', 'min-replicas-to-write', '1'],
      ['CONFIG', 'SET', 'min-replicas-to-write', '0'],
    ],
  ])(
    '%s: calls are refused, nothing is charged, and it is well again by itself',
    { timeout: patience },
    async (_what, spoil, mend) => {
      const { ambit } = await openBeside(server);
      const sessionId = await sessionIn(ambit, 10);
      const admin = await beside(server);
      const [command = '', ...args] = mend;
      onTestFinished(async () => void (await admin.call(command, ...args)));
      await admin.call(spoil[0] ?? '', ...spoil.slice(1));
      expect(await refusalOfUse(ambit, sessionId)).toMatchObject({ ...refusedForNow, outcome: 'none' });
      await admin.call(command, ...args);
      expect((await callEach(ambit, sessionId, ['back'], 1)).granted.size).toBe(1);
      expect(await callsMade(ambit, sessionId)).toBe(1);
    },
  );

  test(
    'it takes no more clients: a typed error, a refusal that says so, and it is well again by itself',
    { timeout: patience },
    async () => {
      const { ambit, url } = await openBeside(server);
      const sessionId = await sessionIn(ambit, 10);
      const admin = await beside(server);
      onTestFinished(async () => void (await admin.call('CONFIG', 'SET', 'maxclients', '10000')));
      // Those that are there stay, so the store's own are ended.
      await admin.call('CONFIG', 'SET', 'maxclients', '1');
      await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      expect(await refusalOfUse(ambit, sessionId)).toMatchObject(refusedForNow);
      await expect(answered(openAmbit({ storage: url, sweepEveryMs: false }))).rejects.toMatchObject({
        code: 'STORAGE_UNAVAILABLE',
        message: expect.stringMatching(/maxclients/) as string,
      });
      await admin.call('CONFIG', 'SET', 'maxclients', '10000');
      expect((await callEach(ambit, sessionId, ['back'], 1)).granted.size).toBe(1);
    },
  );

  test(
    'its connections are ended again and again in mid-run: exactly the budget is granted, each once',
    { timeout: patience },
    async () => {
      const { ambit } = await openBeside(server);
      const sessionId = await sessionIn(ambit, 600);
      const admin = await beside(server);
      let running = true;
      const ending = (async () => {
        let ended = 0;
        while (running) {
          ended += Number(await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'));
          await new Promise((resolve) => setTimeout(resolve, 40));
        }
        return ended;
      })();
      const told = await callEach(ambit, sessionId, ids('call', 800), 4).finally(() => (running = false));
      expect(await ending).toBeGreaterThan(3);
      expect(told.granted.size).toBe(600);
      expect(await callsMade(ambit, sessionId)).toBe(600);
    },
  );

  test(
    'another script keeps it busy: calls are answered within their bound, and granted afterwards',
    { timeout: patience },
    async () => {
      const { ambit } = await openBeside(server);
      const sessionId = await sessionIn(ambit, 10);
      const admin = await beside(server);
      await admin.call('CONFIG', 'SET', 'busy-reply-threshold', '100');
      const busy = await beside(server);
      const endless = busy.call('EVAL', 'while true do end', '0').catch(String);
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(await refusalOfUse(ambit, sessionId)).toMatchObject(refusedForNow);
      await admin.call('SCRIPT', 'KILL');
      expect(await endless).toMatch(/killed/i);
      expect((await callEach(ambit, sessionId, ['back'], 1)).granted.size).toBe(1);
    },
  );
});

test(
  'redis fails over to a replica that has all of it: calls go on there, exactly',
  { timeout: patience },
  async () => {
    // It would wait five seconds for more replicas to come.
    const primary = await startRedisServer({
      password: 'shared',
      settings: ['--repl-diskless-sync-delay 0'],
    });
    onTestFinished(() => primary.stop());
    const replica = await startRedisServer({ password: 'shared' });
    onTestFinished(() => replica.stop());
    const { ambit, proxy } = await openWorld(primary);
    const follower = await beside(replica);
    await follower.call('REPLICAOF', '127.0.0.1', String(primary.port));
    const sessionId = await sessionIn(ambit, 100);
    const first = await callEach(ambit, sessionId, ids('first', 40), 8);
    expect(first.granted.size).toBe(40);
    // Redis does not wait for its replicas: what is not there yet is lost with the primary.
    await caughtUp(await beside(primary), follower);
    await primary.kill();
    const during = callEach(ambit, sessionId, ids('second', 100), 8);
    await follower.call('REPLICAOF', 'NO', 'ONE');
    proxy.targetPort = replica.port;
    const told = await during;
    expect(told.granted.size).toBe(60);
    expect([...told.refused.values()]).toEqual(Array(40).fill('BUDGET_EXCEEDED'));
    expect(await callsMade(ambit, sessionId)).toBe(100);
    for (const callId of [...first.granted, ...told.granted])
      expect(await ambit.tasks.use(sessionId, 'read_file', { callId })).toMatchObject({ replayed: true });
    report('redis, the primary is killed and a replica that has all of it takes over', {
      calls: 140,
      faults: 1,
      granted: first.granted.size + told.granted.size,
    });
  },
);

function ids(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${name}-${index}`);
}

/** Waits until the replica has everything that the primary has. */
async function caughtUp(primary: Redis, replica: Redis): Promise<void> {
  const field = async (client: Redis, name: string): Promise<string | undefined> =>
    new RegExp(`^${name}:(.*)$`, 'm').exec(await client.info('replication'))?.[1]?.trim();
  for (let attempt = 0; attempt < 600; attempt++) {
    const linked = (await field(replica, 'master_link_status')) === 'up';
    const written = await field(primary, 'master_repl_offset');
    if (linked && written === (await field(replica, 'slave_repl_offset'))) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the replica did not catch up within half a minute');
}
