import { AmbitError, type Durability } from '../storage.js';
import type { RedisClient } from './redis-driver.js';

/** What a server says of itself. */
export interface ServerFacts {
  /** `Redis 7.0.15`. */
  readonly server: string;
  readonly inCluster: boolean;
  readonly maxmemoryPolicy: string;
  /** Replicas that follow it now; of a cluster, all of them. */
  readonly replicas: number;
  /** How it flushes its append-only file, in a word or two. */
  readonly persistence: string;
  readonly durability: Durability;
  /** Why it keeps less than it could, and what to do. */
  readonly weakness: string | undefined;
}

/** The oldest Redis whose scripts replicate what they wrote rather than how, and never half of it. */
const majorMin = 7;

/** What `appendfsync everysec` can lose: Redis lets a write that is already late wait for one more second. */
const everysecLossMs = 2_000;

const levels: readonly Durability['level'][] = ['none', 'bounded-loss', 'process', 'power'];

/**
 * Looks at the server, or at all that hold a part of a cluster: a slot may move to any of them, so the weakest counts.
 *
 * @throws AmbitError `STORE_UNSUPPORTED` for one that is too old, a replica, or may evict records
 */
export async function factsOf(client: RedisClient, shown: string): Promise<ServerFacts> {
  const nodes = client.isCluster ? (client.nodes?.('master') ?? []) : [client];
  const answers = await Promise.allSettled(nodes.map((node) => factsOfOne(node, shown)));
  // One that is away serves nobody; when it is back it is looked at.
  const failures = answers.flatMap((answer) =>
    answer.status === 'rejected' ? [answer.reason as Error] : [],
  );
  const unfit = failures.find((error) => error instanceof AmbitError);
  if (unfit) throw unfit;
  const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  const [weakest] = found.toSorted(
    (a, b) => levels.indexOf(a.durability.level) - levels.indexOf(b.durability.level),
  );
  if (weakest) return { ...weakest, replicas: found.reduce((sum, { replicas }) => sum + replicas, 0) };
  throw failures[0] ?? new AmbitError('STORAGE_UNAVAILABLE', `redis: ${shown}: the cluster has no primary`);
}

async function factsOfOne(node: RedisClient, shown: string): Promise<ServerFacts> {
  // The client goes on with database 0 where it may not have the one that was named: two stores would be one.
  const { db } = node.options as { readonly db?: number };
  if (db) await node.call('SELECT', String(db));
  const [info, settings] = await Promise.all([node.call('INFO').then(infoOf), settingsOf(node)]);
  const name = info.has('valkey_version') ? 'Valkey' : 'Redis';
  const version = info.get('valkey_version') ?? info.get('redis_version') ?? 'unknown';
  const unsupported = (words: string): AmbitError =>
    new AmbitError('STORE_UNSUPPORTED', `redis: ${shown}: ${words}`);
  if (!(Number.parseInt(info.get('redis_version') ?? '', 10) >= majorMin))
    throw unsupported(`it is version ${version}; use Redis ${majorMin} or later, or Valkey`);
  if (info.get('role') !== 'master') throw unsupported('it is a read-only replica; name the primary');
  const maxmemoryPolicy = info.get('maxmemory_policy') ?? settings?.get('maxmemory-policy') ?? 'unknown';
  // Records carry no TTL, so the volatile policies evict none of them.
  if (!/^(?:noeviction|volatile-[a-z]+)$/.test(maxmemoryPolicy)) {
    throw unsupported(
      `maxmemory-policy is ${maxmemoryPolicy}, which may drop a budget or a revocation; set it to noeviction`,
    );
  }
  const server = `${name} ${version}`;
  const inCluster = info.get('redis_mode') === 'cluster' || info.get('cluster_enabled') === '1';
  const replicas = Number.parseInt(info.get('connected_slaves') ?? '0', 10);
  return { server, inCluster, maxmemoryPolicy, replicas, ...durabilityOf(info, settings) };
}

function durabilityOf(
  info: ReadonlyMap<string, string>,
  settings: ReadonlyMap<string, string> | undefined,
): Pick<ServerFacts, 'persistence' | 'durability' | 'weakness'> {
  const none: Durability = Object.freeze({ level: 'none' });
  const appends = settings?.get('appendonly') ?? (info.get('aof_enabled') === '1' ? 'yes' : 'no');
  if (appends !== 'yes') {
    return {
      persistence: 'none but snapshots (appendonly no)',
      durability: none,
      weakness:
        'a restart loses what was written since the last snapshot; set appendonly yes and appendfsync always',
    };
  }
  const flushes = settings?.get('appendfsync');
  const idleOnRewrite = settings?.get('no-appendfsync-on-rewrite') === 'yes';
  if (flushes === undefined) {
    return {
      persistence: 'appendonly yes, appendfsync unknown',
      durability: none,
      weakness: 'it does not tell how often it flushes (CONFIG GET is refused), so nothing is promised',
    };
  }
  const persistence = `appendonly yes, appendfsync ${flushes}${idleOnRewrite ? ', no-appendfsync-on-rewrite yes' : ''}`;
  if (idleOnRewrite || (flushes !== 'always' && flushes !== 'everysec')) {
    return {
      persistence,
      durability: none,
      weakness: idleOnRewrite
        ? 'it flushes nothing while it rewrites its log; set no-appendfsync-on-rewrite no'
        : 'when it flushes is left to the system; set appendfsync always',
    };
  }
  if (flushes === 'always')
    return { persistence, durability: Object.freeze({ level: 'power' }), weakness: undefined };
  return {
    persistence,
    durability: Object.freeze({ level: 'bounded-loss', lossWindowMs: everysecLossMs }),
    weakness: `its end, by kill -9 or a loss of power, loses up to ${everysecLossMs} ms; set appendfsync always`,
  };
}

/** Whether a server keeps at least what was promised when the store was opened. */
export function keepsAtLeast(durability: Durability, promised: Durability): boolean {
  return levels.indexOf(durability.level) >= levels.indexOf(promised.level);
}

function infoOf(text: unknown): Map<string, string> {
  const lines = String(text).split('\n');
  return new Map(
    lines.flatMap((line) => {
      const at = line.indexOf(':');
      return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1).trim()] as const];
    }),
  );
}

/** What CONFIG GET answers; many hosted servers refuse it. */
async function settingsOf(node: RedisClient): Promise<Map<string, string> | undefined> {
  const settings = new Map<string, string>();
  for (const name of ['appendonly', 'appendfsync', 'no-appendfsync-on-rewrite', 'maxmemory-policy']) {
    try {
      const [, value] = (await node.call('CONFIG', 'GET', name)) as [string?, string?];
      if (value !== undefined) settings.set(name, value);
    } catch (error) {
      if ((error as Error).name !== 'ReplyError') throw error;
      return undefined;
    }
  }
  return settings;
}
