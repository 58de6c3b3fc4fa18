import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  answered,
  callEach,
  callsMade,
  openBeside,
  openWorld,
  refusalOfUse,
  sessionIn,
} from './network-world.js';
import { asking, startPostgresStandby } from '../servers/postgres-standby.js';
import { type PostgresServer, startPostgresServer } from '../servers/postgres-server.js';
import { Client } from 'pg';
import { createServer } from 'node:net';
import { openAmbit } from 'ambit';
import { report } from '../proof/figures.js';

const patience = 180_000;

/** A setting of the server, changed while it runs. */
async function set(url: string, setting: string, value: string): Promise<void> {
  await asking(url, async (ask) => {
    // Of a server that is read-only, the connection that lifts it is not.
    await ask('SET default_transaction_read_only = off');
    await ask(`ALTER SYSTEM SET ${setting} = ${value}`);
    await ask('SELECT pg_reload_conf()');
  });
  // The server hears of it a little later, and once a new connection has it, all others were told.
  for (let found = ''; found !== value;) {
    const [row] = await asking(url, (ask) => ask(`SELECT current_setting('${setting}') AS value`));
    found = String(row?.['value']);
  }
}

const endOthers =
  'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = ';

describe('postgres, a server in trouble', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgresServer(['max_connections=20', 'superuser_reserved_connections=0']);
  });
  afterAll(() => server.stop());

  test(
    'it is read-only: calls are refused, reads are answered, and it is well again by itself',
    {
      timeout: patience,
    },
    async () => {
      const { ambit } = await openBeside(server);
      const sessionId = await sessionIn(ambit, 10);
      await set(server.url, 'default_transaction_read_only', 'on');
      onTestFinished(() => set(server.url, 'default_transaction_read_only', 'off'));
      const refused = await refusalOfUse(ambit, sessionId);
      expect(refused).toMatchObject({ code: 'STORAGE_UNAVAILABLE', retryable: true, outcome: 'none' });
      expect(await callsMade(ambit, sessionId)).toBe(0);
      await set(server.url, 'default_transaction_read_only', 'off');
      expect((await callEach(ambit, sessionId, ['back'], 1)).granted.size).toBe(1);
      expect(await callsMade(ambit, sessionId)).toBe(1);
    },
  );

  test(
    'it has no connection left: a typed error, a refusal that says so, and it is well again by itself',
    {
      timeout: patience,
    },
    async () => {
      const { ambit, url } = await openBeside(server);
      const sessionId = await sessionIn(ambit, 10);
      const others: Client[] = [];
      onTestFinished(() => closeAll(others));
      await asking(server.url, (ask) => ask(`${endOthers}'client backend'`));
      await fillUp(server.url, others);
      expect(await refusalOfUse(ambit, sessionId)).toMatchObject({
        code: 'STORAGE_UNAVAILABLE',
        retryable: true,
        outcome: 'none',
        message: expect.stringMatching(/connection/) as string,
      });
      await expect(answered(openAmbit({ storage: url, sweepEveryMs: false }))).rejects.toMatchObject({
        code: 'STORAGE_UNAVAILABLE',
        message: expect.stringMatching(/connection/) as string,
      });
      await closeAll(others);
      expect((await callEach(ambit, sessionId, ['back'], 1)).granted.size).toBe(1);
      expect(await callsMade(ambit, sessionId)).toBe(1);
    },
  );

  test(
    'its connections are ended again and again in mid-run: exactly the budget is granted, each once',
    {
      timeout: patience,
    },
    async () => {
      const { ambit } = await openBeside(server);
      const sessionId = await sessionIn(ambit, 300);
      const ids = Array.from({ length: 400 }, (_, index) => `call-${index}`);
      let running = true;
      const ending = asking(server.url, async (ask) => {
        let ended = 0;
        while (running) {
          ended += (await ask(`${endOthers}'client backend'`)).length;
          await new Promise((resolve) => setTimeout(resolve, 40));
        }
        return ended;
      });
      const told = await callEach(ambit, sessionId, ids, 4).finally(() => (running = false));
      expect(await ending).toBeGreaterThan(3);
      expect(told.granted.size).toBe(300);
      expect(await callsMade(ambit, sessionId)).toBe(300);
    },
  );

  test(
    'somebody holds its tables locked: calls are answered within their bound, and granted afterwards',
    {
      timeout: patience,
    },
    async () => {
      const { ambit } = await openBeside(server);
      const sessionId = await sessionIn(ambit, 10);
      await asking(server.url, async (ask) => {
        const tables = await ask(
          `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
        );
        expect(tables.length).toBeGreaterThan(0);
        await ask('BEGIN');
        for (const { name } of tables) await ask(`LOCK TABLE ${String(name)} IN ACCESS EXCLUSIVE MODE`);
        const refused = await refusalOfUse(ambit, sessionId);
        expect(refused).toMatchObject({ code: 'STORAGE_UNAVAILABLE', retryable: true });
        await ask('ROLLBACK');
      });
      expect((await callEach(ambit, sessionId, ['back'], 1)).granted.size).toBe(1);
      // What was refused as unknown may have been charged, but not more than once.
      expect(await callsMade(ambit, sessionId)).toBeLessThanOrEqual(2);
    },
  );
});

test(
  'postgres fails over to its standby in mid-run: nothing acknowledged is lost, nothing is charged twice',
  {
    timeout: patience,
  },
  async () => {
    const primary = await startPostgresServer();
    onTestFinished(() => primary.stop());
    const standby = await startPostgresStandby(primary);
    onTestFinished(() => standby.stop());
    const { ambit, proxy, url } = await openWorld(primary);
    const sessionId = await sessionIn(ambit, 200);
    const ids = Array.from({ length: 300 }, (_, index) => `call-${index}`);
    const running = callEach(ambit, sessionId, ids, 8);
    while ((await callsMade(ambit, sessionId)) < 40) await new Promise((resolve) => setTimeout(resolve, 5));
    await primary.kill();
    await standby.promote();
    proxy.targetPort = standby.port;
    const told = await running;
    expect(told.granted.size).toBe(200);
    const after = await openAmbit({
      storage: url.replace(`:${primary.port}/`, `:${standby.port}/`),
      sweepEveryMs: false,
    });
    onTestFinished(() => after.close());
    expect(await callsMade(after, sessionId)).toBe(200);
    for (const callId of told.granted)
      expect(await after.tasks.use(sessionId, 'read_file', { callId })).toMatchObject({ replayed: true });
    report('postgres, the primary is killed and its standby promoted', {
      calls: ids.length,
      faults: 1,
      granted: told.granted.size,
    });
  },
);

test(
  'postgres ends a connection with the words that let it in: a typed error, and the process lives',
  { timeout: patience },
  async () => {
    const message = (type: string, body: Buffer): Buffer => {
      const head = Buffer.alloc(5);
      head.write(type, 'latin1');
      head.writeInt32BE(body.length + 4, 1);
      return Buffer.concat([head, body]);
    };
    // AuthenticationOk, ReadyForQuery and ErrorResponse, in one piece.
    const farewell = Buffer.concat([
      message('R', Buffer.alloc(4)),
      message('Z', Buffer.from('I')),
      message('E', Buffer.from('SFATAL\0C57P01\0Mthe server is shutting down\0\0')),
    ]);
    let clients = 0;
    const server = createServer((socket) => {
      clients++;
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(farewell));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    // Unheard, the error of the connection would be one that nobody caught, and this run would fail by it.
    await expect(
      answered(openAmbit({ storage: `postgres://u:p@127.0.0.1:${port}/db` })),
    ).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(clients).toBeGreaterThan(0);
  },
);

/** Takes all connections that the server still gives away. */
async function fillUp(url: string, others: Client[]): Promise<void> {
  for (let client = 0; client < 100; client++) {
    const other = new Client({ connectionString: url });
    other.on('error', () => undefined);
    try {
      await other.connect();
    } catch (error) {
      expect(error).toMatchObject({ code: '53300' });
      return;
    }
    others.push(other);
  }
  throw new Error('the server has more connections than it was started with');
}

async function closeAll(others: Client[]): Promise<void> {
  await Promise.all(others.splice(0).map((other) => other.end()));
}
