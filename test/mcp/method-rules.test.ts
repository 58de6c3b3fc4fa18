import { describe, expect, test } from 'vitest';
import { createMethodPolicy, type MethodVerdict } from '../../src/mcp/method-rules.js';

const own = (taskId: unknown): boolean => taskId === 'own';
const plain = createMethodPolicy([], own);
const allowing = (...methods: string[]) => createMethodPolicy(methods, own);

describe('requests', () => {
  test.each<[string, MethodVerdict]>([
    ['tools/call', 'tool-call'],
    ['initialize', 'pass'],
    ['server/discover', 'pass'],
    ['ping', 'pass'],
    ['tools/list', 'pass'],
    ['completion/complete', 'pass'],
    ['logging/setLevel', 'pass'],
    ['Tools/Call', 'refuse'],
    ['resources/read', 'refuse'],
    ['prompts/get', 'refuse'],
    ['sampling/createMessage', 'refuse'],
    ['tasks/list', 'refuse'],
    ['', 'refuse'],
  ])('%s: %s', (method, verdict) => {
    expect(plain.judgeRequest(method, {})).toBe(verdict);
  });

  test.each(['tasks/get', 'tasks/result', 'tasks/cancel', 'tasks/update'])(
    "%s passes for the client's own tasks",
    (method) => {
      expect(plain.judgeRequest(method, { taskId: 'own' })).toBe('pass');
      expect(plain.judgeRequest(method, { taskId: 'foreign' })).toBe('foreign-task');
      expect(plain.judgeRequest(method, {})).toBe('foreign-task');
    },
  );

  test('what is allowed by name passes, and never what looks like a call of a tool', () => {
    const policy = allowing('resources/*', 'tasks/get');
    expect(policy.judgeRequest('resources/read', {})).toBe('pass');
    expect(policy.judgeRequest('tasks/get', { taskId: 'foreign' })).toBe('pass');
    expect(policy.judgeRequest('tasks/cancel', { taskId: 'foreign' })).toBe('foreign-task');
    expect(policy.judgeRequest('prompts/get', {})).toBe('refuse');
    expect(allowing('*').judgeRequest('TOOLS/CALL', {})).toBe('refuse');
    expect(allowing('*').judgeRequest('tools/call', {})).toBe('tool-call');
  });
});

describe('a subscription', () => {
  const listens = (notifications: unknown, ...methods: string[]): MethodVerdict =>
    allowing(...methods).judgeRequest('subscriptions/listen', { notifications });

  test.each<[unknown, ...string[]]>([
    [undefined],
    ['all'],
    [{}],
    [{ toolsListChanged: true }],
    [{ promptsListChanged: false, resourcesListChanged: false, resourceSubscriptions: false, other: false }],
    [{ taskIds: [] }],
    [{ taskIds: ['own', 'own'] }],
    [{ promptsListChanged: true }, 'prompts/list'],
    [{ promptsListChanged: true }, 'prompts/get'],
    [{ resourcesListChanged: true }, 'resources/list'],
    [{ resourcesListChanged: true }, 'resources/read'],
    [{ resourceSubscriptions: ['file:///a'] }, 'resources/subscribe'],
    // By its name it passes whatever it holds.
    [{ other: true }, '*'],
  ])('%j is no more than may be asked for (allowed: %s)', (notifications, ...methods) => {
    expect(listens(notifications, ...methods)).toBe('pass');
  });

  test.each<[unknown, ...string[]]>([
    [{ toolsListChanged: true, promptsListChanged: true }],
    [{ taskIds: ['own', 'foreign'] }],
    [{ taskIds: 'own' }],
    [{ taskIds: true }],
    [{ promptsListChanged: true }, 'resources/*'],
    [{ resourcesListChanged: true }, 'prompts/*'],
    [{ resourcesListChanged: true }, 'resources/subscribe'],
    [{ resourceSubscriptions: ['file:///a'] }, 'resources/read'],
    [{ other: true }, 'resources/subscribe'],
  ])('%j is more (allowed: %s)', (notifications, ...methods) => {
    expect(listens(notifications, ...methods)).toBe('refuse');
  });

  test('only that method is looked at in this way', () => {
    expect(plain.judgeRequest('subscriptions/other', { notifications: {} })).toBe('refuse');
  });
});

