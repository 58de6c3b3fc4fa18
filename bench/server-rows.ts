import { ambitUse } from './contenders.js';
import { benchServers, type RedisFlushing } from './bench-servers.js';
import { compare } from './measure.js';
import { noteRow } from './report.js';
import { noteSizes } from './million.js';
import { rlfPostgres, rlfRedis } from './server-contenders.js';

type Rows = Record<string, () => Promise<void>>;

/** The rows that need a PostgreSQL or a Redis, each on a private server that is started for it and gone after it. */
export function serverRows(): Rows {
  return {
    postgres: () =>
      benchServers.postgres(async (url) => {
        for (const [load, callers, target] of [
          ['spread', 64, 3],
          ['hot', 64, 25],
          ['spread', 256, 3],
          ['hot', 256, 25],
        ] as const) {
          const contenders = [
            await ambitUse('Ambit PostgreSQL', `${url}?namespace=${load}-${callers}`, load, 'power'),
            await rlfPostgres(url, load),
          ];
          const work = `PostgreSQL, ${load}, ${callers} callers`;
          noteRow(await compare({ work, callers }, contenders), { 'RLF PostgreSQL': target });
        }
      }),
    'redis-always': () => redisRow('always'),
    'redis-everysec': () => redisRow('everysec'),
    'million-postgres': () =>
      benchServers.postgres((url) => {
        let stores = 0;
        return noteSizes('PostgreSQL', () => `${url}?namespace=million-${stores++}`);
      }),
    'million-redis': () =>
      benchServers.redis('always', (url) => {
        let stores = 0;
        return noteSizes('Redis', () => `${url}?namespace=million-${stores++}`);
      }),
  };
}

async function redisRow(flushing: RedisFlushing): Promise<void> {
  await benchServers.redis(flushing, async (url) => {
    for (const [load, callers, target] of [
      ['spread', 64, 0.7],
      ['hot', 64, 1.3],
      ['spread', 256, 0.7],
      ['hot', 256, 1.3],
    ] as const) {
      const durability = flushing === 'always' ? 'power' : 'bounded-loss';
      const contenders = [
        await ambitUse(`Ambit Redis ${flushing}`, `${url}?namespace=${load}-${callers}`, load, durability),
        await rlfRedis(url, load),
      ];
      const work = `Redis ${flushing}, ${load}, ${callers} callers`;
      noteRow(await compare({ work, callers }, contenders), { 'RLF Redis': target });
    }
  });
}
