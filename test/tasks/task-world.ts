import { afterEach } from 'vitest';
import type { FakeClock, TestStore } from 'ambit/testing';
import type { TaskSessions, TaskSettings, TaskTermsInput } from '../../src/tasks/task-types.js';
import type { Backend } from '../storage/backends.js';
import { createEngine } from '../../src/engine/create-engine.js';
import { createTaskSessions } from '../../src/tasks/task-sessions.js';
import type { Engine } from '../../src/engine/engine.js';
import type { Refused } from '../../src/core/refusals.js';
import type { Storage } from '../../src/storage/storage.js';

/** Task sessions over a store of a backend, on a clock that the test moves. */
export interface World {
  readonly tasks: TaskSessions;
  readonly storage: Storage;
  readonly clock: FakeClock;
  /** Closes the store and opens it again, as a new process would. */
  reopen(settings?: TaskSettings): Promise<World>;
}

const opened: { engine: Engine; store: TestStore }[] = [];
let instances = 0;

afterEach(async () => {
  for (const { engine, store } of opened.splice(0)) {
    await engine.close();
    await store.remove?.();
  }
});

export async function openWorld(backend: Backend, settings: TaskSettings = {}): Promise<World> {
  const store = await backend.createStore();
  if (!store.clock) throw new Error(`${backend.name}: tests of rules need a clock of their own`);
  return worldOf(store, store.clock, settings);
}

async function worldOf(store: TestStore, clock: FakeClock, settings: TaskSettings): Promise<World> {
  const storage = await store.open();
  const engine = createEngine(storage, { instanceId: `world${instances++}` });
  opened.push({ engine, store });
  return {
    tasks: createTaskSessions(engine, settings),
    storage,
    clock,
    async reopen(again = settings) {
      await engine.close();
      return worldOf(store, clock, again);
    },
  };
}

export const terms = (changes: Partial<TaskTermsInput> = {}): TaskTermsInput => ({
  agentId: 'agent-1',
  declaredIntent: 'tidy up',
  authorizedTools: ['read_file', 'list_*'],
  ...changes,
});

export async function created(world: World, changes: Partial<TaskTermsInput> = {}) {
  const answer = await world.tasks.create(terms(changes));
  if (!answer.ok) throw new Error(answer.refusal.message);
  return { ...answer, id: answer.session.sessionId };
}

/** The code of a refusal, or `ok`. */
export function codeOf(answer: { readonly ok: true } | Refused): string {
  return answer.ok ? 'ok' : answer.refusal.code;
}
