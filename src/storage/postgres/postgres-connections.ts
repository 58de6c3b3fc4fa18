import {
  codeOf,
  gaveWay,
  isLockTimeout,
  isSchemaGone,
  lineOf,
  noAnswerCode,
  outcomeAfterSending,
  unavailable,
} from './postgres-errors.js';
import type { PostgresClient, PostgresPool, PostgresResult, PostgresRow } from './postgres-driver.js';
import { StorageUnavailableError, type WriteOutcome } from '../storage.js';

/** How long things may take, in milliseconds; each bound is reached before the one above it. */
export interface PostgresBounds {
  /** An answer, from the question on; past it the connection is given up. */
  readonly answerMsMax: number;
  /** A statement at the server. */
  readonly statementMsMax: number;
  /** A row that others hold locked, where it is queued for: in `locked`. */
  readonly lockMsMax: number;
  /** Such a row in a group: everybody else in the group waits as long. Much shorter, and a flush that is slow loses calls. */
  readonly groupLockMsMax: number;
  /** Such a row in a part of a group that was held up: whoever held it only for a moment has let go by now. */
  readonly partLockMsMax: number;
  /** From the beginning of a group on, how long it is tried in ever smaller parts. */
  readonly partsMsMax: number;
  /** A transaction that holds locks while its process does nothing: so long does a process that was stopped hold up others. */
  readonly idleMsMax: number;
}

export function boundsWithin(answerMsMax: number): PostgresBounds {
  return {
    answerMsMax,
    statementMsMax: Math.ceil(answerMsMax * 0.8),
    lockMsMax: Math.ceil(answerMsMax * 0.6),
    groupLockMsMax: Math.ceil(answerMsMax * 0.1),
    partLockMsMax: Math.ceil(answerMsMax * 0.01),
    partsMsMax: Math.ceil(answerMsMax * 0.4),
    idleMsMax: Math.ceil(answerMsMax * 0.4),
  };
}

/** A statement and what it is given. */
export interface Question {
  readonly name?: string;
  readonly text: string;
  readonly values?: readonly (string | number | null)[];
}

/** A transaction on one connection, of several round trips. */
export interface PostgresSession {
  /** Sends statements (several, with `;` between them, where there are no values), and answers the rows of each. */
  send(question: Question): Promise<PostgresRow[][]>;
  /** From now on a lost answer leaves open whether something was written. */
  committing(): void;
}

/** Looks at a new connection before it is used for the first time, and throws if it must not be. */
export type Greeting = (send: PostgresSession['send']) => Promise<void>;

/** Times that a statement is sent which gives way to others, or finds its connection broken, each time: once is rare. */
const attemptsMax = 3;

/** The way to the server: bounded waits, errors as the callers of a storage know them, and an orderly end. */
export class PostgresConnections {
  readonly #pool: PostgresPool;
  readonly #place: string;
  readonly #bounds: PostgresBounds;
  readonly #heard = new WeakSet<PostgresClient>();
  readonly #greeted = new WeakSet<PostgresClient>();
  readonly #greeting: Greeting;
  readonly #underWay = new Set<Promise<unknown>>();
  #closed = false;

