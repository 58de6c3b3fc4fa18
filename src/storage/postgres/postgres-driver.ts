import { AmbitError } from '../storage.js';

/** One row, column by column, as the server wrote it: whole numbers of 64 bits come as text. */
export type PostgresRow = readonly (string | number | boolean | null)[];

/** What a statement answers; one that consists of several answers a list. */
export interface PostgresResult {
  readonly command: string;
  readonly rows: PostgresRow[];
}

/** A statement as `pg` takes it. With a name it is parsed once for each connection. */
export interface PostgresStatement {
  readonly name?: string;
  readonly text: string;
  readonly values?: readonly (string | number | null)[];
  readonly rowMode: 'array';
}

/** A connection of a {@link PostgresPool}, as far as it is used here. */
export interface PostgresClient {
  query(statement: PostgresStatement): Promise<unknown>;
  /** Gives it back, or with `true` ends it. */
  release(destroy?: boolean): void;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** A pool of connections: a `Pool` of `pg`, or whatever does the same. */
export interface PostgresPool {
  connect(): Promise<PostgresClient>;
  /** Tells of each new connection before it is handed over. */
  on?(event: 'connect', listener: (client: PostgresClient) => void): unknown;
  off?(event: 'connect', listener: (client: PostgresClient) => void): unknown;
}

/** A pool that was made here, and is ended here. */
export interface OwnPool extends PostgresPool {
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'connect', listener: (client: PostgresClient) => void): unknown;
  end(): Promise<void>;
}

/** What is exported by `pg`, as far as it is used here. */
export interface PostgresDriver {
  readonly Pool: new (options: {
    readonly connectionString: string;
    readonly max: number;
    readonly connectionTimeoutMillis: number;
    readonly keepAlive: boolean;
    readonly allowExitOnIdle: boolean;
    readonly fallback_application_name: string;
  }) => OwnPool;
}

/**
 * Loads `pg`, which is needed only by those who use this backend.
 *
 * @throws AmbitError `MISSING_DEPENDENCY`
 */
export async function loadDriver(load: () => Promise<unknown> = () => import('pg')): Promise<PostgresDriver> {
  try {
    // A CommonJS package: what it exports stands under `default`.
    return ((await load()) as { default: PostgresDriver }).default;
  } catch (cause) {
    const installed = (cause as { code?: unknown } | null)?.code !== 'ERR_MODULE_NOT_FOUND';
    const said = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause);
    const advice = installed
      ? `pg does not load (${said}); install it anew with \`npm install pg\``
      : 'pg is not installed; run `npm install pg`';
    throw new AmbitError('MISSING_DEPENDENCY', `postgres: ${advice}`, { cause });
  }
}
