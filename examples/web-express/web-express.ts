/**
 * Sessions with Express: login, logout, logout everywhere, a message after a redirect.
 *
 *   npx tsx examples/web-express/web-express.ts       then open http://localhost:3000
 */
import { csrfTokenOf, expressCsrf, expressStore } from 'ambit/express';
import express, { type Request, type RequestHandler } from 'express';
import { notesOf, page, userWith } from '../web-pages/pages.js';
import { fileURLToPath } from 'node:url';
import { type Flash, openAmbit } from 'ambit';
import { promisify } from 'node:util';
import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import session from 'express-session';

declare module 'express-session' {
  interface SessionData {
    user?: { readonly userId: string; readonly userName: string };
    [note: `note ${string}`]: string;
  }
}

export async function startExpress(
  storage: string,
  port: number,
): Promise<{ readonly url: string; readonly close: () => Promise<void> }> {
  const ambit = await openAmbit({ storage });
  const app = express();
  const store = expressStore(ambit.web, { userOf: ({ user }) => user });
  // Kept in a file or an environment variable, where sessions are to outlive the server.
  const secret = process.env['SESSION_SECRET'] ?? randomBytes(32).toString('base64');
  // Over HTTPS, secure as well.
  const cookie = { sameSite: 'lax', secure: 'auto' } as const;
  app.use(session({ store, secret, name: 'session', resave: false, saveUninitialized: false, cookie }));
  app.use(express.urlencoded({ extended: false }), expressCsrf());

  /** Saved before the redirect, which another request follows at once; the message needs a session to wait in. */
  const redirectWith = async (req: Request, flash: Flash): Promise<void> => {
    csrfTokenOf(req);
    await promisify(req.session.save.bind(req.session))();
    await ambit.web.addFlash(req.sessionID, flash);
    req.res?.redirect('/');
  };
  const renew = (req: Request): Promise<void> => promisify(req.session.regenerate.bind(req.session))();

  app.get(
    '/',
    handled(async (req, res) => {
      const taken = await ambit.web.takeFlashes(req.sessionID);
      const { user } = req.session;
      res.send(
        page({
          userName: user?.userName,
          notes: notesOf(req.session),
          flashes: taken.ok ? taken.flashes : [],
          csrfToken: csrfTokenOf(req),
        }),
      );
    }),
  );
  app.post('/notes', (req, res) => {
    req.session[`note ${randomBytes(6).toString('hex')}`] = String(field(req, 'note'));
    res.redirect('/');
  });
  app.post(
    '/login',
    handled(async (req) => {
      const user = userWith(field(req, 'name'), field(req, 'password'));
      if (!user) return redirectWith(req, { level: 'error', message: 'Wrong name or password.' });
      await renew(req);
      req.session.user = { userId: user.userId, userName: user.userName };
      return redirectWith(req, { level: 'success', message: `Welcome, ${user.userName}.` });
    }),
  );
  app.post(
    '/logout',
    handled(async (req) => {
      await renew(req);
      return redirectWith(req, { level: 'info', message: 'You are logged out.' });
    }),
  );
  app.post(
    '/logout-everywhere',
    handled(async (req) => {
      const { user } = req.session;
      if (user) await ambit.web.destroyAllForUser(user.userId);
      await renew(req);
      return redirectWith(req, { level: 'info', message: 'You are logged out everywhere.' });
    }),
  );

  const server = await new Promise<Server>((resolve) => {
    const listening = app.listen(port, '127.0.0.1', () => resolve(listening));
  });
  const address = server.address();
  return {
    url: `http://localhost:${typeof address === 'object' ? address?.port : port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await ambit.close();
    },
  };
}

/** Express waits for what a handler answers, and hands what it throws to the error handler. */
function handled(handler: (...args: Parameters<RequestHandler>) => Promise<void>): RequestHandler {
  return (req, res, next) => handler(req, res, next);
}

function field(req: Request, name: string): string | undefined {
  const value = (req.body as Record<string, unknown> | undefined)?.[name];
  return typeof value === 'string' ? value : undefined;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log((await startExpress('sqlite:./web.db', 3000)).url);
}
