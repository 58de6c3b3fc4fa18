import { createHash } from 'node:crypto';
import { isJsonObject } from './frame-types.js';
import { ownTasksMax, requestStatesMax } from './leash-limits.js';

/** What the server's answers to granted calls entitle the client to: hashes only, bounded, the oldest forgotten first. */
export interface CallMemory {
  /** Looks at the answer to a granted call, before the client sees it. */
  observe(tool: string, result: unknown): void;
  /** Whether a call with this `requestState` continues one that was charged; each that was relayed counts once. */
  takeState(tool: string, requestState: unknown): boolean;
  /** The continuation was refused and not charged: it may be tried again. */
  putStateBack(tool: string, requestState: unknown): void;
  /** Whether the task was started by one of this client's own calls. */
  ownsTask(taskId: unknown): boolean;
}

export function createCallMemory(): CallMemory {
  /** How many relayed and unused states have this hash: a server may answer two calls with the same one. */
  const states = new Map<string, number>();
  const tasks = new Map<string, number>();

  function remember(map: Map<string, number>, hash: string, max: number): void {
    const count = map.get(hash) ?? 0;
    map.delete(hash);
    map.set(hash, count + 1);
    if (map.size <= max) return;
    const [oldest] = map.keys();
    if (oldest !== undefined) map.delete(oldest);
  }
  function putStateBack(tool: string, requestState: unknown): void {
    if (typeof requestState === 'string') remember(states, hashOf(tool, requestState), requestStatesMax);
  }

  return {
    observe(tool, result) {
      if (!isJsonObject(result)) return;
      if (result['resultType'] === 'input_required') putStateBack(tool, result['requestState']);
      const taskId = taskIdOf(result);
      if (taskId !== undefined) remember(tasks, hashOf('', taskId), ownTasksMax);
    },
    takeState(tool, requestState) {
      if (typeof requestState !== 'string') return false;
      const hash = hashOf(tool, requestState);
      const count = states.get(hash);
      if (count === undefined) return false;
      if (count === 1) states.delete(hash);
      else states.set(hash, count - 1);
      return true;
    },
    putStateBack,
    ownsTask: (taskId) => typeof taskId === 'string' && tasks.has(hashOf('', taskId)),
  };
}

/** `{ task: { taskId } }` of revision 2025-11-25, or `{ resultType: 'task', taskId }` of the extension to 2026-07-28. */
function taskIdOf(result: Readonly<Record<string, unknown>>): string | undefined {
  const { task, taskId, resultType } = result;
  const id = isJsonObject(task) ? task['taskId'] : resultType === 'task' ? taskId : undefined;
  return typeof id === 'string' ? id : undefined;
}

/** JSON keeps apart where the tool ends and the state begins, and half surrogate pairs from each other. */
function hashOf(tool: string, state: string): string {
  return createHash('sha256')
    .update(JSON.stringify([tool, state]))
    .digest('base64');
}
