import { RateLimiterPostgres, RateLimiterRedis } from 'rate-limiter-flexible';
import { Redis } from 'ioredis';
import pg from 'pg';
import type { Contender } from './measure.js';
import { type Load, sessionsCount } from './contenders.js';

/** Enough that no limit is ever met. */
const points = 1_000_000_000;

/** Connections of the peer: more gained it nothing on the machine this was written on. */
const poolSize = 16;

/** rate-limiter-flexible over PostgreSQL: one statement a call, on a pool of connections. */
export async function rlfPostgres(url: string, load: Load): Promise<Contender> {
  const pool = new pg.Pool({ connectionString: url, max: poolSize });
  const limiter = await new Promise<RateLimiterPostgres>((resolve, reject) => {
    const made: RateLimiterPostgres = new RateLimiterPostgres(
      { storeClient: pool, storeType: 'pool', tableName: 'rlf_limits', points, duration: 3_600 },
      (error?: Error) => (error ? reject(error) : setImmediate(() => resolve(made))),
    );
  });
  return {
    name: 'RLF PostgreSQL',
    work: (caller, turn) => limiter.consume(keyOf(load, caller, turn)),
    close: () => pool.end(),
  };
}

/** rate-limiter-flexible over Redis: one script a call, and one number where Ambit keeps a record. */
export async function rlfRedis(url: string, load: Load): Promise<Contender> {
  const client = new Redis(url, { lazyConnect: true });
  await client.connect();
  const limiter = new RateLimiterRedis({ storeClient: client, points, duration: 3_600 });
  return {
    name: 'RLF Redis',
    work: (caller, turn) => limiter.consume(keyOf(load, caller, turn)),
    close: () => client.quit(),
  };
}

function keyOf(load: Load, caller: number, turn: number): string {
  return load === 'hot' ? 'hot' : `session-${(caller * 137 + turn) % sessionsCount}`;
}
