import { afterEach, describe, expect, it } from 'vitest';
import { backends, memoryBackend } from '../storage/backends.js';
import { good } from '../core/answers.js';
import { openWebWorld, type WebWorld } from './web-world.js';
import { type ServerKind, serverKinds, type ServerOptions, type SessionServer } from './session-servers.js';
import { type Visitor, visitor } from './visitor.js';
import type { Backend } from '../storage/backends.js';
import { faultyStorage } from 'ambit/testing';
import type { WebSettings } from 'ambit';

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

interface Site {
  readonly world: WebWorld;
  readonly server: SessionServer;
  readonly visitor: () => Visitor;
}

type SiteOptions = ServerOptions & { web?: WebSettings; world?: WebWorld };

async function openSite(kind: ServerKind, backend: Backend, given: SiteOptions = {}): Promise<Site> {
  const { web, world: ready, ...options } = given;
  const world = ready ?? (await openWebWorld(backend, web));
  const server = await kind.open(world.web, { csrf: false, ...options });
  closing.push(server.close);
  return { world, server, visitor: () => visitor(server.url) };
}

interface Seen {
  readonly data: Record<string, unknown>;
  readonly userId: string | null;
}

async function seenBy(who: Visitor): Promise<Seen> {
  return JSON.parse((await who.get('/')).text) as Seen;
}

async function flashesOf(who: Visitor): Promise<string[]> {
  return (JSON.parse((await who.get('/flashes')).text) as { message: string }[]).map(
    ({ message }) => message,
  );
}

const keyOld = 'an old key of thirty-two characters or more';
const keyNew = 'a new key of thirty-two characters or more!';
const name = '__Host-session';

const onEvery = serverKinds.flatMap((kind) =>
  backends.map((backend) => ({ kind, backend, name: `${kind.name} on '${backend.name}'` })),
);

describe.each(onEvery)('a site: $name', ({ kind, backend }) => {
  it('login, flash after a redirect, requests at once, logout during a slow one, logout everywhere', async () => {
    const site = await openSite(kind, backend);
    const [phone, laptop] = [site.visitor(), site.visitor()];
    await phone.post('/set', { key: 'cart', value: 'apples' });
    const before = phone.cookies.get(name);
    await phone.post('/login', { user: 'ada' });
    expect(phone.cookies.get(name)).not.toBe(before);
    expect(await seenBy(phone)).toEqual({ data: { cart: 'apples' }, userId: 'ada' });
    const thief = site.visitor();
    thief.cookies.set(name, before ?? '');
    expect(await seenBy(thief)).toEqual({ data: {}, userId: null });

    await Promise.all([1, 2, 3].map((count) => phone.post('/flash', { message: `flash ${count}` })));
    expect((await flashesOf(phone)).toSorted()).toEqual(['flash 1', 'flash 2', 'flash 3']);
    expect(await flashesOf(phone)).toEqual([]);

    await Promise.all([1, 2, 3, 4, 5].map((key) => phone.post('/set', { key: `key ${key}`, value: 'x' })));
    expect(Object.keys((await seenBy(phone)).data)).toHaveLength(6);

    await laptop.post('/login', { user: 'ada' });
    const slow = laptop.post('/slow', { key: 'late', value: '1' });
    await site.server.slow.entered;
    await phone.post('/logout-everywhere');
    site.server.slow.release();
    expect(await slow).toMatchObject({ status: 200, text: 'slow', setCookies: [] });
    expect(await seenBy(phone)).toEqual({ data: {}, userId: null });
    expect(await seenBy(laptop)).toEqual({ data: {}, userId: null });
    expect(good(await site.world.web.count()).count).toBe(0);
  });
});

