/**
 * One Express server with sessions, in a process of its own. Prints its port, and ends with its standard input.
 *
 *   tsx bench/web-server.ts KIND [URL]
 */
import { openAmbit } from '../dist/index.js';
import { expressStore } from '../dist/integrations/express/express.js';
import type { AddressInfo } from 'node:net';
import connectPgSimple from 'connect-pg-simple';
import { createClient } from 'redis';
import express from 'express';
import pg from 'pg';
import { RedisStore } from 'connect-redis';
import session, { MemoryStore, type Store } from 'express-session';

declare module 'express-session' {
  interface SessionData {
    visits?: number;
    profile?: object;
  }
}

const [kind = '', url = ''] = process.argv.slice(2);

const stores: Readonly<Record<string, () => Promise<Store>>> = {
  async ambit() {
    const ambit = await openAmbit({ storage: url, durability: 'none' });
    return expressStore(ambit.web);
  },
  memory: () => Promise.resolve(new MemoryStore()),
  async 'connect-redis'() {
    const client = createClient({ url });
    await client.connect();
    return new RedisStore({ client });
  },
  async 'connect-pg-simple'() {
    const PgStore = connectPgSimple(session);
    const pool = new pg.Pool({ connectionString: url, max: 16 });
    return new PgStore({ pool, createTableIfMissing: true });
  },
};

const open = stores[kind];
if (!open) throw new Error(`no store "${kind}"; there are ${Object.keys(stores).join(', ')}`);
const app = express();
app.use(
  session({
    store: await open(),
    secret: 'a secret of benches',
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: 3_600_000 },
  }),
);
app.get('/begin', (req, res) => {
  req.session.profile = { name: 'Ada Lovelace', roles: ['admin', 'author'], theme: 'dark' };
  req.session.visits = 0;
  res.send('begun');
});
app.get('/read', (req, res) => {
  res.send(String(req.session.visits));
});
app.get('/write', (req, res) => {
  req.session.visits = (req.session.visits ?? 0) + 1;
  res.send(String(req.session.visits));
});
const server = app.listen(0, '127.0.0.1', () => {
  console.log((server.address() as AddressInfo).port);
});
process.stdin.on('end', () => process.exit(0)).resume();
