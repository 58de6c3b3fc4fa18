/**
 * Sessions with Hono: login, logout, logout everywhere, a message after a redirect.
 *
 *   npx tsx examples/web-hono/web-hono.ts       then open http://localhost:3000
 */
import { type Context, Hono } from 'hono';
import { notesOf, page, userWith } from '../web-pages/pages.js';
import { fileURLToPath } from 'node:url';
import { honoSessions } from 'ambit/hono';
import { openAmbit } from 'ambit';
import { randomBytes } from 'node:crypto';
import { serve, type ServerType } from '@hono/node-server';

export async function startHono(
  storage: string,
  port: number,
): Promise<{ readonly url: string; readonly close: () => Promise<void> }> {
  const ambit = await openAmbit({ storage });
  // Kept in a file or an environment variable, where sessions are to outlive the server.
  const keys = process.env['SESSION_KEY'] ?? randomBytes(32).toString('base64');
  const app = new Hono().use(honoSessions(ambit.web, { cookie: { keys } }));

  const routes = app
    .get('/', async (c) => {
      const { session } = c.var;
      const { userName } = session;
      const shown = { userName, notes: notesOf(session.toJSON()), flashes: await session.takeFlashes() };
      return c.html(page({ ...shown, csrfToken: await session.csrfToken() }));
    })
    .post('/notes', async (c) => {
      c.var.session.set(`note ${randomBytes(6).toString('hex')}`, (await field(c, 'note')) ?? '');
      return c.redirect('/', 303);
    })
    .post('/login', async (c) => {
      const { session } = c.var;
      const user = userWith(await field(c, 'name'), await field(c, 'password'));
      if (user) await session.login({ userId: user.userId, userName: user.userName });
      await session.flash(
        user
          ? { level: 'success', message: `Welcome, ${user.userName}.` }
          : { level: 'error', message: 'Wrong name or password.' },
      );
      return c.redirect('/', 303);
    })
    .post('/logout', async (c) => {
      await c.var.session.logout();
      await c.var.session.flash({ level: 'info', message: 'You are logged out.' });
      return c.redirect('/', 303);
    })
    .post('/logout-everywhere', async (c) => {
      await c.var.session.logoutEverywhere();
      await c.var.session.flash({ level: 'info', message: 'You are logged out everywhere.' });
      return c.redirect('/', 303);
    });

  let server: ServerType | undefined;
  const given = await new Promise<number>((resolve) => {
    server = serve({ fetch: routes.fetch, port, hostname: '127.0.0.1' }, (address) => resolve(address.port));
  });
  return {
    url: `http://localhost:${given}`,
    async close() {
      if (server && 'closeAllConnections' in server) server.closeAllConnections();
      await new Promise((resolve) => server?.close(resolve));
      await ambit.close();
    },
  };
}

async function field(c: Context, name: string): Promise<string | undefined> {
  const value = (await c.req.parseBody())[name];
  return typeof value === 'string' ? value : undefined;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log((await startHono('sqlite:./web.db', 3000)).url);
}
