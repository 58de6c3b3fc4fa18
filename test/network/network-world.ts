import { type Ambit, openAmbit } from 'ambit';
import { type CuttingProxy, type RequestFate, startCuttingProxy } from '../servers/cutting-proxy.js';
import { expect, onTestFinished, type TestContext } from 'vitest';
import { startPostgresServer } from '../servers/postgres-server.js';
import { startRedisServer } from '../servers/redis-server.js';

/** A server of a test's own, which it may kill. */
export interface OwnServer {
  readonly url: string;
  readonly port: number;
  /** SIGKILL, and wait until it is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface NetworkBackend {
  readonly name: string;
  startServer(): Promise<OwnServer>;
}

/** The backends that are reached over a network. */
export const networkBackends: readonly NetworkBackend[] = [
  { name: 'postgres', startServer: () => startPostgresServer() },
  // With appendfsync always: what it acknowledged is there after a kill.
  { name: 'redis', startServer: () => startRedisServer() },
];

/** No answer may take longer, whatever becomes of the store: the bounds of the engine and of a backend, with room for a busy machine. */
export const answerMsMax = 45_000;

/** A store behind a proxy, and one that is reached without it, to look at what really happened. */
export interface NetworkWorld {
  readonly proxy: CuttingProxy;
  /** Through the proxy. */
  readonly ambit: Ambit;
  /** Past the proxy. */
  readonly beside: () => Promise<Ambit>;
  readonly proxiedUrl: string;
  readonly url: string;
}

/** The end of a test; one of several that run at once must say which. */
type Ending = Pick<TestContext, 'onTestFinished'>;

let namespaces = 0;

/** The URL of a namespace that nobody else uses. */
function newNamespace({ url }: OwnServer): string {
  return `${url}${url.includes('?') ? '&' : '?'}namespace=net-${process.pid}-${namespaces++}`;
}

/** A namespace of its own on a server, opened, and named for other processes to open it too. */
export async function openBeside(
  server: OwnServer,
): Promise<{ readonly ambit: Ambit; readonly url: string }> {
  const url = newNamespace(server);
  const ambit = await openAmbit({ storage: url, sweepEveryMs: false, tasks: { sessionsPerAgentMax: 1_000 } });
  onTestFinished(() => ambit.close());
  return { ambit, url };
}

/** A namespace of its own on a server, reached through a proxy that passes everything on until it is told otherwise. */
export async function openWorld(server: OwnServer, test: Ending = { onTestFinished }): Promise<NetworkWorld> {
  const proxy = await startCuttingProxy(server.port);
  test.onTestFinished(() => proxy.close());
  const url = newNamespace(server);
  const proxiedUrl = url.replace(`:${server.port}`, `:${proxy.port}`);
  expect(proxiedUrl).not.toBe(url);
  const open = async (storage: string): Promise<Ambit> => {
    const ambit = await openAmbit({ storage, sweepEveryMs: false });
    test.onTestFinished(async () => {
      // A store that is silent holds up its end for as long as it may.
      proxy.fateOf = () => 'pass';
      await ambit.close();
    });
    return ambit;
  };
  return { proxy, ambit: await open(proxiedUrl), beside: () => open(url), proxiedUrl, url };
}

/** A session with this budget. */
export async function sessionIn({ tasks }: Ambit, callBudget: number): Promise<string> {
  const created = await tasks.create({
    agentId: 'agent',
    declaredIntent: 'a test',
    authorizedTools: ['read_file'],
    callBudget,
  });
  if (!created.ok) throw new Error(created.refusal.message);
  return created.session.sessionId;
}

/** Calls that were counted. */
export async function callsMade({ tasks }: Ambit, sessionId: string): Promise<number> {
  const found = await tasks.get(sessionId);
  if (!found.ok) throw new Error(found.refusal.message);
  return found.session.callsMade;
}

/** What must be answered is answered within its bound: a call that is stuck is an error here. */
export async function answered<T>(asked: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const stuck = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${answerMsMax} ms`)), answerMsMax);
  });
  return Promise.race([asked, stuck]).finally(() => clearTimeout(timer));
}

/** What a call is refused with; one that is granted is an error. */
export async function refusalOfUse({ tasks }: Ambit, sessionId: string): Promise<object> {
  const answer = await answered(tasks.use(sessionId, 'read_file'));
  if (answer.ok) throw new Error('it was granted');
  return answer.refusal;
}

/** The same fates in the same order, run after run: `share` of the requests meet one of `fates`. */
export function spoiling(fates: readonly RequestFate[], share: number, seed = 1): () => RequestFate {
  let state = seed;
  const random = (): number => {
    // A linear congruential generator (Numerical Recipes): any will do, as long as it is the same each time.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return () => {
    if (random() >= share) return 'pass';
    return fates[Math.floor(random() * fates.length)] ?? 'pass';
  };
}

/** What callers were told in all. */
export interface Told {
  readonly granted: Set<string>;
  readonly refused: Map<string, string>;
  /** Answers of `STORAGE_UNAVAILABLE`, by outcome. */
  readonly unavailable: { none: number; unknown: number };
}

/** Makes calls, each under a `callId` of its own and asked again until the store says yes or no, `inFlight` at a time. */
export async function callEach(
  { tasks }: Ambit,
  sessionId: string,
  callIds: readonly string[],
  inFlight: number,
): Promise<Told> {
  const told: Told = { granted: new Set(), refused: new Map(), unavailable: { none: 0, unknown: 0 } };
  const waiting = [...callIds];
  const caller = async (): Promise<void> => {
    for (let callId = waiting.shift(); callId !== undefined; callId = waiting.shift()) {
      for (let tries = 0; ; tries++) {
        const answer = await answered(tasks.use(sessionId, 'read_file', { callId }));
        if (answer.ok) told.granted.add(callId);
        else if (answer.refusal.code !== 'STORAGE_UNAVAILABLE') told.refused.set(callId, answer.refusal.code);
        else {
          told.unavailable[answer.refusal.outcome ?? 'none']++;
          expect(answer.refusal.retryable).toBe(true);
          if (tries === 200) throw new Error(`never settled: ${answer.refusal.message}`);
          await new Promise((resolve) => setTimeout(resolve, 50));
          continue;
        }
        break;
      }
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  return told;
}
