/**
 * Sessions with Fastify: login, logout, logout everywhere, a message after a redirect.
 *
 *   npx tsx examples/web-fastify/web-fastify.ts       then open http://localhost:3000
 */
import Fastify, { type FastifyRequest } from 'fastify';
import { notesOf, page, userWith } from '../web-pages/pages.js';
import { fastifySessions } from 'ambit/fastify';
import { fileURLToPath } from 'node:url';
import { openAmbit } from 'ambit';
import { randomBytes } from 'node:crypto';

export async function startFastify(
  storage: string,
  port: number,
): Promise<{ readonly url: string; readonly close: () => Promise<void> }> {
  const ambit = await openAmbit({ storage });
  const app = Fastify();
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_request, body, done) => {
      done(null, Object.fromEntries(new URLSearchParams(String(body))));
    },
  );
  // Kept in a file or an environment variable, where sessions are to outlive the server.
  const keys = process.env['SESSION_KEY'] ?? randomBytes(32).toString('base64');
  await app.register(fastifySessions, { web: ambit.web, cookie: { keys } });

  app.get('/', async ({ session }, reply) => {
    const { userName } = session;
    const shown = { userName, notes: notesOf(session.toJSON()), flashes: await session.takeFlashes() };
    return reply.type('text/html').send(page({ ...shown, csrfToken: await session.csrfToken() }));
  });
  app.post('/notes', (request, reply) => {
    request.session.set(`note ${randomBytes(6).toString('hex')}`, field(request, 'note') ?? '');
    return reply.redirect('/', 303);
  });
  app.post('/login', async (request, reply) => {
    const { session } = request;
    const user = userWith(field(request, 'name'), field(request, 'password'));
    if (user) await session.login({ userId: user.userId, userName: user.userName });
    await session.flash(
      user
        ? { level: 'success', message: `Welcome, ${user.userName}.` }
        : { level: 'error', message: 'Wrong name or password.' },
    );
    return reply.redirect('/', 303);
  });
  app.post('/logout', async ({ session }, reply) => {
    await session.logout();
    await session.flash({ level: 'info', message: 'You are logged out.' });
    return reply.redirect('/', 303);
  });
  app.post('/logout-everywhere', async ({ session }, reply) => {
    await session.logoutEverywhere();
    await session.flash({ level: 'info', message: 'You are logged out everywhere.' });
    return reply.redirect('/', 303);
  });

  const { port: given } = new URL(await app.listen({ port, host: '127.0.0.1' }));
  return {
    url: `http://localhost:${given}`,
    async close() {
      app.server.closeAllConnections();
      await app.close();
      await ambit.close();
    },
  };
}

function field({ body }: FastifyRequest, name: string): string | undefined {
  return (body as Readonly<Record<string, string>> | undefined)?.[name];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log((await startFastify('sqlite:./web.db', 3000)).url);
}
