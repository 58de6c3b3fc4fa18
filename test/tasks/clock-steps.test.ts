import { codeOf } from '../core/answers.js';
import { terms } from './task-world.js';
import { expect, test } from 'vitest';
import { createEngine } from '../../src/engine/create-engine.js';
import { createTaskSessions } from '../../src/tasks/task-sessions.js';
import { fakeClock } from 'ambit/testing';
import { memoryStorage } from '../../src/storage/memory/memory-storage.js';

const lifeMs = 5_000;

/** A session on a clock that is set back by four seconds as soon as somebody has read that the session is over. */
async function sessionOnSlippingClock() {
  const clock = fakeClock();
  const endMs = clock() + lifeMs;
  const slipping = (): number => {
    const nowMs = clock();
    if (nowMs >= endMs) clock.advance(-4_000);
    return nowMs;
  };
  const engine = createEngine(memoryStorage({ clock: slipping }), { instanceId: 'slipping' });
  const tasks = createTaskSessions(engine);
  const created = await tasks.create(terms({ timeLimitMs: lifeMs }));
  if (!created.ok) throw new Error(created.refusal.message);
  clock.set(endMs);
  return { tasks, clock, id: created.session.sessionId };
}

test('a session that a call was told is over stays over, however soon the clock is set back', async () => {
  const { tasks, id } = await sessionOnSlippingClock();
  expect(codeOf(await tasks.use(id, 'read_file'))).toBe('SESSION_EXPIRED');
  expect(codeOf(await tasks.use(id, 'read_file'))).toBe('SESSION_EXPIRED');
  expect(await tasks.get(id)).toMatchObject({ session: { status: 'expired' } });
});

test('so does one that was looked at, or was to be extended', async () => {
  const looked = await sessionOnSlippingClock();
  expect(await looked.tasks.get(looked.id)).toMatchObject({ session: { status: 'expired' } });
  expect(codeOf(await looked.tasks.use(looked.id, 'read_file'))).toBe('SESSION_EXPIRED');
  const late = await sessionOnSlippingClock();
  expect(codeOf(await late.tasks.extend(late.id, { ms: 1_000 }))).toBe('SESSION_EXPIRED');
  expect(codeOf(await late.tasks.use(late.id, 'read_file'))).toBe('SESSION_EXPIRED');
});
