import { createClient, createClusterClient, type RedisServer } from './redis-client.js';
import { factsOf, keepsAtLeast, type ServerFacts } from './redis-facts.js';
import { isNoScript, refusalOf, refused, unavailable } from './redis-errors.js';
import { schemaVersion, type ScriptName, scripts } from './redis-scripts.js';
import { AmbitError, type WriteOutcome } from '../storage.js';
import type { RedisClient } from './redis-driver.js';

export interface LinkOptions extends RedisServer {
  readonly namespace: string;
  readonly clock: (() => number) | undefined;
}

/** The way to the server: bounded waits, errors as the callers of a storage know them, and an orderly end. */
export interface RedisLink {
  /** What the server was found to be when the link was opened. */
  readonly facts: ServerFacts;
  /** Host and port, as they may be shown. */
  readonly place: string;
  /**
   * Runs a script of the namespace.
   *
   * @param lost what is known of its writes when its answer does not come
   */
  run(script: ScriptName, args: readonly string[], lost: WriteOutcome): Promise<unknown[]>;
  /** What the server is now. */
  look(): Promise<ServerFacts>;
  /** Lets `work` end before the link is closed; refuses it when it is closed already. */
  counted<T>(work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/**
 * How long a call waits for a connection that broke. Shorter, and every restart of a proxy on the way refuses calls;
 * longer, and callers wait for a server that is away.
 */
const reconnectingMsMax = 1_000;

/** How often a server that was found unfit is looked at again. More often, and every call would ask it. */
const lookAgainMs = 500;

/** Opens a link. Throws what `redisStorage` says. */
export async function openLink(options: LinkOptions): Promise<RedisLink> {
  let client = await createClient(options);
  const place = placeOf(client);
  try {
    await connect(client, place, options.waitMs);
    const look = (): Promise<ServerFacts> => within(options.waitMs, factsOf(client, place));
    let facts = await look();
    if (facts.inCluster && !client.isCluster) {
      const node = client;
      // What the cluster's client asks, and would only say of it that there is no slot.
      await within(
        options.waitMs,
        Promise.all([node.call('CLUSTER', 'SLOTS'), node.call('CLUSTER', 'INFO')]),
      );
      client = await createClusterClient(node, options.waitMs);
      node.disconnect();
      await connect(client, place, options.waitMs);
      facts = await look();
    }
    const link = new Link(client, place, facts, options);
    await link.run('open', [], 'none');
    return link;
  } catch (error) {
    client.disconnect();
    throw unavailable(place, error, false);
  }
}

async function connect(client: RedisClient, place: string, waitMs: number): Promise<void> {
  let said: unknown;
  // Without a listener an error would end the process; and what `connect` throws says less.
  const listen = (error: unknown): void => {
    said = error ?? said;
  };
  client.on('error', listen);
  client.on('node error', listen);
  try {
    await within(waitMs, client.connect());
  } catch (error) {
    const words = said instanceof Error ? said.message : '';
    const ended = said === undefined ? client.status === 'reconnecting' : /EPIPE|ECONNRESET/.test(words);
    if (ended) {
      const advice = 'it ended the connection at once; look at its maxclients, its TLS and its log';
      throw refused(place, advice, 'none');
    }
    throw unavailable(place, said ?? error, false);
  }
}

class Link implements RedisLink {
  readonly place: string;
  readonly facts: ServerFacts;
  readonly #client: RedisClient;
  readonly #keys: readonly string[];
  readonly #options: LinkOptions;
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #waiting = new Set<() => void>();
  /** Primaries of a cluster that were looked at. */
  readonly #known = new WeakSet<RedisClient>();
  /** Whether the server that the client is connected with was looked at, and found as good as the first one. */
  #fit = true;
  /** Why it is not to be used, as far as that is known. */
  #why: AmbitError | undefined;
  #lookedAtMs = 0;
  #awaySinceMs: number | undefined;
  #closed = false;

  constructor(client: RedisClient, place: string, facts: ServerFacts, options: LinkOptions) {
    this.place = place;
    this.facts = facts;
    this.#client = client;
    this.#options = options;
    this.#keys = ['records', 'index', 'expiry', 'locks', 'queue', 'schema'].map(
      (name) => `ambit:{${options.namespace}}:${name}`,
    );
    for (const node of this.#primaries()) this.#known.add(node);
    client.on('error', (error) => {
      this.#why = unavailable(place, error, false);
    });
    client.on('close', () => {
      this.#fit = false;
      this.#awaySinceMs ??= performance.now();
    });
    client.on('ready', () => void this.#verify(client));
    // Of a cluster: one that joined, or took over.
    for (const event of ['+node', 'refresh']) client.on(event, () => this.#verifyNewcomers());
  }

  async run(name: ScriptName, args: readonly string[], lost: WriteOutcome): Promise<unknown[]> {
    if (this.#client.status !== 'ready' || !this.#fit) await this.#ready();
    const { text, sha } = scripts[name];
    const { clock, waitMs } = this.#options;
    const time = clock ? String(clock()) : '';
    const all = [this.#keys.length, ...this.#keys, String(schemaVersion), time, ...args] as const;
    try {
      // The client's own bound is on its connection; this one is on all that a cluster's client does with it.
      return (await within(2 * waitMs, this.#send(sha, text, all))) as unknown[];
    } catch (error) {
      const known = unavailable(this.place, error, lost === 'unknown');
      throw name === 'open' ? known : refusalOf(known);
    }
  }

  async #send(sha: string, text: string, all: readonly [number, ...unknown[]]): Promise<unknown> {
    try {
      return await this.#client.evalsha(sha, ...all);
    } catch (error) {
      // Not run, then: after a restart, a failover or SCRIPT FLUSH no server knows it.
      if (!isNoScript(error)) throw error;
      return this.#client.eval(text, ...all);
    }
  }

  look(): Promise<ServerFacts> {
    return this.counted(async () => {
      if (this.#client.status !== 'ready' || !this.#fit) await this.#ready();
      try {
        return await within(this.#options.waitMs, factsOf(this.#client, this.place));
      } catch (error) {
        throw refusalOf(unavailable(this.place, error, false));
      }
    });
  }

  async counted<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw refused(this.place, 'the store is closed; open a new one', 'none');
    const working = work();
    this.#underWay.add(working);
    try {
      return await working;
    } finally {
      this.#underWay.delete(working);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#underWay);
    this.#client.disconnect();
  }

  #primaries(): readonly RedisClient[] {
    return this.#client.nodes?.('master') ?? [];
  }

  #verifyNewcomers(): void {
    for (const node of this.#primaries()) {
      if (this.#known.has(node)) continue;
      this.#known.add(node);
      void this.#verify(node);
    }
  }

  /**
   * Looks at a server before it is given anything: behind the same name there may be another one by now, or the same one
   * with other settings, which keeps less than was promised.
   */
  async #verify(server: RedisClient): Promise<void> {
    const whole = server === this.#client;
    this.#lookedAtMs = performance.now();
    try {
      const { durability, persistence } = await within(this.#options.waitMs, factsOf(server, this.place));
      if (!keepsAtLeast(durability, this.facts.durability)) {
        throw refused(this.place, `it keeps less than when the store was opened (${persistence})`, 'none');
      }
      if (whole) {
        this.#fit = true;
        this.#why = undefined;
        this.#awaySinceMs = undefined;
      }
    } catch (error) {
      // A node of a cluster that does not answer serves nobody.
      if (!whole && !(error instanceof AmbitError)) return;
      this.#fit = false;
      this.#why = unavailable(this.place, error, false);
      this.#awaySinceMs ??= performance.now();
    }
    for (const wake of this.#waiting) wake();
  }

  /** Waits for a server that may be used, as long as it is worth waiting. */
  async #ready(): Promise<void> {
    const deadlineMs = (this.#awaySinceMs ?? performance.now()) + reconnectingMsMax;
    while (this.#client.status !== 'ready' || !this.#fit) {
      const nowMs = performance.now();
      if (this.#client.status === 'ready' && nowMs - this.#lookedAtMs > lookAgainMs) {
        this.#lookedAtMs = nowMs;
        // Behind the name there may be another server by now; a cluster's client finds that out by itself.
        if (this.#client.isCluster) void this.#verify(this.#client);
        else this.#client.disconnect(true);
      }
      if (nowMs >= deadlineMs) {
        throw refusalOf(
          this.#why ?? refused(this.place, 'the connection is lost; it is being made anew', 'none'),
        );
      }
      await this.#change(deadlineMs - nowMs);
    }
  }

  async #change(msMax: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, msMax);
      this.#waiting.add(wake);
    });
  }
}

/** Host and port of a client, or what its URL or settings have in their place. */
function placeOf(client: RedisClient): string {
  if (client.isCluster) return 'the cluster';
  const { host, port, path, sentinels, name } = client.options as Record<string, string | undefined>;
  if (sentinels) return `the primary of ${JSON.stringify(name)}`;
  const text = path ?? `${host}:${port}`;
  return text.replace(/\p{C}/gu, '?');
}

async function within<T>(msMax: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${msMax} ms`)), msMax);
  });
  // What comes after the deadline is nobody's any more.
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
