import { type ExpressStoreOptions, expressStore } from 'ambit/express';
import { afterEach, describe, expect, it } from 'vitest';
import { good } from '../core/answers.js';
import { openWebWorld, type WebWorld } from './web-world.js';
import { listening, type Visitor, visitor } from './visitor.js';
import type { Backend } from '../storage/backends.js';
import { backends, memoryBackend } from '../storage/backends.js';
import express, { type ErrorRequestHandler, type Request } from 'express';
import { faultyStorage } from 'ambit/testing';
import session, { type SessionOptions } from 'express-session';
import type { WebSettings } from '../../src/web/web-types.js';

declare module 'express-session' {
  interface SessionData {
    userId?: string;
    [key: string]: unknown;
  }
}

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

interface Site {
  readonly world: WebWorld;
  readonly store: ReturnType<typeof expressStore>;
  readonly visitor: () => Visitor;
  /** Errors that reached the app's handler. */
  readonly errors: unknown[];
  /** Lets the request under /slow go on once it has loaded its session. */
  readonly slow: { entered: Promise<void>; release: () => void };
}

/** A server whose requests do what their path says. */
async function openSite(
  backend: Backend,
  given: Partial<SessionOptions> & {
    web?: WebSettings;
    storeOptions?: ExpressStoreOptions;
    world?: WebWorld;
  } = {},
): Promise<Site> {
  const { web, storeOptions, world: ready, ...options } = given;
  const world = ready ?? (await openWebWorld(backend, web));
  const store = expressStore(world.web, storeOptions);
  const errors: unknown[] = [];
  let enter = (): void => {};
  let release = (): void => {};
  const entered = new Promise<void>((resolve) => (enter = resolve));
  const released = new Promise<void>((resolve) => (release = resolve));
  const app = express();
  app.use(
    session({ secret: 'a secret of tests', resave: false, saveUninitialized: false, store, ...options }),
  );
  app.get('/set/:key/:value', (req, res) => {
    req.session[req.params.key] = req.params.value;
    res.send('set');
  });
  app.get('/slow/:key/:value', (req, res) => {
    enter();
    void released.then(() => {
      req.session[req.params.key] = req.params.value;
      res.send('slow');
    });
  });
  app.get('/slow-look', (_req, res) => {
    enter();
    void released.then(() => res.send('looked'));
  });
  app.get('/remember/:ms', (req, res) => {
    req.session.cookie.maxAge = Number(req.params.ms);
    res.send('remembered');
  });
  app.get('/second-try', (req, res) => {
    req.session['text'] = 'x'.repeat(2_000);
    req.session.save((error?: { code?: string }) => {
      req.session['text'] = 'short';
      res.send(error?.code ?? 'saved');
    });
  });
  app.get('/slow-save', (req, res) => {
    enter();
    void released.then(() => {
      req.session['late'] = true;
      req.session.save((error?: { code?: string }) => res.send(error?.code ?? 'saved'));
    });
  });
  app.get('/login/:user', (req, res, next) => {
    req.session.regenerate((error: unknown) => {
      if (error) return next(error);
      req.session.userId = req.params.user;
      res.send(req.sessionID);
    });
  });
  app.get('/logout', (req, res, next) => {
    req.session.destroy((error: unknown) => (error ? next(error) : res.send('bye')));
  });
  app.get('/data', (req, res) => {
    const { cookie: _cookie, ...data } = req.session;
    res.json({ id: req.sessionID, data });
  });
  const onError: ErrorRequestHandler = (error: unknown, _req: Request, res, next) => {
    errors.push(error);
    if (res.headersSent) return next(error);
    res.status((error as { status?: number }).status ?? 500).send((error as Error).message);
  };
  app.use(onError);
  const { url, close } = await listening(app);
  closing.push(close);
  return { world, store, errors, visitor: () => visitor(url), slow: { entered, release } };
}

async function dataOf(who: Visitor): Promise<Record<string, unknown>> {
  return (JSON.parse((await who.get('/data')).text) as { data: Record<string, unknown> }).data;
}

