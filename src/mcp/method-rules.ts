import { compileGlobs } from '../tasks/glob-rules.js';
import { quoted } from '../core/text-rules.js';
import { looksLikeToolCall } from './frame-name-rules.js';
import { isJsonObject, type JsonObject } from './frame-types.js';

/** What becomes of a request of the client, by its method. */
export type MethodVerdict = 'pass' | 'tool-call' | 'foreign-task' | 'refuse';

/** Which methods of the client pass, and what the server may announce to it. */
export interface MethodPolicy {
  judgeRequest(method: string, params: JsonObject): MethodVerdict;
  /** Whether a message without an id passes. */
  judgeNotification(method: string): boolean;
  /** The capabilities of a server without those that would make the client ask for what is refused. */
  trimCapabilities(capabilities: JsonObject): JsonObject;
}

/** Life cycle, tools, completion and logging of revisions 2025-11-25 and 2026-07-28. */
const passingRequests = new Set([
  'initialize',
  'server/discover',
  'ping',
  'tools/list',
  'completion/complete',
  'logging/setLevel',
]);

/** Of one's own calls only: a server may keep the tasks of other clients. `tasks/list` would name those. */
const ownTaskRequests = new Set(['tasks/get', 'tasks/result', 'tasks/cancel', 'tasks/update']);

/** Capabilities that stand for methods which pass. */
const passingCapabilities = new Set(['tools', 'logging', 'completions', 'tasks', 'extensions']);

/** The one extension whose methods pass. */
const tasksExtension = 'io.modelcontextprotocol/tasks';

/** No method has other characters, and a pattern with a typing error in it would allow nothing in silence. */
const methodGlobPattern = /^[A-Za-z0-9_.:/*-]{1,128}$/;

const notificationPattern = /^notifications\/[A-Za-z0-9_./-]+$/;

/**
 * @param allowedMethods globs of further methods that pass; they are not counted
 * @throws TypeError for a glob that could name no method
 * @param ownsTask whether a task was started by one of this client's own calls
 */
export function createMethodPolicy(
  allowedMethods: readonly string[],
  ownsTask: (taskId: unknown) => boolean,
): MethodPolicy {
  for (const glob of allowedMethods) {
    if (methodGlobPattern.test(glob)) continue;
    throw new TypeError(
      `allowed method ${quoted(glob)}: letters, digits, _ . : / - and * only, such as resources/*`,
    );
  }
  const allowed = compileGlobs(allowedMethods);
  const allows = (...methods: string[]): boolean => methods.some((method) => allowed.matches(method));

  /** What is not read here can be announced where the person named further methods: which it needs is not known. */
  function keepsCapability(name: string): boolean {
    if (passingCapabilities.has(name)) return true;
    if (name === 'resources') return allows('resources/list', 'resources/templates/list', 'resources/read');
    if (name === 'prompts') return allows('prompts/list', 'prompts/get');
    return allowedMethods.length > 0;
  }

  /** A subscription to what else changes is as good as asking for it. */
  function mayListen(params: JsonObject): boolean {
    const filter = params['notifications'];
    if (!isJsonObject(filter)) return true;
    return Object.entries(filter).every(([name, wanted]) => {
      if (name === 'toolsListChanged' || wanted === false) return true;
      if (name === 'taskIds') return Array.isArray(wanted) && wanted.every(ownsTask);
      if (name === 'promptsListChanged') return allows('prompts/list', 'prompts/get');
      if (name === 'resourcesListChanged') return allows('resources/list', 'resources/read');
      return name === 'resourceSubscriptions' && allows('resources/subscribe');
    });
  }

  function trimCapability(name: string, value: unknown): unknown {
    if (name === 'resources' && !allows('resources/subscribe')) return without(value, 'subscribe');
    if (name === 'tasks' && !allows('tasks/list')) return without(value, 'list');
    return name === 'extensions' && allowedMethods.length === 0 ? trimExtensions(value) : value;
  }

  function trimExtensions(extensions: unknown): JsonObject {
    const tasks = isJsonObject(extensions) ? extensions[tasksExtension] : undefined;
    return tasks === undefined ? {} : { [tasksExtension]: tasks };
  }

  return {
    judgeRequest(method, params) {
      if (method === 'tools/call') return 'tool-call';
      if (looksLikeToolCall(method)) return 'refuse';
      if (passingRequests.has(method) || allows(method)) return 'pass';
      if (ownTaskRequests.has(method)) return ownsTask(params['taskId']) ? 'pass' : 'foreign-task';
      return method === 'subscriptions/listen' && mayListen(params) ? 'pass' : 'refuse';
    },
    judgeNotification: (method) => notificationPattern.test(method),
    trimCapabilities(capabilities) {
      const kept = Object.entries(capabilities).filter(([name]) => keepsCapability(name));
      return Object.fromEntries(kept.map(([name, value]) => [name, trimCapability(name, value)]));
    },
  };
}

function without(value: unknown, name: string): unknown {
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => key !== name));
}
