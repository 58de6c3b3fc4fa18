import { type RedisServer, type RedisServerOptions, startRedisServer } from '../servers/redis-server.js';
import { redisStorage, type RedisStorageOptions } from 'ambit/redis';
import { encodeKey, type Key, type Put, type Storage, StorageUnavailableError, Value } from 'ambit/storage';
import { expect, onTestFinished } from 'vitest';
import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';

/** A server for one test. */
export async function ownServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  const server = await startRedisServer(options);
  onTestFinished(() => server.stop());
  return server;
}

/** The client of an administrator, for one test. */
export async function admin(url: string): Promise<Redis> {
  const client = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 1 });
  client.on('error', () => undefined);
  await client.connect();
  onTestFinished(() => client.disconnect());
  return client;
}

/** The rights of the user that docs/redis.md tells to make: what follows its name. */
export function documentedRights(): string[] {
  const page = readFileSync(new URL('../../docs/redis.md', import.meta.url), 'utf8');
  const rights = /^ACL SETUSER ambit-app (.*)$/m.exec(page)?.[1]?.split(' ') ?? [];
  expect(rights).toContain('+evalsha');
  return rights;
}

let namespaces = 0;

export function newNamespace(): string {
  return `test-${process.pid}-${namespaces++}`;
}

/** Opens a store that is closed after the test. A server that is silent is given up after a second. */
export async function openStore(options: RedisStorageOptions): Promise<Storage> {
  const storage = await redisStorage({ namespace: newNamespace(), answerMsMax: 1_000, ...options });
  onTestFinished(() => storage.close());
  return storage;
}

export const key = (name: string): Key => encodeKey(['test', name]);

let versions = 0;

export function put(at: Key, expected: string | null, value: string, expiresAtMs?: number): Put {
  const version = `v${process.pid}.${versions++}`;
  const write: Put = { kind: 'put', key: at, expected, version, value: Value.of(value) };
  return expiresAtMs === undefined ? write : { ...write, expiresAtMs };
}

/** Commits one put where nothing is, and answers how it went. */
export async function create(storage: Storage, name: string): Promise<string> {
  const answer = await storage.commit([{ writes: [put(key(name), null, name)] }]);
  return answer.outcomes[0]?.status ?? 'no outcome';
}

/** What lies under these keys. */
export async function valuesOf(storage: Storage, names: readonly string[]): Promise<unknown[]> {
  const { records } = await storage.read(names.map(key));
  return records.map((record) => record?.value.json);
}

/** How a method of a store failed: in one line, within its bound, and with no secret. */
export async function refusal(asked: Promise<unknown>): Promise<StorageUnavailableError> {
  const startMs = performance.now();
  const error = await asked.then(
    (answer) => expect.fail(`answered ${JSON.stringify(answer)}`),
    (reason: unknown) => reason,
  );
  expect(performance.now() - startMs).toBeLessThan(15_000);
  if (!(error instanceof StorageUnavailableError)) throw error;
  expect(error.message).toMatch(/^redis: [^\n]+$/);
  return error;
}

/** Asks until it is answered: a store that is back is found by itself. */
export async function eventually<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (attempt === 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
