import { Agent, get } from 'node:http';
import { benchServers } from './bench-servers.js';
import { compare, type Contender } from './measure.js';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { noteRow } from './report.js';
import { scale } from './scale.js';
import { spawn } from 'node:child_process';

type Rows = Record<string, () => Promise<void>>;

/** Requests under way at once, each with a session of its own. */
const callers = 64;

/** How often a request writes to its session: never but for the touch of each, one in ten, or always. */
const loads = { 'read-mostly': 10, 'a write on every request': 1 } as const;

/** Requests a second of an Express server with our store against one with another, each in a process of its own. */
export function webRows(): Rows {
  return {
    'web-memory': () => webRow('memory', ['ambit', 'memory:'], ['memory', ''], 'MemoryStore'),
    'web-postgres': () =>
      benchServers.postgres((url) =>
        webRow('PostgreSQL', ['ambit', url], ['connect-pg-simple', url], 'connect-pg-simple'),
      ),
    'web-redis-always': () =>
      benchServers.redis('always', (url) =>
        webRow('Redis always', ['ambit', url], ['connect-redis', url], 'connect-redis'),
      ),
    'web-redis-everysec': () =>
      benchServers.redis('everysec', (url) =>
        webRow('Redis everysec', ['ambit', url], ['connect-redis', url], 'connect-redis'),
      ),
  };
}

type Server = readonly [kind: string, url: string];

async function webRow(backend: string, ours: Server, theirs: Server, peer: string): Promise<void> {
  for (const [load, writesEvery] of Object.entries(loads)) {
    const contenders = [await website('Ambit', ours, writesEvery), await website(peer, theirs, writesEvery)];
    const work = `Express sessions, ${backend}, ${load}, ${callers} callers`;
    const rounds = scale.rounds === 1 ? 1 : 11;
    noteRow(await compare({ work, callers, rounds }, contenders), { [peer]: 0.9 });
  }
}

async function website(name: string, [kind, url]: Server, writesEvery: number): Promise<Contender> {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', fileURLToPath(new URL('web-server.ts', import.meta.url)), kind, url],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const ended = new Promise<never>((_resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the server with ${name} ended with ${code}`)));
  });
  ended.catch(() => undefined);
  const port = await Promise.race([
    ended,
    new Promise<number>((resolve) => {
      createInterface({ input: child.stdout }).once('line', (line) => resolve(Number(line)));
    }),
  ]);
  const agent = new Agent({ keepAlive: true, maxSockets: callers });
  const ask = (path: string, cookie: string): Promise<Answer> => requestOf(agent, port, path, cookie);
  const cookies = await Promise.all(
    Array.from({ length: callers }, async () => {
      const begun = await ask('/begin', '');
      return begun.cookie.split(';')[0] ?? '';
    }),
  );
  return {
    name,
    work: (caller, turn) => ask(turn % writesEvery === 0 ? '/write' : '/read', cookies[caller] ?? ''),
    // A session that was lost would count from the start again.
    async check(answer) {
      const { text, status } = answer as Answer;
      if (status !== 200 || !/^\d+$/.test(text)) throw new Error(`${name}: ${status} ${text}`);
    },
    async close() {
      agent.destroy();
      child.removeAllListeners('exit');
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.stdin.end();
      await gone;
    },
  };
}

interface Answer {
  readonly status: number | undefined;
  readonly text: string;
  readonly cookie: string;
}

function requestOf(agent: Agent, port: number, path: string, cookie: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = get(
      { agent, host: '127.0.0.1', port, path, headers: cookie === '' ? {} : { cookie } },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (piece: string) => (text += piece));
        response.on('end', () =>
          resolve({ status: response.statusCode, text, cookie: response.headers['set-cookie']?.[0] ?? '' }),
        );
      },
    );
    request.once('error', reject);
  });
}
