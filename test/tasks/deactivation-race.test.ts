import { expect, test } from 'vitest';
import { createEngine } from '../../src/engine/create-engine.js';
import { createTaskSessions } from '../../src/tasks/task-sessions.js';
import { memoryStorage } from '../../src/storage/memory/memory-storage.js';
import { networkStorage } from '../engine/network-storage.js';
import type { Storage } from '../../src/storage/storage.js';
import { terms } from './task-world.js';

test('an agent that creates a session between any two steps of its deactivation is deactivated all the same', async () => {
  const settings = { sessionsPerAgentMax: 1_000 };
  const shared = memoryStorage();
  const agent = createTaskSessions(
    createEngine(networkStorage({ shared }), { instanceId: 'agent' }),
    settings,
  );
  const ids: string[] = [];
  const createOne = async (): Promise<void> => {
    const answer = await agent.create(terms());
    if (answer.ok) ids.push(answer.session.sessionId);
  };
  for (let session = 0; session < 3; session++) await createOne();

  const line = networkStorage({ shared });
  const overtaken: Storage = {
    ...line,
    async commit(transactions) {
      await createOne();
      return line.commit(transactions);
    },
    async locked(keys, run) {
      await createOne();
      return line.locked(keys, run);
    },
  };
  const owner = createTaskSessions(createEngine(overtaken, { instanceId: 'owner' }), settings);
  expect(await owner.deactivateAgent('agent-1')).toEqual({ ok: true, closed: ids.length });
  // It was overtaken, or this proves nothing.
  expect(ids.length).toBeGreaterThan(3);
  expect(await agent.create(terms())).toMatchObject({ refusal: { code: 'AGENT_DEACTIVATED' } });
  expect(await agent.countActive('agent-1')).toEqual({ ok: true, count: 0 });
  for (const id of ids)
    expect(await agent.use(id, 'read_file')).toMatchObject({ refusal: { code: 'SESSION_CLOSED' } });
});

test('a deactivation whose second half fails says that it may have happened, and can be asked for again', async () => {
  const line = networkStorage({});
  const tasks = createTaskSessions(createEngine(line, { instanceId: 'owner' }));
  const created = await tasks.create(terms());
  line.intercept.push(
    (_sent, apply) => apply(),
    () => {
      throw new Error('gone');
    },
    ...Array.from({ length: 5 }, () => () => {
      throw new Error('still gone');
    }),
  );
  expect(await tasks.deactivateAgent('agent-1')).toMatchObject({
    refusal: { code: 'STORAGE_UNAVAILABLE', outcome: 'unknown' },
  });
  expect(await tasks.create(terms())).toMatchObject({ refusal: { code: 'AGENT_DEACTIVATED' } });
  expect(await tasks.deactivateAgent('agent-1')).toEqual({ ok: true, closed: 1 });
  const id = created.ok ? created.session.sessionId : '';
  expect(await tasks.use(id, 'read_file')).toMatchObject({ refusal: { code: 'SESSION_CLOSED' } });
});
