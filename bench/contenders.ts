import Sqlite from 'better-sqlite3';
import { RateLimiterMemory, RateLimiterSQLite } from 'rate-limiter-flexible';
import { type Ambit, type Durability, openAmbit } from '../dist/index.js';
import type { Contender } from './measure.js';
import { scale } from './scale.js';

/** Sessions over which a spread load walks: callers are 137 apart, so each touches a page of its own. */
export const sessionsCount: number = scale.sessions;

export type Load = 'spread' | 'hot';

/** `tasks.use` on a store that keeps at least so much: what its URL says, unless said. */
export async function ambitUse(
  name: string,
  storage: string,
  load: Load,
  durability?: Durability['level'],
): Promise<Contender> {
  const ambit = await openAmbit({
    storage,
    tasks: { sessionsPerAgentMax: 1_000 },
    sweepEveryMs: false,
    ...(durability && { durability }),
  });
  const ids = await createSessions(ambit, load === 'hot' ? 1 : sessionsCount);
  const indexOf = (caller: number, turn: number): number =>
    load === 'hot' ? 0 : (caller * 137 + turn) % sessionsCount;
  const refilling = new Map<number, Promise<void>>();
  const refill = (index: number): Promise<void> => {
    const under = refilling.get(index);
    if (under) return under;
    const made = createSessions(ambit, 1).then(([id]) => {
      ids[index] = id ?? '';
      refilling.delete(index);
    });
    refilling.set(index, made);
    return made;
  };
  return {
    name,
    work: (caller, turn) => ambit.tasks.use(ids[indexOf(caller, turn)] ?? '', 'read_file'),
    check(answer, caller, turn) {
      const used = answer as Awaited<ReturnType<Ambit['tasks']['use']>>;
      if (used.ok) return undefined;
      if (used.refusal.code !== 'BUDGET_EXCEEDED') throw new Error(used.refusal.message);
      // A million calls are used: the next session takes over, once.
      return refill(indexOf(caller, turn));
    },
    close: () => ambit.close(),
  };
}

let agents = 0;

export async function createSessions(ambit: Ambit, count: number): Promise<string[]> {
  const ids: string[] = [];
  const perAgent = 10;
  for (let made = 0; made < count; made += 500) {
    const batch = await Promise.all(
      Array.from({ length: Math.min(500, count - made) }, (_, index) =>
        ambit.tasks.create({
          agentId: `agent-${process.pid}-${agents + Math.floor(index / perAgent)}`,
          declaredIntent: 'measure',
          authorizedTools: ['read_*', 'list_*'],
          callBudget: 1_000_000,
          timeLimitMs: 24 * 60 * 60_000,
          rateLimit: { calls: 1_000_000, perMs: 1_000 },
        }),
      ),
    );
    agents += 50;
    for (const one of batch) {
      if (!one.ok) throw new Error(one.refusal.message);
      ids.push(one.session.sessionId);
    }
  }
  return ids;
}

/** rate-limiter-flexible in memory: one check, where `use` makes nine. */
export function rlfMemory(load: Load): Contender {
  const limiter = new RateLimiterMemory({ points: 1_000_000_000, duration: 3_600 });
  const keys = Array.from({ length: sessionsCount }, (_, index) => `session-${index}`);
  return {
    name: 'RLF memory',
    work: (caller, turn) =>
      limiter.consume(keys[load === 'hot' ? 0 : (caller * 137 + turn) % sessionsCount] ?? ''),
  };
}

export function durableDatabase(path: string): Sqlite.Database {
  const database = new Sqlite(path);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  if (database.pragma('synchronous', { simple: true }) !== 2) throw new Error('synchronous is not FULL');
  return database;
}

/** rate-limiter-flexible over SQLite with WAL and synchronous = FULL. */
export async function rlfSqlite(path: string, load: Load): Promise<Contender> {
  const database = durableDatabase(path);
  const limiter = await new Promise<RateLimiterSQLite>((resolve, reject) => {
    const made: RateLimiterSQLite = new RateLimiterSQLite(
      {
        storeClient: database,
        storeType: 'better-sqlite3',
        tableName: 'limits',
        points: 1_000_000_000,
        duration: 3_600,
      },
      (error?: Error) => (error ? reject(error) : setImmediate(() => resolve(made))),
    );
  });
  return {
    name: 'RLF SQLite FULL',
    work: (caller, turn) =>
      limiter.consume(load === 'hot' ? 'hot' : `session-${(caller * 137 + turn) % sessionsCount}`),
    close: () => database.close(),
  };
}

/** The old design: one durable transaction per call, under one lock; the checks of a call in JavaScript. */
export function oneCommitPerCall(path: string, load: Load): Contender {
  const database = durableDatabase(path);
  database.exec(
    'CREATE TABLE session (id TEXT PRIMARY KEY, tools TEXT, budget INTEGER, used INTEGER, expires INTEGER)',
  );
  const insert = database.prepare('INSERT INTO session VALUES (?, ?, 1000000000, 0, 9e15)');
  database.transaction(() => {
    for (let index = 0; index < sessionsCount; index++)
      insert.run(`session-${index}`, 'read_file,list_files');
  })();
  const find = database.prepare('SELECT tools, budget, used, expires FROM session WHERE id = ?');
  const update = database.prepare('UPDATE session SET used = used + 1 WHERE id = ?');
  const use = database.transaction((id: string) => {
    const row = find.get(id) as { tools: string; budget: number; used: number; expires: number };
    if (row.expires < Date.now() || row.used >= row.budget || !row.tools.split(',').includes('read_file'))
      return false;
    update.run(id);
    return true;
  });
  return {
    name: 'one commit per call',
    work: async (caller, turn) =>
      use.immediate(`session-${load === 'hot' ? 0 : (caller * 137 + turn) % sessionsCount}`),
    close: () => database.close(),
  };
}

/** What the disk gives: one UPDATE, one flush. */
export function rawUpdate(path: string): Contender {
  const database = durableDatabase(path);
  database.exec(
    'CREATE TABLE counter (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO counter VALUES (1, 0)',
  );
  const update = database.prepare('UPDATE counter SET n = n + 1 WHERE id = 1');
  return { name: 'raw durable UPDATE', work: () => update.run(), close: () => database.close() };
}
