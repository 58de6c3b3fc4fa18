/**
 * What LangGraph's own tests of its stores import, with our store in it: each class takes what theirs takes, and hands
 * `batch` to ours, which they find it in. Where their stores differ from each other, the class says how.
 *
 *   AMBIT_SUITE_STORAGE    the store to test, as a URL
 */
import { BaseStore, type Operation, type OperationResults } from '@langchain/langgraph-checkpoint';
import { afterAll } from 'vitest';
import { langGraphStore } from 'ambit/langgraph';
import { openAmbit } from 'ambit';
import { randomBytes } from 'node:crypto';

// What survives a loss of power is not what these tests are about.
const ambit = await openAmbit({
  storage: process.env['AMBIT_SUITE_STORAGE'] ?? 'memory:',
  durability: 'none',
});
const run = randomBytes(6).toString('hex');
let stores = 0;

afterAll(async () => {
  if (stores === 0) throw new Error('no test made a store: these were not the tests of our store');
  await ambit.close();
});

/** Each apart from all others. */
abstract class SuiteStore extends BaseStore {
  readonly #store: BaseStore;

  constructor(...theirs: readonly unknown[]) {
    super();
    const ttlMs = this.ttlMsOf(theirs);
    const root = `suite-${run}-${stores++}:`;
    this.#store = langGraphStore(ambit.scopes, { root, ...(ttlMs !== undefined && { ttlMs }) });
  }

  override batch<Op extends Operation[]>(operations: Op): Promise<OperationResults<Op>> {
    return this.#store.batch(operations);
  }

  /** The lifetime that their options give. */
  protected ttlMsOf(_theirs: readonly unknown[]): number | undefined {
    return undefined;
  }

  /** Our store needs none; the tables of theirs do. */
  async setup(): Promise<void> {}
}

/** For `libs/checkpoint`. */
export class InMemoryStore extends SuiteStore {}

/** For `libs/checkpoint-postgres`. */
export class PostgresStore extends SuiteStore {
  static fromConnString(_url: string): PostgresStore {
    return new PostgresStore();
  }
}

/** For `libs/checkpoint-redis`, whose tests want `null` for a put where the others want nothing. */
export class RedisStore extends SuiteStore {
  protected override ttlMsOf([, options]: readonly unknown[]): number | undefined {
    const minutes = (options as { ttl?: { defaultTTL?: number } } | undefined)?.ttl?.defaultTTL;
    return minutes === undefined ? undefined : minutes * 60_000;
  }

  override async batch<Op extends Operation[]>(operations: Op): Promise<OperationResults<Op>> {
    const results = await super.batch(operations);
    return (results as unknown[]).map((one) => one ?? null) as OperationResults<Op>;
  }
}

/** For `libs/checkpoint-mongodb`. */
export class MongoDBStore extends SuiteStore {}

/** Only in tests that are left out, which import it with the rest. */
export const FilterBuilder = undefined;

/** For `pg`: the database that a test of theirs would create or empty: our store is another one. */
export class Pool {
  async query(): Promise<{ rows: unknown[] }> {
    return { rows: [] };
  }

  async end(): Promise<void> {}
}

export async function createRedisContainer(): Promise<unknown> {
  return { client: undefined, url: 'redis://localhost', cleanup: async () => {} };
}

export class MongoClient {
  async connect(): Promise<void> {}

  async close(): Promise<void> {}

  db(): unknown {
    return { collection: () => ({ deleteMany: async () => {} }) };
  }
}