/** One call of the store, as a promise. */
function asked<T>(call: (done: (error: unknown, value?: T) => void) => void): Promise<T | undefined> {
  return new Promise((resolve, reject) =>
    call((error, value) => (error ? reject(new Error('refused', { cause: error })) : resolve(value))),
  );
}

describe.each(backends)('the Express store on $name', (backend) => {
  it('two requests at once, each with its own key: both survive', async () => {
    const site = await openSite(backend);
    const ada = site.visitor();
    await ada.get('/set/first/1');
    const slow = ada.get('/slow/slow/1');
    await site.slow.entered;
    await ada.get('/set/quick/1');
    site.slow.release();
    expect((await slow).text).toBe('slow');
    expect(await dataOf(ada)).toEqual({ first: '1', slow: '1', quick: '1' });
    expect(site.errors).toEqual([]);
  });

  it('logout during a slow request: the session stays gone, and the answer arrives whole', async () => {
    const site = await openSite(backend);
    const ada = site.visitor();
    await ada.get('/set/first/1');
    const slow = ada.get('/slow/slow/1');
    await site.slow.entered;
    await ada.get('/logout');
    site.slow.release();
    expect(await slow).toMatchObject({ status: 200, text: 'slow' });
    expect(await dataOf(ada)).toEqual({});
    expect(good(await site.world.web.count()).count).toBe(0);
    expect(site.errors).toEqual([]);
  });

  it('a handler that asks for the save is told that the session is gone', async () => {
    const site = await openSite(backend);
    const ada = site.visitor();
    await ada.get('/set/first/1');
    const slow = ada.get('/slow-save');
    await site.slow.entered;
    await ada.get('/logout');
    site.slow.release();
    expect((await slow).text).toBe('SESSION_NOT_FOUND');
    expect(good(await site.world.web.count()).count).toBe(0);
  });

  it('login rotates the id, and the old one is dead', async () => {
    const site = await openSite(backend);
    const ada = site.visitor();
    await ada.get('/set/first/1');
    const before = new Map(ada.cookies);
    await ada.get('/login/ada');
    expect(ada.cookies.get('connect.sid')).not.toBe(before.get('connect.sid'));
    expect(await dataOf(ada)).toEqual({ userId: 'ada' });
    const thief = site.visitor();
    for (const [name, value] of before) thief.cookies.set(name, value);
    expect(await dataOf(thief)).toEqual({});
  });

  it('knows whose a session is, where it is told, and ends all of a user', async () => {
    const site = await openSite(backend, {
      storeOptions: { userOf: ({ userId }) => (userId === undefined ? undefined : { userId }) },
    });
    const [phone, laptop, bob] = [site.visitor(), site.visitor(), site.visitor()];
    await phone.get('/login/ada');
    const id = (await laptop.get('/login/ada')).text;
    await bob.get('/login/bob');
    expect(good(await site.world.web.listForUser('ada')).sessions).toHaveLength(2);
    good(await site.world.web.destroyAllForUser('ada', { except: id }));
    expect(await dataOf(phone)).toEqual({});
    expect(await dataOf(laptop)).toEqual({ userId: 'ada' });
    expect(await dataOf(bob)).toEqual({ userId: 'bob' });
  });

  it('a session lives as long as its cookie, to the millisecond, and a touch prolongs it', async () => {
    const site = await openSite(backend, { cookie: { maxAge: 100_000 } });
    const ada = site.visitor();
    await ada.get('/set/first/1');
    for (let times = 0; times < 3; times++) {
      site.world.clock.advance(90_000);
      expect(await dataOf(ada)).toEqual({ first: '1' });
    }
    // The time that the handler took is what may be missing of it.
    site.world.clock.advance(60_000);
    expect(await dataOf(ada)).toEqual({ first: '1' });
    site.world.clock.advance(100_000);
    expect(await dataOf(ada)).toEqual({});
  });

  it('hostile cookies: a fresh session each time, never an adopted id', async () => {
    const site = await openSite(backend, { saveUninitialized: true });
    const [ada, bob] = [site.visitor(), site.visitor()];
    await ada.get('/set/who/ada');
    await bob.get('/set/who/bob');
    const mine = ada.cookies.get('connect.sid') ?? '';
    const theirs = bob.cookies.get('connect.sid') ?? '';
    const [id, signature] = [mine.slice(0, mine.indexOf('.')), theirs.slice(theirs.indexOf('.'))];
    const hostile = [
      id + signature,
      `${id}.forged`,
      mine.slice(0, -3),
      mine.slice(0, 20),
      id.slice(4),
      `s%3A${'x'.repeat(8_000)}.y`,
      's%3A.',
      '%',
      '%00%0A',
      's%3Aunknown-id.x',
      '__proto__',
    ];
    for (const cookie of hostile) {
      const mallory = site.visitor();
      mallory.cookies.set('connect.sid', cookie);
      const { status, text } = await mallory.get('/data');
      expect([cookie.slice(0, 30), status]).toEqual([cookie.slice(0, 30), 200]);
      const answer = JSON.parse(text) as { id: string; data: object };
      expect(answer.data).toEqual({});
      expect(cookie).not.toContain(answer.id);
    }
    expect(await dataOf(ada)).toEqual({ who: 'ada' });
    expect(good(await site.world.web.count()).count).toBe(2 + hostile.length);
  });

  it('a signed id that the store does not hold is not adopted', async () => {
    const site = await openSite(backend);
    const ada = site.visitor();
    await ada.get('/set/who/ada');
    const cookie = ada.cookies.get('connect.sid') ?? '';
    good(await site.world.web.clear());
    const { text } = await ada.get('/set/who/again');
    expect(text).toBe('set');
    expect(ada.cookies.get('connect.sid')).not.toBe(cookie);
    expect(good(await site.world.web.count()).count).toBe(1);
  });
});

