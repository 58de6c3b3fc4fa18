import { codeOf, good } from '../core/answers.js';
import { type Anything, begun, lives, loaded, openWebWorld } from './web-world.js';
import { describe, expect, it } from 'vitest';
import { hourMs, secondMs } from '../../src/core/time.js';
import { backends, memoryBackend } from '../storage/backends.js';
import { faultyStorage } from 'ambit/testing';
import type { WebSession } from '../../src/web/web-types.js';

/** What concurrent requests may do to each other, on every backend. */
describe.each(backends)('requests at once on $name', (backend) => {
  it('10 requests at once, each with a flash: 10 flashes, taken once', async () => {
    const world = await openWebWorld(backend);
    const { id } = await begun(world);
    const adding = Array.from({ length: 10 }, (_none, index) =>
      world.web.addFlash(id, { level: 'info', message: `flash ${index}` }),
    );
    await Promise.all(adding);
    const taken = await Promise.all(Array.from({ length: 5 }, () => world.web.takeFlashes(id)));
    const flashes = taken.map((answer) => good(answer).flashes);
    expect(flashes.filter((some) => some.length > 0)).toHaveLength(1);
    expect(flashes.flat().map(({ message }) => message)).toEqual(
      Array.from({ length: 10 }, (_none, index) => `flash ${index}`),
    );
  });

  it('a save neither drops nor repeats a flash', async () => {
    const world = await openWebWorld(backend);
    const { id } = await begun(world);
    good(await world.web.addFlash(id, { level: 'info', message: 'before' }));
    const [one, two] = [await loaded(world, id), await loaded(world, id)];
    good(await world.web.takeFlashes(id));
    one.set('a', 1);
    good(await world.web.save(one));
    good(await world.web.addFlash(id, { level: 'info', message: 'after' }));
    two.set('b', 1);
    good(await world.web.save(two));
    expect(good(await world.web.takeFlashes(id)).flashes.map(({ message }) => message)).toEqual(['after']);
  });

  it('50 requests at once, each with its own key: 50 keys', async () => {
    const world = await openWebWorld(backend);
    const { id } = await begun(world);
    const request = async (index: number): Promise<void> => {
      const session = await loaded(world, id);
      session.set(`key ${index}`, index);
      good(await world.web.save(session));
    };
    await Promise.all(Array.from({ length: 50 }, (_none, index) => request(index)));
    expect(Object.keys((await loaded(world, id)).toJSON())).toHaveLength(50);
  });

  async function twoOf(conflict: 'last-commit-wins' | 'refuse', data: Anything) {
    const world = await openWebWorld(backend, { conflict });
    const { id } = await begun(world, { data });
    const pair = [await loaded(world, id), await loaded(world, id)] as const;
    return { world, id, one: pair[0], two: pair[1] };
  }

  const valueIn = (session: WebSession<Anything>, key: string) => session.toJSON()[key];

  it('the same key: the last commit wins', async () => {
    const { world, id, one, two } = await twoOf('last-commit-wins', { a: 0, kept: true });
    one.set('a', 1);
    two.set('a', 2);
    good(await world.web.save(two));
    good(await world.web.save(one));
    expect(valueIn(await loaded(world, id), 'a')).toBe(1);
  });

  it('the same key: the second is refused, whole, where that was chosen', async () => {
    const { world, id, one, two } = await twoOf('refuse', { a: 0 });
    one.set('a', 1);
    two.set('a', 2);
    two.set('b', 2);
    good(await world.web.save(one));
    expect(await world.web.save(two)).toMatchObject({
      refusal: { code: 'SESSION_CHANGED', field: 'a', retryable: false },
    });
    expect((await loaded(world, id)).toJSON()).toEqual({ a: 1 });
    // Loaded again, it passes.
    const again = await loaded(world, id);
    again.set('a', 2);
    good(await world.web.save(again));
    // The same done twice is no contradiction.
    const [x, y] = [await loaded(world, id), await loaded(world, id)];
    x.set('c', [1]);
    y.set('c', [1]);
    good(await world.web.save(x));
    good(await world.web.save(y));
    good(await world.web.save(two, { conflict: 'last-commit-wins' }));
    expect((await loaded(world, id)).toJSON()).toEqual({ a: 2, b: 2, c: [1] });
  });

  it('a removal and a new value of one key: loses, wins and conflicts like a value', async () => {
    const { world, id, one, two } = await twoOf('refuse', { a: 0, b: 0 });
    one.remove('a');
    two.set('a', 5);
    good(await world.web.save(one));
    expect(codeOf(await world.web.save(two))).toBe('SESSION_CHANGED');
    good(await world.web.save(two, { conflict: 'last-commit-wins' }));
    expect((await loaded(world, id)).toJSON()).toEqual({ a: 5, b: 0 });
    one.remove('b');
    good(await world.web.save(one));
    expect((await loaded(world, id)).toJSON()).toEqual({ a: 5 });
  });

  it('clear leaves what another request added', async () => {
    const { world, id, one, two } = await twoOf('last-commit-wins', { a: 1, b: 2 });
    one.set('added', true);
    good(await world.web.save(one));
    two.clear();
    two.set('fresh', 1);
    good(await world.web.save(two));
    expect((await loaded(world, id)).toJSON()).toEqual({ added: true, fresh: 1 });
  });

  it('logout during a slow request: the session stays gone', async () => {
    const world = await openWebWorld(backend);
    const session = await begun(world, { user: { userId: 'ada' } });
    const slow = await loaded(world, session.id);
    slow.set('a', 1);
    good(await world.web.destroy(session.id));
    expect(codeOf(await world.web.save(slow))).toBe('SESSION_NOT_FOUND');
    expect(codeOf(await world.web.regenerate(slow))).toBe('SESSION_NOT_FOUND');
    expect(await lives(world, session.id)).toBe(false);
    expect(good(await world.web.count()).count).toBe(0);
    expect(good(await world.web.listForUser('ada')).sessions).toEqual([]);
  });

  it('a touch never creates, and saves at once with a logout leave nothing', async () => {
    const world = await openWebWorld(backend, { idleMs: 10 * secondMs });
    const { id } = await begun(world);
    world.clock.advance(9 * secondMs);
    const slow = await loaded(world, id);
    slow.set('a', 1);
    await Promise.all([
      world.web.load(id),
      world.web.save(slow),
      world.web.destroy(id),
      world.web.load(id),
      world.web.addFlash(id, { level: 'info', message: 'a' }),
      world.web.takeFlashes(id),
    ]);
    expect(await lives(world, id)).toBe(false);
    expect(good(await world.web.count()).count).toBe(0);
  });

  it('two new ids at once: one wins, and there is one session', async () => {
    const world = await openWebWorld(backend);
    const { id } = await begun(world, { data: { a: 1 } });
    const [one, two] = [await loaded(world, id), await loaded(world, id)];
    const answers = await Promise.all([world.web.regenerate(one), world.web.regenerate(two)]);
    expect(answers.map(codeOf).toSorted()).toEqual(['SESSION_NOT_FOUND', 'ok']);
    expect(good(await world.web.count()).count).toBe(1);
  });

  it('all sessions of a user end while they are used and begun: only later ones live', async () => {
    const world = await openWebWorld(backend);
    const user = { userId: 'ada' };
    const sessions = await Promise.all(Array.from({ length: 20 }, () => begun(world, { user })));
    const saves = sessions.map(async (session) => {
      session.set('a', 1);
      return world.web.save(session);
    });
    await Promise.all([...saves, world.web.destroyAllForUser('ada')]);
    for (const { id } of sessions) expect(await lives(world, id)).toBe(false);
    const after = await begun(world, { user });
    expect(good(await world.web.listForUser('ada')).sessions).toHaveLength(1);
    expect(await lives(world, after.id)).toBe(true);
  });
});

