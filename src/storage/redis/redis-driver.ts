import { AmbitError } from '../storage.js';

/** What ioredis exports, as far as it is used here. */
export interface RedisDriver {
  readonly Redis: new (url: string, options: object) => RedisClient;
  readonly Cluster: new (nodes: readonly object[], options: object) => RedisClient;
}

/** A client of ioredis, of one server or of a cluster, as far as it is used here. */
export interface RedisClient {
  readonly status: string;
  readonly options: object;
  readonly isCluster: boolean;
  connect(): Promise<void>;
  disconnect(reconnect?: boolean): void;
  on(event: string, listener: (value?: unknown) => void): unknown;
  evalsha(sha: string, keyCount: number, ...rest: readonly unknown[]): Promise<unknown>;
  eval(text: string, keyCount: number, ...rest: readonly unknown[]): Promise<unknown>;
  call(command: string, ...rest: readonly string[]): Promise<unknown>;
  /** A cluster's nodes. */
  nodes?(role: 'master'): RedisClient[];
}

/**
 * Loads ioredis, which is needed only by those who use this backend.
 *
 * @throws AmbitError `MISSING_DEPENDENCY`
 */
export async function loadDriver(
  load: () => Promise<unknown> = () => import('ioredis'),
): Promise<RedisDriver> {
  try {
    return (await load()) as RedisDriver;
  } catch (error) {
    const said = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    const installed = (error as { code?: unknown } | null)?.code !== 'ERR_MODULE_NOT_FOUND';
    const advice = installed
      ? `ioredis does not load (${said}); install it anew with \`npm install ioredis\``
      : 'ioredis is not installed; run `npm install ioredis`';
    throw new AmbitError('MISSING_DEPENDENCY', `redis: ${advice}`, { cause: error });
  }
}
