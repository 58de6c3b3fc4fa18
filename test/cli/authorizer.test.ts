import { expect, test } from 'vitest';
import { authorizerOf } from '../../src/cli/run-command.js';
import { fakeClock } from 'ambit/testing';
import { memoryStorage } from 'ambit/memory';
import { openAmbit } from 'ambit';

test('how long a list of tools may be kept is told by the clock of the store, not by that of this machine', async () => {
  const clock = fakeClock();
  // Hours apart, as two machines may be.
  clock.advance(5 * 3_600_000);
  const ambit = await openAmbit({
    storage: memoryStorage({ clock }),
    durability: 'none',
    sweepEveryMs: false,
  });
  const created = await ambit.tasks.create({
    agentId: 'agent',
    declaredIntent: 'a test',
    authorizedTools: ['read_file'],
    timeLimitMs: 60_000,
    callBudget: 1,
  });
  if (!created.ok) throw new Error(created.refusal.message);
  const { session } = created;
  const authorizer = authorizerOf(ambit, session);
  clock.advance(20_000);
  expect(await authorizer.scope()).toMatchObject({ ok: true, remainingMs: 40_000 });
  expect(await authorizer.use('read_file', { decisionId: 'one' })).toMatchObject({
    ok: true,
    remaining: { calls: 0 },
  });
  // Looking charges nothing, and a session that is over still says what its tools are.
  clock.advance(41_000);
  const over = await authorizer.scope();
  expect(over).toMatchObject({ ok: true, remainingMs: 0 });
  expect(over.ok && over.isAuthorized('read_file')).toBe(true);
  const lost = authorizerOf(ambit, { ...session, sessionId: '01a1fd0f-5207-72f3-8cba-5288844f117f' });
  expect(await lost.scope()).toMatchObject({ ok: false, refusal: { code: 'SESSION_NOT_FOUND' } });
  await ambit.close();
});