describe('the calls of the Express store', () => {
  it('the same key, where that is refused: the handler’s save is told', async () => {
    const site = await openSite(memoryBackend, { web: { conflict: 'refuse' } });
    const ada = site.visitor();
    await ada.get('/set/key/0');
    const slow = ada.get('/slow-save');
    await site.slow.entered;
    await ada.get('/set/late/quick');
    site.slow.release();
    expect((await slow).text).toBe('SESSION_CHANGED');
    expect(await dataOf(ada)).toEqual({ key: '0', late: 'quick' });
  });

  it('a first save that was refused is made up for at the end of the response', async () => {
    const site = await openSite(memoryBackend, { web: { dataBytesMax: 1_000 } });
    const ada = site.visitor();
    expect(await ada.get('/second-try')).toMatchObject({ status: 200, text: 'INVALID_INPUT' });
    expect(await dataOf(ada)).toEqual({ text: 'short' });
    expect(site.errors).toEqual([]);
  });

  it('a first save whose reply was lost is repeated in its own place', async () => {
    let lost = false;
    let down = false;
    const world = await openWebWorld(memoryBackend, {}, (storage) =>
      faultyStorage(
        storage,
        ({ method }) => {
          if (down) return { fate: 'refused' };
          if (!lost || method !== 'commit') return undefined;
          // Nor can anybody look what became of it.
          down = true;
          return { fate: 'reply-lost' };
        },
        { capabilities: { sharing: 'network', immediate: false } },
      ),
    );
    const { store } = await openSite(memoryBackend, { world });
    const made = { cookie: { originalMaxAge: null }, a: 1 };
    Object.defineProperty(made, 'req', { value: { sessionStore: store } });
    lost = true;
    await expect(asked((done) => store.set('one', made as never, done))).rejects.toMatchObject({
      cause: { refusal: { code: 'STORAGE_UNAVAILABLE', outcome: 'unknown' } },
    });
    [lost, down] = [false, false];
    expect(good(await world.web.count()).count).toBe(1);
    Object.assign(made, { a: 2 });
    await asked((done) => store.set('one', made as never, done));
    expect(await asked<object | null>((done) => store.get('one', done))).toMatchObject({ a: 2 });
  });

  it.each(['/slow-look', '/slow/late/1'])('%s does not undo another request’s maxAge', async (path) => {
    const site = await openSite(memoryBackend, { cookie: { maxAge: 100_000 } });
    const ada = site.visitor();
    await ada.get('/set/key/0');
    const slow = ada.get(path);
    await site.slow.entered;
    await ada.get('/remember/1000000');
    site.slow.release();
    expect((await slow).status).toBe(200);
    site.world.clock.advance(500_000);
    expect(await dataOf(ada)).toMatchObject({ key: '0' });
    // Nor does it stand in the way of its own.
    await ada.get('/remember/50000');
    site.world.clock.advance(60_000);
    expect(await dataOf(ada)).toEqual({});
  });

  it('a new session takes nobody’s place, whatever makes the ids', async () => {
    const site = await openSite(memoryBackend, { genid: () => 'always-the-same' });
    const [ada, mallory] = [site.visitor(), site.visitor()];
    await ada.get('/set/who/ada');
    await mallory.get('/set/who/mallory');
    expect(await dataOf(ada)).toEqual({ who: 'ada' });
    // Express tells it once the answer is on its way.
    await expect.poll(() => site.errors).toMatchObject([{ code: 'INVALID_INPUT', refusal: { field: 'id' } }]);
  });

  it('a store that does not answer is an error with a code, and nobody is let in', async () => {
    let down = false;
    const world = await openWebWorld(memoryBackend, {}, (storage) =>
      faultyStorage(storage, () => (down ? { fate: 'refused' } : undefined), {
        capabilities: { sharing: 'network', immediate: false },
      }),
    );
    const site = await openSite(memoryBackend, { world });
    const ada = site.visitor();
    await ada.get('/set/key/0');
    down = true;
    expect((await ada.get('/data')).status).toBe(503);
    expect(site.errors).toMatchObject([{ code: 'STORAGE_UNAVAILABLE', status: 503 }]);
    down = false;
    expect(await dataOf(ada)).toEqual({ key: '0' });
  });

  it('get, set, touch, destroy, all, length, clear', async () => {
    const { store } = await openSite(memoryBackend);
    const cookie = { originalMaxAge: null, path: '/', httpOnly: true };
    const put = (id: string, data: object) => asked((done) => store.set(id, { cookie, ...data }, done));
    const got = (id: string) => asked<object | null>((done) => store.get(id, done));
    await put('one', { a: 1 });
    await put('two', { b: { c: 2 } });
    // By hand: it replaces what is there.
    await put('one', { d: 4 });
    expect(await got('one')).toEqual({ cookie, d: 4 });
    expect(await got('none')).toBeNull();
    const loaded = (await got('two')) as { b: { c: number } };
    loaded.b.c = 3;
    expect(await got('two')).toMatchObject({ b: { c: 2 } });
    await asked((done) => store.set('two', loaded as never, done));
    expect(await got('two')).toMatchObject({ b: { c: 3 } });
    const all = await asked<object | null>((done) => store.all(done));
    expect(Object.values(all ?? {})).toHaveLength(2);
    expect(await asked((done) => store.length(done))).toBe(2);
    await asked((done) => store.touch('none', { cookie }, () => done(null)));
    expect(await got('none')).toBeNull();
    await asked((done) => store.destroy('two', done));
    expect(await got('two')).toBeNull();
    await asked((done) => store.clear(done));
    expect(await asked((done) => store.length(done))).toBe(0);
    // A session that is over when it comes is not kept.
    await put('one', { cookie: { ...cookie, expires: new Date(0) } });
    expect(await got('one')).toBeNull();
  });

  it('what a callback throws reaches the process, and no promise', async () => {
    const { store } = await openSite(memoryBackend);
    const uncaught = new Promise<unknown>((resolve) => {
      const others = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException');
      process.once('uncaughtException', (error) => {
        for (const other of others) process.on('uncaughtException', other);
        resolve(error);
      });
    });
    store.get('any', () => {
      throw new Error('boom');
    });
    expect(await uncaught).toMatchObject({ message: 'boom' });
  });

  it('wants the web of an open Ambit', () => {
    expect(() => expressStore({} as never)).toThrow(TypeError);
  });
});