describe('notifications', () => {
  test.each(['notifications/initialized', 'notifications/tasks/status', 'notifications/a_b.c-d'])(
    '%s passes',
    (method) => {
      expect(plain.judgeNotification(method)).toBe(true);
    },
  );

  test.each([
    'tools/call',
    'notifications/',
    'notifications',
    'xnotifications/a',
    'notifications/a b',
    'notifications/a\n',
  ])('%j does not', (method) => {
    expect(plain.judgeNotification(method)).toBe(false);
  });
});

describe('capabilities', () => {
  const announced = {
    tools: { listChanged: true },
    logging: {},
    completions: {},
    tasks: { list: {}, cancel: {} },
    extensions: { 'io.modelcontextprotocol/tasks': { a: 1 }, 'com.example/other': {} },
    resources: { subscribe: true, listChanged: true },
    prompts: { listChanged: true },
    experimental: { a: {} },
  };
  const passing = {
    tools: { listChanged: true },
    logging: {},
    completions: {},
    tasks: { cancel: {} },
  };
  const tasksAlone = { 'io.modelcontextprotocol/tasks': { a: 1 } };

  test('without further methods, those whose methods pass', () => {
    expect(plain.trimCapabilities(announced)).toEqual({ ...passing, extensions: tasksAlone });
  });

  test('with further methods, theirs as well, and what is not known here', () => {
    const { extensions, experimental, prompts } = announced;
    const further = { ...passing, extensions, experimental };
    expect(allowing('x').trimCapabilities(announced)).toEqual(further);
    for (const method of ['resources/list', 'resources/templates/list', 'resources/read'])
      expect(allowing(method).trimCapabilities(announced)).toEqual({
        ...further,
        resources: { listChanged: true },
      });
    for (const method of ['prompts/list', 'prompts/get'])
      expect(allowing(method).trimCapabilities(announced)).toEqual({ ...further, prompts });
    // Whoever may not ask for a resource has nothing to subscribe to.
    expect(allowing('resources/subscribe').trimCapabilities(announced)).toEqual(further);
    expect(allowing('*').trimCapabilities(announced)).toEqual(announced);
    // Each by its own name.
    const subscribing = allowing('resources/read', 'resources/subscribe');
    expect(subscribing.trimCapabilities({ resources: { subscribe: true } })).toEqual({
      resources: { subscribe: true },
    });
    expect(allowing('tasks/list').trimCapabilities({ tasks: { list: {} } })).toEqual({ tasks: { list: {} } });
  });

  test('of another form, they are left as they are or left out', () => {
    expect(plain.trimCapabilities({ tasks: true, extensions: true })).toEqual({
      tasks: true,
      extensions: {},
    });
    expect(plain.trimCapabilities({ tasks: ['list'], extensions: { other: {} } })).toEqual({
      tasks: ['list'],
      extensions: {},
    });
    expect(plain.trimCapabilities({ extensions: {} })).toStrictEqual({ extensions: {} });
    expect(allowing('resources/read').trimCapabilities({ resources: null })).toEqual({ resources: null });
  });
});

test.each(['', 'a b', 'resources/read\n', 'ä', 'a'.repeat(129), 'a,b', ' resources/*'])(
  'a glob that could name no method is refused: %j',
  (glob) => {
    expect(() => createMethodPolicy(['tools/list', glob], own)).toThrow(
      expect.objectContaining({
        name: 'TypeError',
        message: expect.stringMatching(
          /^allowed method ".*": letters, digits, _ \. : \/ - and \* only, such as resources\/\*$/su,
        ) as unknown,
      }),
    );
  },
);

test('globs of any method are taken', () => {
  for (const glob of ['*', 'a', 'A_b.C:d/e-9*', 'a'.repeat(128)]) expect(() => allowing(glob)).not.toThrow();
});