describe('a store that fails', () => {
  it('a full store confirms nothing', async () => {
    let full = false;
    const world = await openWebWorld(memoryBackend, {}, (storage) =>
      faultyStorage(storage, ({ method }) => (full && method === 'commit' ? { fate: 'refused' } : undefined)),
    );
    const session = await begun(world, { data: { a: 1 } });
    session.set('a', 2);
    full = true;
    expect(codeOf(await world.web.save(session))).toBe('STORAGE_UNAVAILABLE');
    expect(codeOf(await world.web.create())).toBe('STORAGE_UNAVAILABLE');
    expect(codeOf(await world.web.addFlash(session.id, { level: 'info', message: 'a' }))).toBe(
      'STORAGE_UNAVAILABLE',
    );
    expect(codeOf(await world.web.destroy(session.id))).toBe('STORAGE_UNAVAILABLE');
    full = false;
    expect((await loaded(world, session.id)).toJSON()).toEqual({ a: 1 });
    // What was not confirmed is still to be saved.
    expect(session.changed).toBe(true);
    good(await world.web.save(session));
    expect((await loaded(world, session.id)).toJSON()).toEqual({ a: 2 });
  });

  it('what is changed while a save is under way is still to be saved', async () => {
    const world = await openWebWorld(memoryBackend, { idleMs: hourMs });
    const session = await begun(world, { data: { list: [1] } });
    const list = session.get('list') as number[];
    list.push(2);
    session.set('a', 1);
    const saving = world.web.save(session);
    list.push(3);
    session.set('a', 2);
    good(await saving);
    expect(session.changed).toBe(true);
    good(await world.web.save(session));
    expect((await loaded(world, session.id)).toJSON()).toEqual({ list: [1, 2, 3], a: 2 });
  });

  it('settings out of their bounds are named', async () => {
    const wrong: [object, string][] = [
      [{ idleMs: 999 }, 'idleMs'],
      [{ absoluteMs: Number.NaN }, 'absoluteMs'],
      [{ touchAfterPart: 0.6 }, 'touchAfterPart'],
      [{ dataBytesMax: 1_000_000 }, 'dataBytesMax'],
      [{ conflict: 'mine' }, 'conflict'],
      [{ idle: 5 }, 'idle'],
    ];
    for (const [settings, field] of wrong) {
      await expect(openWebWorld(memoryBackend, settings)).rejects.toThrow(`web.${field}`);
    }
    const world = await openWebWorld(memoryBackend);
    expect(() => world.web.named('no/slash')).toThrow('name of web sessions');
  });
});
