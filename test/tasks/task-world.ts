import { type CreateFace, type FaceWorld, openFace } from '../engine/face-world.js';
import type { TaskSessions, TaskSettings, TaskTermsInput } from '../../src/tasks/task-types.js';
import type { Backend } from '../storage/backends.js';
import { createTaskSessions } from '../../src/tasks/task-sessions.js';
import type { FakeClock } from 'ambit/testing';
import type { Storage } from '../../src/storage/storage.js';

/** Task sessions over a store of a backend, on a clock that the test moves. */
export interface World {
  readonly tasks: TaskSessions;
  readonly storage: Storage;
  readonly clock: FakeClock;
  /** Closes the store and opens it again, as a new process would. */
  reopen(settings?: TaskSettings): Promise<World>;
}

export async function openWorld(backend: Backend, settings: TaskSettings = {}): Promise<World> {
  return taskWorld(await openFace(backend, createTasks(settings)));
}

const createTasks =
  (settings: TaskSettings): CreateFace<TaskSessions> =>
  (engine) => ({ face: createTaskSessions(engine, settings) });

const taskWorld = (world: FaceWorld<TaskSessions>): World => ({
  tasks: world.face,
  storage: world.storage,
  clock: world.clock,
  reopen: async (settings) => taskWorld(await world.reopen(settings && createTasks(settings))),
});

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
