import type { CarriedSession } from '../../src/web/request-session.js';
import { getRequestListener } from '@hono/node-server';
import { fastifySessions } from 'ambit/fastify';
import Fastify, { type FastifyRequest } from 'fastify';
import { Hono } from 'hono';
import { honoSessions } from 'ambit/hono';
import type { Json } from 'ambit/storage';
import { listening } from './visitor.js';
import type { SessionCookieOptions, WebSessions } from 'ambit';

type Session = CarriedSession<Record<string, Json>>['session'];
type Fields = Readonly<Record<string, string | undefined>>;

/** A server with sessions, whose requests do what their path says. */
export interface SessionServer {
  readonly url: string;
  readonly close: () => Promise<void>;
  /** Lets the request to /slow go on once it has loaded its session. */
  readonly slow: Gate;
}

export interface Gate {
  readonly entered: Promise<void>;
  readonly release: () => void;
}

export interface ServerOptions {
  readonly cookie?: SessionCookieOptions;
  readonly csrf?: boolean;
}

export interface ServerKind {
  readonly name: string;
  open(web: WebSessions, options?: ServerOptions): Promise<SessionServer>;
}

/** What each path does, whatever the server: the answer is text, or JSON of what is answered. */
const routes: Readonly<
  Record<string, (session: Session, fields: Fields, gate: OpenGate) => Promise<Json> | Json>
> = {
  'GET /': (session) => ({ data: session.toJSON() as Json, userId: session.userId ?? null }),
  'GET /nothing': () => 'nothing',
  'GET /token': (session) => session.csrfToken(),
  'GET /flashes': async (session) => [...(await session.takeFlashes())] as unknown as Json,
  'GET /two-at-once': async (session) => {
    session.set('draft', [1]);
    const draft = session.get('draft') as number[];
    await Promise.all([session.csrfToken(), session.flash({ level: 'info', message: 'a' })]);
    draft.push(2);
    return 'begun';
  },
  'POST /set': (session, { key = '', value = '' }) => {
    session.set(key, value);
    return 'set';
  },
  'POST /remove': (session, { key = '' }) => {
    session.remove(key);
    return 'removed';
  },
  'POST /slow': async (session, { key = '', value = '' }, gate) => {
    gate.enter();
    await gate.released;
    session.set(key, value);
    return 'slow';
  },
  'POST /flash': (session, { message = '' }) => session.flash({ level: 'success', message }),
  'POST /login': async (session, { user = '' }) => {
    await session.login({ userId: user });
    return 'welcome';
  },
  'POST /login-too-large': async (session, { user = '' }) => {
    await session.login({ userId: user });
    session.set('large', 'x'.repeat(2_000));
    return 'welcome';
  },
  'POST /logout': async (session) => {
    await session.logout();
    return 'bye';
  },
  'POST /logout-with-flash': async (session) => {
    await session.logout();
    await session.flash({ level: 'info', message: 'bye' });
    return 'bye';
  },
  'POST /logout-everywhere': async (session) => {
    await session.logoutEverywhere();
    return 'bye';
  },
};

const fastifyKind: ServerKind = {
  name: 'fastify',
  async open(web, options = {}) {
    const gate = openGate();
    const app = Fastify();
    app.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string' },
      (_request, body, done) => {
        done(null, Object.fromEntries(new URLSearchParams(String(body))));
      },
    );
    await app.register(fastifySessions, { web, ...options });
    for (const [route, answer] of Object.entries(routes)) {
      const [method = '', url = ''] = route.split(' ');
      const handler = async (request: FastifyRequest): Promise<string> =>
        textOf(await answer(request.session, (request.body ?? {}) as Fields, gate));
      app.route({ method, url, handler });
    }
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    return { url, close: () => app.close(), slow: gate };
  },
};

const honoKind: ServerKind = {
  name: 'hono',
  async open(web, options = {}) {
    const gate = openGate();
    const app = new Hono().use(honoSessions(web, options)) as unknown as Hono<{
      Variables: { session: Session };
    }>;
    for (const [route, answer] of Object.entries(routes)) {
      const [method = '', path = ''] = route.split(' ');
      app.on(method, path, async (c) => {
        const fields = method === 'POST' ? ((await c.req.parseBody()) as Fields) : {};
        return c.text(textOf(await answer(c.var.session, fields, gate)));
      });
    }
    const serve = getRequestListener(app.fetch);
    const { url, close } = await listening((request, response) => void serve(request, response));
    return { url, close, slow: gate };
  },
};

export const serverKinds: readonly ServerKind[] = [fastifyKind, honoKind];

interface OpenGate extends Gate {
  readonly enter: () => void;
  readonly released: Promise<void>;
}

function openGate(): OpenGate {
  let enter = (): void => {};
  let release = (): void => {};
  const entered = new Promise<void>((resolve) => (enter = resolve));
  const released = new Promise<void>((resolve) => (release = resolve));
  return { entered, enter: () => enter(), released, release: () => release() };
}

function textOf(answer: Json): string {
  return typeof answer === 'string' ? answer : JSON.stringify(answer);
}