describe.each(serverKinds)('sessions of $name', (kind) => {
  const open = (options: SiteOptions = {}) => openSite(kind, memoryBackend, options);

  it('a visitor for whom there is nothing to keep gets no cookie and no session', async () => {
    const site = await open();
    const ada = site.visitor();
    expect((await ada.get('/nothing')).setCookies).toEqual([]);
    expect((await ada.get('/flashes')).setCookies).toEqual([]);
    await ada.post('/remove', { key: 'none' });
    expect(good(await site.world.web.count()).count).toBe(0);
  });

  it('the cookie is as safe as its attributes allow', async () => {
    const site = await open();
    const ada = site.visitor();
    await ada.post('/set', { key: 'a', value: '1' });
    expect(ada.attributes.get(name)).toBe('Max-Age=86400; Path=/; HttpOnly; Secure; SameSite=Lax');
    const lasting = await open({
      cookie: { persistent: false, domain: 'example.org', name: 'sid', sameSite: 'strict' },
    });
    const bob = lasting.visitor();
    await bob.post('/set', { key: 'a', value: '1' });
    expect(bob.attributes.get('__Secure-sid')).toBe(
      'Path=/; Domain=example.org; HttpOnly; Secure; SameSite=Strict',
    );
  });

  it('its age slides with the session, and an answer that changes nothing sets none', async () => {
    const site = await open({ web: { idleMs: 3_600_000, absoluteMs: 5_400_000, touchAfterPart: 0.1 } });
    const ada = site.visitor();
    await ada.post('/set', { key: 'a', value: '1' });
    site.world.clock.advance(300_000);
    expect((await ada.get('/nothing')).setCookies).toEqual([]);
    site.world.clock.advance(60_000);
    expect((await ada.get('/nothing')).setCookies).toHaveLength(1);
    expect(ada.attributes.get(name)).toMatch(/^Max-Age=3600;/);
    site.world.clock.advance(3_540_000);
    await ada.get('/nothing');
    // Never past the absolute end.
    expect(ada.attributes.get(name)).toMatch(/^Max-Age=1500;/);
    site.world.clock.advance(1_500_000);
    expect((await seenBy(ada)).data).toEqual({});
  });

  it('logout removes the cookie; a flash afterwards begins another session', async () => {
    const site = await open();
    const ada = site.visitor();
    await ada.post('/login', { user: 'ada' });
    const first = ada.cookies.get(name);
    await ada.post('/logout');
    expect(ada.cookies.size).toBe(0);
    await ada.post('/login', { user: 'ada' });
    await ada.post('/logout-with-flash');
    expect(ada.cookies.get(name)).not.toBe(first);
    expect((await seenBy(ada)).userId).toBeNull();
    expect(await flashesOf(ada)).toEqual(['bye']);
  });

  it('a session that begins with two things at once is one, and its draft goes on being changed', async () => {
    const site = await open();
    const ada = site.visitor();
    expect((await ada.get('/two-at-once')).setCookies).toHaveLength(1);
    expect(good(await site.world.web.count()).count).toBe(1);
    expect((await seenBy(ada)).data).toEqual({ draft: [1, 2] });
  });

  it('a login whose data cannot be saved is a login: the error brings the cookie of the new id', async () => {
    const site = await open({ web: { dataBytesMax: 1_000 } });
    const ada = site.visitor();
    await ada.post('/set', { key: 'cart', value: 'apples' });
    const before = ada.cookies.get(name);
    const answer = await ada.post('/login-too-large', { user: 'ada' });
    expect([answer.status, answer.setCookies.length]).toEqual([400, 1]);
    expect(ada.cookies.get(name)).not.toBe(before);
    expect(await seenBy(ada)).toEqual({ data: { cart: 'apples' }, userId: 'ada' });
  });

  it('a cookie ends with its session, whatever flashes there were', async () => {
    const site = await open({ web: { idleMs: 3_600_000, touchAfterPart: 0.1 } });
    const ada = site.visitor();
    await ada.post('/set', { key: 'a', value: '1' });
    let ageMs = 0;
    let endsAtMs = 3_600_000;
    // Each request comes before a touch is due, counted from the one before it.
    for (let times = 0; times < 15; times++) {
      site.world.clock.advance(300_000);
      ageMs += 300_000;
      const answers = [await ada.post('/flash', { message: 'a' }), await ada.get('/flashes')];
      if (answers.some(({ setCookies }) => setCookies.length > 0)) endsAtMs = ageMs + 3_600_000;
      expect(endsAtMs).toBeGreaterThan(ageMs + 2_900_000);
    }
  });

  it('a login with the cookie of an ended session is a login', async () => {
    const site = await open();
    const ada = site.visitor();
    await ada.post('/set', { key: 'cart', value: 'apples' });
    const id = ada.cookies.get(name) ?? '';
    await site.world.web.destroy(id);
    await ada.post('/login', { user: 'ada' });
    expect(await seenBy(ada)).toEqual({ data: {}, userId: 'ada' });
  });

  it('hostile cookies: a fresh session each time, never an adopted id, never a crash', async () => {
    for (const keys of [undefined, [keyNew, keyOld]]) {
      const site = await open({ cookie: keys ? { keys } : {} });
      const [ada, bob] = [site.visitor(), site.visitor()];
      await ada.post('/set', { key: 'who', value: 'ada' });
      await bob.post('/set', { key: 'who', value: 'bob' });
      const mine = ada.cookies.get(name) ?? '';
      const theirs = bob.cookies.get(name) ?? '';
      const unknown = 'A'.repeat(43);
      const hostile = [
        mine.slice(0, 43) + (theirs.slice(43) || '.x'),
        `${mine.slice(0, 43)}.forged`,
        mine.slice(0, -1),
        mine.slice(0, 20),
        `${mine}x`,
        unknown,
        `${unknown}.${'B'.repeat(43)}`,
        'x'.repeat(8_000),
        '',
        '.',
        '%00%0A',
        '__proto__',
        '"quoted"',
      ];
      if (keys) hostile.push(mine.slice(0, 43));
      for (const cookie of hostile) {
        const mallory = site.visitor();
        mallory.cookies.set(name, cookie);
        expect([cookie.slice(0, 50), (await seenBy(mallory)).data]).toEqual([cookie.slice(0, 50), {}]);
        const { status } = await mallory.post('/set', { key: 'who', value: 'mallory' });
        expect(status).toBe(200);
        const given = mallory.cookies.get(name) ?? '';
        expect(given).not.toBe(cookie);
        expect([mine, theirs]).not.toContain(given);
      }
      expect((await seenBy(ada)).data).toEqual({ who: 'ada' });
      expect((await seenBy(bob)).data).toEqual({ who: 'bob' });
      expect(good(await site.world.web.count()).count).toBe(2 + hostile.length);
    }
  });

  it('one of two cookies of the name may have been set by a host above this one', async () => {
    const site = await open();
    const ada = site.visitor();
    await ada.post('/set', { key: 'who', value: 'ada' });
    const cookie = `${name}=${'A'.repeat(43)}; other=1; ${name}=${ada.cookies.get(name)}`;
    const { text } = await site.visitor().get('/', { cookie });
    expect((JSON.parse(text) as Seen).data).toEqual({ who: 'ada' });
  });

  it('keys rotate: an older one still verifies, and its cookie is set anew', async () => {
    const world = await openWebWorld(memoryBackend);
    const old = await open({ world, cookie: { keys: keyOld } });
    const ada = old.visitor();
    await ada.post('/set', { key: 'who', value: 'ada' });
    const before = ada.cookies.get(name) ?? '';
    const both = await open({ world, cookie: { keys: [keyNew, keyOld] } });
    const again = both.visitor();
    again.cookies.set(name, before);
    expect((await seenBy(again)).data).toEqual({ who: 'ada' });
    const after = again.cookies.get(name) ?? '';
    expect(after.slice(0, 43)).toBe(before.slice(0, 43));
    expect(after).not.toBe(before);
    const without = await open({ world, cookie: { keys: [keyNew] } });
    for (const [cookie, data] of [
      [before, {}],
      [after, { who: 'ada' }],
    ] as const) {
      const later = without.visitor();
      later.cookies.set(name, cookie);
      expect((await seenBy(later)).data).toEqual(data);
    }
    // Signed for a cookie of another name.
    const other = await open({ world, cookie: { keys: [keyNew], name: 'other' } });
    const confused = other.visitor();
    confused.cookies.set('__Host-other', after);
    expect((await seenBy(confused)).data).toEqual({});
  });

  it('what changes something needs a token of its session, in the header or the form', async () => {
    const site = await open({ csrf: true });
    const [ada, bob] = [site.visitor(), site.visitor()];
    expect((await ada.post('/login', { user: 'ada' })).status).toBe(403);
    const tab1 = (await ada.get('/token')).text;
    const tab2 = (await ada.get('/token')).text;
    const theirs = (await bob.get('/token')).text;
    expect(new Set([tab1, tab2, theirs]).size).toBe(3);
    const set = { key: 'a', value: '1' };
    for (const token of [
      '',
      'x',
      theirs,
      tab1.slice(0, -1),
      `${tab1}x`,
      'A'.repeat(67),
      tab1.toLowerCase(),
    ]) {
      expect((await ada.post('/set', { ...set, _csrf: token })).status).toBe(403);
      expect((await ada.post('/set', set, { 'x-csrf-token': token })).status).toBe(403);
    }
    expect((await ada.post('/set', set)).status).toBe(403);
    expect((await seenBy(ada)).data).toEqual({});
    expect((await ada.post('/set', { ...set, _csrf: tab1 })).text).toBe('set');
    expect((await ada.post('/set', { key: 'b', value: '1' }, { 'x-csrf-token': tab2 })).text).toBe('set');
    expect((await ada.post('/set', { ...set, _csrf: tab1 })).text).toBe('set');
    expect((await seenBy(ada)).data).toEqual({ a: '1', b: '1' });
    // They end with the id.
    expect((await ada.post('/login', { user: 'ada', _csrf: tab1 })).status).toBe(200);
    expect((await ada.post('/set', { ...set, _csrf: tab1 })).status).toBe(403);
    expect((await ada.post('/set', { ...set, _csrf: (await ada.get('/token')).text })).status).toBe(200);
  });

  it('what cannot be saved is answered as an error: too large, changed meanwhile, no store', async () => {
    let down = false;
    const world = await openWebWorld(memoryBackend, { dataBytesMax: 1_000, conflict: 'refuse' }, (storage) =>
      faultyStorage(storage, () => (down ? { fate: 'refused' } : undefined), {
        capabilities: { sharing: 'network', immediate: false },
      }),
    );
    const site = await open({ world });
    const ada = site.visitor();
    await ada.post('/set', { key: 'a', value: '1' });
    const large = await ada.post('/set', { key: 'a', value: 'x'.repeat(2_000) });
    expect([large.status, large.text]).toEqual([400, expect.stringContaining('data would be')]);
    const slow = ada.post('/slow', { key: 'a', value: 'late' });
    await site.server.slow.entered;
    await ada.post('/set', { key: 'a', value: '2' });
    site.server.slow.release();
    expect((await slow).status).toBe(409);
    down = true;
    expect((await ada.get('/')).status).toBe(503);
    down = false;
    expect((await seenBy(ada)).data).toEqual({ a: '2' });
  });

  it('wants the web of an open Ambit, and a cookie that browsers take', async () => {
    await expect(kind.open({} as never)).rejects.toThrow(TypeError);
    const { web } = await openWebWorld(memoryBackend);
    await expect(kind.open(web, { cookie: { sameSite: 'none', secure: false } })).rejects.toThrow('sameSite');
  });
});
