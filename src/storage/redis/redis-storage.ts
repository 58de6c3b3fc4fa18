import {
  AmbitError,
  type Capabilities,
  type Key,
  type RangeQuery,
  type Storage,
  type StorageDescription,
  type StoredRecord,
} from '../storage.js';
import { commit, locked } from './redis-queue.js';
import { openLink, type RedisLink } from './redis-link.js';
import { recordOf, recordsOf, type Stored } from './redis-records.js';
import { describeRedis } from './redis-describe.js';

/** Which server is used, and how. Either `url` or `client` is given. */
export interface RedisStorageOptions {
  /** `redis://USER:PASSWORD@HOST:PORT/NUMBER`, or `rediss://` for TLS. A node of a cluster stands for all of it. */
  readonly url?: string;
  /**
   * A client of ioredis, `Redis` or `Cluster`, whose settings are taken: TLS, Sentinel, credentials, address mapping. A
   * client of its own is made with them, and ended by `close`; this one is left alone.
   */
  readonly client?: object;
  /** Keeps stores apart that share a server: 1 to 40 letters, digits, `_` and `-`. `ambit` unless said. */
  readonly namespace?: string;
  /** How long a server that owes an answer may be silent, in milliseconds, 100 to 60,000; 5,000 unless said. */
  readonly answerMsMax?: number;
  /** The store's clock, in milliseconds since 1970: the server's unless said. For tests. */
  readonly clock?: () => number;
}

/** One script stands still for everybody else on the server: 256 transactions take it about a millisecond. */
const groupTransactionsMax = 256;

/** One answer of the script `range`; the rest is asked for again. Larger, and it holds up everybody else on the server. */
const rangeBytesMax = 4 * 1_048_576;

/**
 * A store in Redis 7 or later, or in Valkey, alone or a cluster, which processes of any number of machines may share. A
 * group of calls is one script; a namespace lies in one hash slot, so in a cluster different namespaces lie on different
 * nodes. Ambit's records carry no TTL.
 *
 * What an answered call survives is what the server is set to keep: read `capabilities.durability`. With
 * `appendonly yes` and `appendfsync always` it is a loss of power.
 *
 * Where the server cannot answer its methods reject with `StorageUnavailableError`, within twice `answerMsMax`.
 *
 * @throws AmbitError `MISSING_DEPENDENCY` without ioredis; `STORAGE_UNAVAILABLE` for a server that cannot be reached, lets
 * nobody in or does not answer; `STORE_UNSUPPORTED` for one before Redis 7, a replica, or one that may evict records;
 * `STORE_SCHEMA_TOO_NEW`; `STORE_CORRUPT` for a namespace that another program uses; `INVALID_INPUT`
 * @throws TypeError for an option of the wrong type
 * @example
 * ```ts
 * import { redisStorage } from 'ambit/redis';
 * const storage = await redisStorage({ url: 'redis://127.0.0.1:6379', namespace: 'agents' });
 * storage.capabilities.durability; // { level: 'power' }, if it is set so
 * await storage.close();
 * ```
 */
export async function redisStorage(options: RedisStorageOptions): Promise<Storage> {
  const { url, client, namespace = 'ambit', answerMsMax = 5_000, clock } = checked(options);
  const link = await openLink({ url, client, namespace, clock, waitMs: answerMsMax });
  const capabilities: Capabilities = Object.freeze({
    name: 'redis',
    durability: link.facts.durability,
    sharing: 'network',
    locking: 'after-conflict',
    immediate: false,
    groupTransactionsMax,
  });
  // A clock that was handed in can be read without asking.
  return { ...(clock && { clock }), ...storageOver(link, capabilities, namespace) };
}

function storageOver(link: RedisLink, capabilities: Capabilities, namespace: string): Storage {
  let closing: Promise<void> | undefined;
  return {
    capabilities,
    read: (keys) =>
      link.counted(async () => {
        const [nowMs, stored] = (await link.run('read', keys, 'none')) as [number, Stored[]];
        return { records: recordsOf(keys, stored), nowMs };
      }),
    commit: (transactions) => link.counted(() => commit(link, transactions)),
    locked: (keys, run) => link.counted(() => locked(link, keys, run)),
    range: (query) => link.counted(() => range(link, query)),
    sweep: (limit) =>
      link.counted(async () => {
        const [nowMs, keys] = (await link.run('sweep', [String(limit)], 'none')) as [number, Key[]];
        return { keys, nowMs };
      }),
    describe: async (): Promise<StorageDescription> => describeRedis(await link.look(), namespace),
    close: () => (closing ??= link.close()),
  };
}

async function range(
  link: RedisLink,
  { start, end, limit, reverse = false }: RangeQuery,
): Promise<{ records: StoredRecord[]; nowMs: number }> {
  const records: StoredRecord[] = [];
  let from = `[${start}`;
  let to = `(${end}`;
  for (;;) {
    const left = String(limit - records.length);
    const args = [from, to, left, reverse ? '1' : '', String(rangeBytesMax)];
    const [nowMs, more, ...pairs] = (await link.run('range', args, 'none')) as [number, number, ...Stored[]];
    for (let at = 0; at < pairs.length; at += 2) {
      const record = recordOf(pairs[at] as Key, pairs[at + 1]);
      if (record) records.push(record);
    }
    const last = pairs.at(-2);
    if (more === 0 || last === undefined) return { records, nowMs };
    if (reverse) to = `(${last}`;
    else from = `(${last}`;
  }
}

function checked(options: RedisStorageOptions): RedisStorageOptions {
  const { url, client, namespace, answerMsMax, clock } = options;
  if ((url === undefined) === (client === undefined)) throw new TypeError('redis: give either url or client');
  if (url !== undefined && typeof url !== 'string') throw new TypeError('redis: url must be a string');
  if (client !== undefined && typeof (client as { duplicate?: unknown } | null)?.duplicate !== 'function')
    throw new TypeError('redis: client must be a client of ioredis');
  if (clock !== undefined && typeof clock !== 'function')
    throw new TypeError('redis: clock must be a function');
  if (url !== undefined && !/^rediss?:\/\//.test(url))
    throw new AmbitError('INVALID_INPUT', 'redis: url must begin with redis:// or rediss://');
  if (namespace !== undefined && !(typeof namespace === 'string' && /^[A-Za-z0-9_-]{1,40}$/.test(namespace)))
    throw new AmbitError('INVALID_INPUT', 'redis: namespace must be 1 to 40 letters, digits, _ and -');
  const inBounds =
    Number.isSafeInteger(answerMsMax) && Number(answerMsMax) >= 100 && Number(answerMsMax) <= 60_000;
  if (answerMsMax !== undefined && !inBounds)
    throw new AmbitError('INVALID_INPUT', `redis: answerMsMax is ${answerMsMax}; it must be 100 to 60,000`);
  return options;
}
