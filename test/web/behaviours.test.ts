import { codeOf, good } from '../core/answers.js';
import { begun, lives, loaded, openWebWorld } from './web-world.js';
import { describe, expect, it } from 'vitest';
import { dayMs, hourMs, minuteMs, secondMs } from '../../src/core/time.js';
import { backends } from '../storage/backends.js';
import type { Flash } from '../../src/web/web-types.js';

interface Shop {
  cart: string[];
  theme: 'dark' | 'light';
  visits: number;
}

/** What users of web sessions were promised, on every backend. */
describe.each(backends)('web sessions on $name', (backend) => {
  describe('data', () => {
    it('saved loads back typed, also after a reopen', async () => {
      const world = await openWebWorld(backend);
      const session = await begun<Shop>(world, { data: { cart: ['apples'], visits: 1 } });
      session.set('theme', 'dark');
      session.get('cart')?.push('pears');
      session.remove('visits');
      expect(session.changed).toBe(true);
      good(await world.web.save(session));
      expect(session.changed).toBe(false);
      const isLasting = world.storage.capabilities.durability.level !== 'none';
      const after = isLasting ? await world.reopen() : world;
      const again = await loaded<Shop>(after, session.id);
      expect(again.toJSON()).toEqual({ cart: ['apples', 'pears'], theme: 'dark' });
      expect(again.get('cart')).toEqual(['apples', 'pears']);
      expect(again.get('visits')).toBeUndefined();
    });

    it('an unknown id loads nothing; after destroy it loads nothing', async () => {
      const world = await openWebWorld(backend);
      expect(codeOf(await world.web.load('nobody-has-this-id'))).toBe('SESSION_NOT_FOUND');
      expect(codeOf(await world.web.load(''))).toBe('SESSION_NOT_FOUND');
      const { id } = await begun(world);
      expect(await world.web.destroy(id)).toEqual({ ok: true, destroyed: true });
      expect(codeOf(await world.web.load(id))).toBe('SESSION_NOT_FOUND');
      expect(await world.web.destroy(id)).toEqual({ ok: true, destroyed: false });
    });

    it('a key named like a method, or __proto__, is a key like any other', async () => {
      const world = await openWebWorld(backend);
      const session = await begun(world);
      expect(session.get('toString')).toBeUndefined();
      session.set('__proto__', { admin: true });
      session.set('constructor', 1);
      good(await world.web.save(session));
      const again = await loaded(world, session.id);
      expect(again.get('__proto__')).toEqual({ admin: true });
      expect(again.get('constructor')).toBe(1);
      expect(again.get('admin')).toBeUndefined();
    });

    it('is what it was at the save, whatever becomes of the object afterwards', async () => {
      const world = await openWebWorld(backend);
      const session = await begun(world);
      const list = [1];
      session.set('list', list);
      good(await world.web.save(session));
      list.push(2);
      expect((await loaded(world, session.id)).get('list')).toEqual([1]);
      good(await world.web.save(session));
      expect((await loaded(world, session.id)).get('list')).toEqual([1, 2]);
    });

    it('data over its bound is refused and says by how much; what was there stays', async () => {
      const world = await openWebWorld(backend, { dataBytesMax: 1_000 });
      const session = await begun(world, { data: { a: 1 } });
      session.set('text', 'ü'.repeat(500));
      const answer = await world.web.save(session);
      expect(answer).toMatchObject({
        refusal: { code: 'INVALID_INPUT', field: 'data', limit: 1_000, used: 1_017, retryable: false },
      });
      expect((await loaded(world, session.id)).toJSON()).toEqual({ a: 1 });
      const created = await world.web.create({ data: { text: 'x'.repeat(1_000) } });
      expect(codeOf(created)).toBe('INVALID_INPUT');
    });

    it('two halves that fit alone are refused where their sum does not', async () => {
      const world = await openWebWorld(backend, { dataBytesMax: 1_000 });
      const { id } = await begun(world);
      const [one, two] = [await loaded(world, id), await loaded(world, id)];
      one.set('one', 'x'.repeat(600));
      two.set('two', 'x'.repeat(600));
      good(await world.web.save(one));
      expect(codeOf(await world.web.save(two))).toBe('INVALID_INPUT');
    });

    it('what is no JSON throws', async () => {
      const world = await openWebWorld(backend);
      const session = await begun(world);
      session.set('call', (() => 1) as never);
      await expect(world.web.save(session)).rejects.toThrow(TypeError);
      await expect(world.web.load(7 as never)).rejects.toThrow(TypeError);
      await expect(world.web.takeFlashes(7 as never)).rejects.toThrow(TypeError);
    });
  });

  describe('flashes', () => {
    it('are taken in order with their levels and titles, then none are left', async () => {
      const world = await openWebWorld(backend);
      const { id } = await begun(world);
      const flashes: Flash[] = [
        { level: 'success', message: 'Saved' },
        { level: 'error', title: 'Sorry', message: 'Not sent' },
        { level: 'info', message: 'a' },
        { level: 'warning', message: 'b' },
      ];
      for (const flash of flashes)
        expect(await world.web.addFlash(id, flash)).toEqual({ ok: true, added: true });
      expect((await loaded(world, id)).flashes).toEqual(flashes);
      expect(await world.web.takeFlashes(id)).toEqual({ ok: true, flashes });
      expect(await world.web.takeFlashes(id)).toEqual({ ok: true, flashes: [] });
    });

    it('for an unknown id are not added', async () => {
      const world = await openWebWorld(backend);
      const none = await world.web.addFlash('unknown', { level: 'info', message: 'a' });
      expect(none).toEqual({ ok: true, added: false });
      expect(await world.web.takeFlashes('unknown')).toEqual({ ok: true, flashes: [] });
      expect(good(await world.web.count()).count).toBe(0);
    });

    it('are bounded in number and size, and have a level that exists', async () => {
      const world = await openWebWorld(backend);
      const { id } = await begun(world);
      const flash = { level: 'info', message: 'a' } as const;
      await Promise.all(Array.from({ length: 100 }, () => world.web.addFlash(id, flash)));
      expect(await world.web.addFlash(id, flash)).toMatchObject({
        refusal: { field: 'flashes', limit: 100 },
      });
      const long = { ...flash, message: 'x'.repeat(5_000) };
      expect(await world.web.addFlash(id, long)).toMatchObject({ refusal: { field: 'message' } });
      const odd = { level: 'loud', message: 'a' } as never;
      expect(await world.web.addFlash(id, odd)).toMatchObject({ refusal: { field: 'level' } });
    });
  });

  describe('time', () => {
    it('an expired session does not load, and is gone after a sweep', async () => {
      const world = await openWebWorld(backend, { idleMs: 2 * secondMs });
      const { id } = await begun(world);
      const other = await begun(world);
      world.clock.advance(1_999);
      expect(await lives(world, id)).toBe(true);
      good(await world.web.load(other.id));
      world.clock.advance(1);
      expect(await lives(world, id)).toBe(false);
      expect(await lives(world, other.id)).toBe(true);
      good(await world.web.sweep());
      world.clock.advance(10 * dayMs);
      // Whatever a store elsewhere remembers of the one that was asked for has gone in between.
      good(await world.web.sweep());
      expect(good(await world.web.count()).count).toBe(0);
    });

    it('a sweep says how many sessions it deleted', async () => {
      const world = await openWebWorld(backend, { idleMs: 2 * secondMs });
      for (let count = 0; count < 3; count++) await begun(world, { user: { userId: 'ada' } });
      const alive = await begun(world);
      world.clock.advance(1_999);
      good(await world.web.load(alive.id));
      world.clock.advance(1);
      expect(await world.web.sweep()).toEqual({ ok: true, sessions: 3 });
      expect(await world.web.sweep()).toEqual({ ok: true, sessions: 0 });
      expect(await lives(world, alive.id)).toBe(true);
    });

    it('a load extends the expiry', async () => {
      const world = await openWebWorld(backend, { idleMs: 10 * secondMs });
      const session = await begun(world);
      for (let times = 0; times < 5; times++) {
        world.clock.advance(9 * secondMs);
        const answer = good(await world.web.load(session.id));
        expect(answer.touched).toBe(true);
        expect(answer.session.expiresAtMs).toBe(world.clock() + 10 * secondMs);
        expect(answer.session.expiresInMs).toBe(10 * secondMs);
      }
    });

    it('a touch is written only when a part of the lifetime is gone', async () => {
      const world = await openWebWorld(backend, { idleMs: hourMs, touchAfterPart: 0.1 });
      const session = await begun(world);
      world.clock.advance(6 * minuteMs - 1);
      const early = good(await world.web.load(session.id));
      expect(early.touched).toBe(false);
      expect(early.session.expiresAtMs).toBe(session.expiresAtMs);
      world.clock.advance(1);
      const due = good(await world.web.load(session.id));
      expect(due.touched).toBe(true);
      expect(due.session.expiresAtMs).toBe(world.clock() + hourMs);
    });

    it('a load without a touch extends nothing', async () => {
      const world = await openWebWorld(backend, { idleMs: 10 * secondMs });
      const { id } = await begun(world);
      world.clock.advance(9 * secondMs);
      expect(good(await world.web.load(id, { touch: false })).touched).toBe(false);
      world.clock.advance(secondMs);
      expect(await lives(world, id)).toBe(false);
    });

    it('a renewed session is not swept by its old expiry; a flash renews none', async () => {
      const world = await openWebWorld(backend, { idleMs: 10 * secondMs });
      const [renewed, saved, flashed, left] = [
        await begun(world),
        await begun(world),
        await begun(world),
        await begun(world),
      ];
      world.clock.advance(9 * secondMs);
      good(await world.web.load(renewed.id));
      saved.set('a', 1);
      good(await world.web.save(saved));
      good(await world.web.addFlash(flashed.id, { level: 'info', message: 'a' }));
      world.clock.advance(9 * secondMs);
      expect(good(await world.web.sweep()).sessions).toBe(2);
      expect(await lives(world, renewed.id)).toBe(true);
      expect(await lives(world, saved.id)).toBe(true);
      expect(await lives(world, flashed.id)).toBe(false);
      expect(await lives(world, left.id)).toBe(false);
    });

    it('the absolute end comes however busy the session is', async () => {
      const world = await openWebWorld(backend, { idleMs: hourMs, absoluteMs: 3 * hourMs });
      const session = await begun(world);
      for (let times = 0; times < 5; times++) {
        world.clock.advance(30 * minuteMs);
        good(await world.web.load(session.id));
      }
      expect((await loaded(world, session.id)).expiresAtMs).toBe(session.absoluteExpiresAtMs);
      world.clock.advance(30 * minuteMs - 1);
      expect(await lives(world, session.id)).toBe(true);
      world.clock.advance(1);
      expect(await lives(world, session.id)).toBe(false);
    });

    it('a clock that steps back reopens nothing that was seen expired, and shortens nothing', async () => {
      const world = await openWebWorld(backend, { idleMs: hourMs });
      const [dead, alive] = [await begun(world), await begun(world)];
      world.clock.advance(hourMs - 1);
      good(await world.web.load(alive.id));
      world.clock.advance(1);
      expect(await lives(world, dead.id)).toBe(false);
      world.clock.advance(-2 * hourMs);
      expect(await lives(world, dead.id)).toBe(false);
      const back = good(await world.web.load(alive.id)).session;
      expect(back.expiresAtMs).toBeGreaterThan(world.clock() + hourMs);
    });
  });

  describe('ids', () => {
    it('a login as another user takes over nothing but what its own request changed', async () => {
      const world = await openWebWorld(backend, { conflict: 'refuse' });
      const { id } = await begun(world, {
        user: { userId: 'ada' },
        data: { cart: ['apples'], theme: 'dark' },
      });
      good(await world.web.addFlash(id, { level: 'info', message: 'for Ada' }));
      const session = await loaded(world, id);
      expect(session.get('cart')).toEqual(['apples']);
      session.set('seen', true);
      good(await world.web.regenerate(session, { user: { userId: 'bob' } }));
      expect([session.userId, session.toJSON(), session.flashes]).toEqual(['bob', { seen: true }, []]);
      const again = await loaded(world, session.id);
      expect([again.userId, again.toJSON(), again.flashes]).toEqual(['bob', { seen: true }, []]);
      expect(good(await world.web.listForUser('ada')).sessions).toEqual([]);
      // Who logs in again keeps what they had.
      good(await world.web.addFlash(session.id, { level: 'info', message: 'for Bob' }));
      good(await world.web.regenerate(again, { user: { userId: 'bob' } }));
      expect((await loaded(world, again.id)).toJSON()).toEqual({ seen: true });
      expect(good(await world.web.takeFlashes(again.id)).flashes).toHaveLength(1);
    });

    it('login rotates the id: the old one is dead, data and flashes are kept', async () => {
      const world = await openWebWorld(backend);
      const session = await begun(world, { data: { cart: ['apples'] } });
      const old = session.id;
      good(await world.web.addFlash(old, { level: 'success', message: 'Welcome' }));
      session.set('step', 2);
      good(await world.web.regenerate(session, { user: { userId: 'ada', userName: 'Ada' } }));
      expect(session.id).not.toBe(old);
      expect(await lives(world, old)).toBe(false);
      const again = await loaded(world, session.id);
      expect(again.toJSON()).toEqual({ cart: ['apples'], step: 2 });
      expect(again).toMatchObject({ userId: 'ada', userName: 'Ada' });
      expect(good(await world.web.takeFlashes(session.id)).flashes).toHaveLength(1);
      expect(codeOf(await world.web.addFlash(old, { level: 'info', message: 'late' }))).toBe('ok');
      expect(await world.web.addFlash(old, { level: 'info', message: 'late' })).toMatchObject({
        added: false,
      });
    });

    it('a new id alone prolongs no absolute lifetime; a login begins one', async () => {
      const world = await openWebWorld(backend, { absoluteMs: dayMs });
      const session = await begun(world);
      const end = session.absoluteExpiresAtMs;
      world.clock.advance(hourMs);
      good(await world.web.regenerate(session));
      expect(session.absoluteExpiresAtMs).toBe(end);
      good(await world.web.regenerate(session, { user: { userId: 'ada' } }));
      expect(session.absoluteExpiresAtMs).toBe(end + hourMs);
      good(await world.web.regenerate(session, { user: null }));
      expect(session.userId).toBeUndefined();
      expect(session.absoluteExpiresAtMs).toBe(end + hourMs);
    });

    it('are random, and the id is nowhere in the store', async () => {
      const world = await openWebWorld(backend);
      const ids = await Promise.all(Array.from({ length: 50 }, async () => (await begun(world)).id));
      expect(new Set(ids).size).toBe(50);
      for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9_-]{43}$/);
      const { records } = await world.storage.range({
        start: '' as never,
        end: '\u{10ffff}' as never,
        limit: 1_000,
      });
      expect(records.length).toBeGreaterThanOrEqual(50);
      const everything = records.map(({ key, value }) => `${key} ${value.text}`).join('\n');
      expect(ids.filter((id) => everything.includes(id))).toEqual([]);
    });
  });

  describe('users', () => {
    it('their sessions are listed newest first, in pages, without what has ended', async () => {
      const world = await openWebWorld(backend);
      const user = { userId: 'ada', userName: 'Ada' };
      const sessions = [];
      for (let count = 0; count < 7; count++) {
        sessions.push(await begun(world, { user }));
        world.clock.advance(1);
      }
      await begun(world, { user: { userId: 'bob' } });
      await begun(world);
      good(await world.web.destroy(sessions[3]?.id ?? ''));
      const first = good(await world.web.listForUser('ada', { limit: 4 }));
      expect(first.cursor).toBeTypeOf('string');
      const rest = good(await world.web.listForUser('ada', { limit: 4, cursor: first.cursor ?? '' }));
      const listed = [...first.sessions, ...rest.sessions];
      const expected = sessions.filter((_session, index) => index !== 3).toReversed();
      expect(listed.map(({ createdAtMs }) => createdAtMs)).toEqual(
        expected.map(({ createdAtMs }) => createdAtMs),
      );
      expect(rest.cursor).toBeUndefined();
      const handle = listed[0]?.handle ?? '';
      expect(await world.web.destroyListed('bob', handle)).toEqual({ ok: true, destroyed: false });
      expect(await world.web.destroyListed('ada', handle)).toEqual({ ok: true, destroyed: true });
      expect(await lives(world, expected[0]?.id ?? '')).toBe(false);
      expect(await lives(world, handle)).toBe(false);
    });

    it('all sessions of a user end at one instant, and nobody else’s', async () => {
      const world = await openWebWorld(backend);
      const user = { userId: 'ada' };
      const [one, two, kept] = [
        await begun(world, { user }),
        await begun(world, { user }),
        await begun(world, { user }),
      ];
      const [bob, nobody] = [await begun(world, { user: { userId: 'bob' } }), await begun(world)];
      const slow = await loaded(world, one.id);
      good(await world.web.addFlash(two.id, { level: 'info', message: 'a' }));
      good(await world.web.destroyAllForUser('ada', { except: kept.id }));
      slow.set('late', true);
      expect(codeOf(await world.web.save(slow))).toBe('SESSION_NOT_FOUND');
      expect(codeOf(await world.web.regenerate(slow))).toBe('SESSION_NOT_FOUND');
      expect(good(await world.web.takeFlashes(two.id)).flashes).toEqual([]);
      for (const gone of [one, two]) expect(await lives(world, gone.id)).toBe(false);
      for (const there of [kept, bob, nobody]) expect(await lives(world, there.id)).toBe(true);
      const after = await begun(world, { user });
      expect(await lives(world, after.id)).toBe(true);
      expect(good(await world.web.listForUser('ada')).sessions).toHaveLength(2);
      good(await world.web.destroyAllForUser('ada'));
      expect(good(await world.web.listForUser('ada')).sessions).toEqual([]);
      expect(await lives(world, kept.id)).toBe(false);
    });

    it('a user’s epoch outlives the sessions it ends, and those that carry it', async () => {
      const world = await openWebWorld(backend, { idleMs: 400 * dayMs, absoluteMs: 400 * dayMs });
      const user = { userId: 'ada' };
      const ended = await begun(world, { user });
      good(await world.web.destroyAllForUser('ada'));
      world.clock.advance(300 * dayMs);
      const carries = await begun(world, { user });
      world.clock.advance(100 * dayMs - 1);
      good(await world.web.sweep());
      expect(await lives(world, ended.id)).toBe(false);
      world.clock.advance(200 * dayMs);
      good(await world.web.sweep());
      expect(await lives(world, carries.id)).toBe(true);
      good(await world.web.destroyAllForUser('ada'));
      expect(await lives(world, carries.id)).toBe(false);
    });

    it('names and ids out of their bounds are refused', async () => {
      const world = await openWebWorld(backend);
      for (const userId of ['', 'x'.repeat(256), 'a\nb', '\ud800']) {
        expect(await world.web.create({ user: { userId } })).toMatchObject({ refusal: { field: 'userId' } });
        expect(await world.web.destroyAllForUser(userId)).toMatchObject({ refusal: { field: 'userId' } });
        expect(await world.web.listForUser(userId)).toMatchObject({ refusal: { field: 'userId' } });
      }
      expect(await world.web.listForUser('a', { cursor: 'bm90aGluZw' })).toMatchObject({
        refusal: { field: 'cursor' },
      });
      expect(await world.web.listForUser('a', { limit: 0 })).toMatchObject({ refusal: { field: 'limit' } });
    });
  });

  it('sessions of another name are apart', async () => {
    const world = await openWebWorld(backend);
    const admin = world.web.named('admin', { idleMs: minuteMs });
    const { id } = await begun(world, { user: { userId: 'ada' } });
    expect(codeOf(await admin.load(id))).toBe('SESSION_NOT_FOUND');
    const other = await begun({ web: admin }, { user: { userId: 'ada' } });
    expect(other.expiresInMs).toBe(minuteMs);
    good(await admin.destroyAllForUser('ada'));
    expect(await lives(world, id)).toBe(true);
    expect(await lives({ web: admin }, other.id)).toBe(false);
    await begun({ web: admin });
    expect(good(await world.web.count()).count).toBe(1);
    expect(good(await admin.clear()).destroyed).toBeGreaterThanOrEqual(1);
    expect(good(await world.web.count()).count).toBe(1);
    expect(good(await admin.count()).count).toBe(0);
  });

  it('clear ends all, page after page', async () => {
    const world = await openWebWorld(backend);
    await Promise.all(
      Array.from({ length: 230 }, (_none, index) =>
        begun(world, index % 2 === 0 ? {} : { user: { userId: `user-${index}` } }),
      ),
    );
    expect(good(await world.web.count()).count).toBe(230);
    expect(await world.web.clear()).toEqual({ ok: true, destroyed: 230 });
    expect(good(await world.web.count()).count).toBe(0);
    expect(good(await world.web.listForUser('user-1')).sessions).toEqual([]);
  });
});