  /** @param place host and database, as they may be shown */
  constructor(pool: PostgresPool, place: string, bounds: PostgresBounds, greeting: Greeting) {
    this.#pool = pool;
    this.#place = place;
    this.#bounds = bounds;
    this.#greeting = greeting;
    pool.on?.('connect', this.#hear);
  }

  /**
   * Hears of a connection that breaks; unheard, the event would end the process. To begin with it when the connection is
   * handed over is too late: a server that ends it at once says so in the same piece as that it is ready.
   */
  readonly #hear = (client: PostgresClient): void => {
    if (this.#heard.has(client)) return;
    this.#heard.add(client);
    // Its statement fails as well, and says so.
    client.on('error', () => undefined);
  };

  /** Asks for what changes nothing; again, where the connection had broken while nobody used it. */
  async read(question: Question): Promise<PostgresRow[]> {
    return this.#counted(async () => {
      const deadline = this.#deadline();
      for (let attempt = 1; ; attempt++) {
        try {
          return await this.#once(question, 'none', deadline);
        } catch (error) {
          const again = error instanceof BrokenConnection || error instanceof GaveWay;
          if (!again || attempt === attemptsMax) throw error;
        }
      }
    });
  }

  /**
   * Sends a statement that is a transaction of its own, and again where it gave way to others. Answers `gave way` if it did
   * so time after time, and `locked` if others kept a row for longer than it waits: nothing was written. Nowhere else is it
   * sent twice: whether it was carried out may be unknown.
   */
  async write(question: Question): Promise<PostgresRow[] | 'gave way' | 'locked'> {
    return this.#counted(async () => {
      const deadline = this.#deadline();
      for (let attempt = 1; attempt <= attemptsMax; attempt++) {
        try {
          return await this.#once(question, 'unknown', deadline);
        } catch (error) {
          if (error instanceof LockedOut) return 'locked';
          if (!(error instanceof GaveWay)) throw error;
        }
      }
      return 'gave way';
    });
  }

  /**
   * Lends a connection for a transaction, which `work` ends; where it throws, the connection is ended, and with it the
   * transaction. `work` begins anew on another connection where the first had broken while nobody used it.
   */
  async session<T>(work: (session: PostgresSession) => Promise<T>): Promise<T> {
    return this.#counted(async () => {
      const deadline = this.#deadline();
      for (let attempt = 1; ; attempt++) {
        try {
          return await this.#lend(work, deadline);
        } catch (error) {
          if (!(error instanceof BrokenConnection) || attempt === attemptsMax) throw error;
        }
      }
    });
  }

  async #lend<T>(work: (session: PostgresSession) => Promise<T>, deadline: number): Promise<T> {
    const client = await this.#checkOut(deadline);
    const send = this.#senderOn(client, () => this.#deadline());
    let outcome: WriteOutcome = 'none';
    let answers = 0;
    let clean = false;
    try {
      const result = await work({
        async send(question) {
          const rows = await send(question);
          answers++;
          return rows;
        },
        committing: () => {
          outcome = 'unknown';
        },
      });
      clean = true;
      return result;
    } catch (error) {
      if (!(error instanceof FailedStatement)) throw error;
      if (answers === 0 && isBroken(error.cause)) {
        throw new BrokenConnection(lineOf(this.#place, error.cause), { outcome: 'none' });
      }
      throw this.#failure(error.cause, outcome);
    } finally {
      client.release(!clean);
    }
  }

  assertOpen(): void {
    if (this.#closed) {
      throw new StorageUnavailableError(`postgres: ${this.#place} was closed`, { outcome: 'none' });
    }
  }

  /** Refuses what comes from now on, and waits for what is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#underWay);
    this.#pool.off?.('connect', this.#hear);
  }

  /** The error to be thrown for one of the server's, the network's or the client's. */
  #failure(error: unknown, outcome: WriteOutcome): unknown {
    return unavailable(this.#place, error, outcome === 'none' ? 'none' : outcomeAfterSending(error));
  }

  async #once(question: Question, outcome: WriteOutcome, deadline: number): Promise<PostgresRow[]> {
    const client = await this.#checkOut(deadline);
    let usable = false;
    try {
      const [rows = []] = resultsOf(await this.#answer(client, question, deadline));
      usable = true;
      return rows;
    } catch (error) {
      // Whatever its server refused leaves the connection in order; but one that is read-only may have a successor elsewhere.
      const code = codeOf(error);
      // Where the schema is another one, the next connection that is made finds out which.
      usable = (/^(?:22|23|40|42|54|55)/.test(code) || code === '57014') && !isSchemaGone(error);
      const line = lineOf(this.#place, error);
      if (gaveWay(error)) throw new GaveWay(line, { outcome: 'none' });
      if (isLockTimeout(error)) throw new LockedOut(line, { outcome: 'none' });
      if (outcome === 'none' && isBroken(error)) throw new BrokenConnection(line, { outcome: 'none' });
      throw this.#failure(error, outcome);
    } finally {
      client.release(!usable);
    }
  }

  async #counted<T>(work: () => Promise<T>): Promise<T> {
    this.assertOpen();
    const working = work();
    this.#underWay.add(working);
    try {
      return await working;
    } finally {
      this.#underWay.delete(working);
    }
  }

  #deadline(): number {
    return performance.now() + this.#bounds.answerMsMax;
  }

  /** A connection, new or used. Nothing was sent, whatever goes wrong. */
  async #checkOut(deadline: number): Promise<PostgresClient> {
    // The client throws at once where a file that its URL names is not there.
    const connecting = (async () => this.#pool.connect())();
    let client: PostgresClient;
    try {
      client = await within(deadline, connecting);
    } catch (error) {
      // It may come after all, and must not be lost to the pool.
      connecting.then(
        (late) => late.release(),
        () => undefined,
      );
      throw unavailable(this.#place, error, 'none');
    }
    this.#hear(client);
    if (this.#greeted.has(client)) return client;
    try {
      await this.#greeting(this.#senderOn(client, () => deadline));
      this.#greeted.add(client);
      return client;
    } catch (error) {
      client.release(true);
      throw unavailable(this.#place, causeOf(error), 'none');
    }
  }

  /** Sends statements over a connection; what fails is thrown as it came, in a {@link FailedStatement}. */
  #senderOn(client: PostgresClient, deadline: () => number): PostgresSession['send'] {
    return async (question) => {
      try {
        return resultsOf(await this.#answer(client, question, deadline()));
      } catch (error) {
        throw new FailedStatement(error);
      }
    };
  }

  #answer(client: PostgresClient, question: Question, deadline: number): Promise<unknown> {
    return within(deadline, client.query({ ...question, rowMode: 'array' }));
  }
}

/** A statement of a session failed; apart from what `work` throws itself. */
class FailedStatement extends Error {
  constructor(cause: unknown) {
    super('a statement failed', { cause });
  }
}

/** The error of a statement that a session sent, or of anything else. */
export function causeOf(error: unknown): unknown {
  return error instanceof FailedStatement ? error.cause : error;
}

class BrokenConnection extends StorageUnavailableError {}

/** The server made this transaction give way to another: it is as if it had never been. */
class GaveWay extends StorageUnavailableError {}

/** Others kept a row locked for longer than the statement waits: it is as if it had never been. */
class LockedOut extends StorageUnavailableError {}

/** A connection that was idle broke: the server went away and may be back. */
function isBroken(error: unknown): boolean {
  const code = codeOf(error);
  if (code !== '') return /^(?:ECONNRESET|EPIPE|57P0[1-5]|08)/.test(code);
  return error instanceof Error && /terminated|not queryable|closed/i.test(error.message);
}

function resultsOf(answer: unknown): PostgresRow[][] {
  const results = (Array.isArray(answer) ? answer : [answer]) as PostgresResult[];
  return results.map(({ rows }) => rows);
}

/** What a promise answers, or an error once the deadline has passed. */
export async function within<T>(deadline: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(Object.assign(new Error('no answer in time'), { code: noAnswerCode })),
      Math.max(0, deadline - performance.now()),
    );
  });
  // What comes after the deadline is nobody's any more.
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
