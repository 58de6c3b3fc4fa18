import { describe, expect, it } from 'vitest';
import { good } from '../core/answers.js';
import { openWebWorld, type WebWorld } from './web-world.js';
import { type CarriedSession, carrySession } from '../../src/web/request-session.js';
import { checkCookie } from '../../src/web/cookie-rules.js';
import type { Json } from 'ambit/storage';
import { memoryBackend } from '../storage/backends.js';

function fresh({ web }: WebWorld): Promise<CarriedSession<Record<string, Json>>> {
  return carrySession(web, checkCookie({}), undefined);
}

const flash = { level: 'info', message: 'a' } as const;

describe('the session of a request that begins one', () => {
  it('is one, whatever asks for it at once', async () => {
    const world = await openWebWorld(memoryBackend);
    const { session } = await fresh(world);
    session.set('a', 1);
    await Promise.all([session.save(), session.flash(flash)]);
    expect(good(await world.web.count()).count).toBe(1);
    expect(await session.takeFlashes()).toEqual([flash]);
    expect(session.toJSON()).toEqual({ a: 1 });
  });

  it.each(['before', 'after'])('is the user’s where a flash comes %s the login', async (order) => {
    const world = await openWebWorld(memoryBackend);
    const { session } = await fresh(world);
    const login = (): Promise<void> => session.login({ userId: 'ada' });
    await Promise.all(order === 'after' ? [login(), session.flash(flash)] : [session.flash(flash), login()]);
    expect(session.userId).toBe('ada');
    expect(good(await world.web.count()).count).toBe(1);
    expect(good(await world.web.listForUser('ada')).sessions).toHaveLength(1);
  });

  it('begins again after a beginning that was refused', async () => {
    const world = await openWebWorld(memoryBackend, { dataBytesMax: 1_000 });
    const { session, finish } = await fresh(world);
    session.set('large', 'x'.repeat(2_000));
    await expect(session.flash(flash)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    session.remove('large');
    expect(await session.flash(flash)).toBe(true);
    const lines: string[] = [];
    await finish((line) => lines.push(line));
    expect(lines).toHaveLength(1);
  });
});
