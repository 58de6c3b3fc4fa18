import { expect, test } from 'vitest';
import { createFakeAuthorizer } from './fake-authorizer.js';
import { call, createLeashRig, type Message, modernMeta, request, result } from './leash-rig.js';

test('a tool list shows what the session may call, and every other byte of it stays', async () => {
  const rig = createLeashRig(createFakeAuthorizer(['read_*', 'exact']));
  rig.say(request(1, 'tools/list'));
  await rig.reached();
  const schema = '{"type":"object","properties":{"n":{"maximum":18446744073709551615,"x":1.0,"y":1e400}}}';
  rig.answer(
    `{"result": {"nextCursor":"c", "tools":[ {"name":"write","inputSchema":{}} , {"name":"read_b", "inputSchema":${schema}},` +
      `{"name":"exact"},{"name":7},null, {"name":"read_a","_meta":{"k":"]}\\""}}] ,"_meta":{"t":1}},"jsonrpc":"2.0","id":1}\n`,
  );
  await rig.heard();
  expect(rig.atClient).toEqual([
    `{"result": {"nextCursor":"c", "tools":[{"name":"read_b", "inputSchema":${schema}},` +
      `{"name":"exact"},{"name":"read_a","_meta":{"k":"]}\\""}}] ,"_meta":{"t":1}},"jsonrpc":"2.0","id":1}`,
  ]);
});

test('pages without an authorized tool keep their cursor, so that the client asks on', async () => {
  const rig = createLeashRig(createFakeAuthorizer([]));
  rig.say(request(1, 'tools/list', { cursor: 'a' }));
  await rig.reached();
  rig.answer(result(1, { tools: [{ name: 'x' }], nextCursor: 'b' }));
  expect(await rig.heard()).toEqual(result(1, { tools: [], nextCursor: 'b' }));
});

test('a list with a member twice is made anew: no reader sees the tools that were taken out', async () => {
  const rig = createLeashRig(createFakeAuthorizer(['a']));
  rig.say(request(1, 'tools/list'));
  await rig.reached();
  rig.answer(
    '{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"secret"}],"tools":[{"name":"a"},{"name":"b"}]}}\n',
  );
  await rig.heard();
  expect(rig.atClient).toEqual(['{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}]}}']);
});

test('in revision 2026-07-28 a list is private, and is not cached for longer than the session lives', async () => {
  const authorizer = createFakeAuthorizer(['a']);
  const rig = createLeashRig(authorizer);
  authorizer.remainingMs = 1_234.9;
  const cases: [Message, Message, Message][] = [
    [modernMeta, { ttlMs: 60_000, cacheScope: 'public' }, { ttlMs: 1_234, cacheScope: 'private' }],
    [modernMeta, { ttlMs: 1_000, cacheScope: 'private' }, { ttlMs: 1_000, cacheScope: 'private' }],
    [modernMeta, {}, { ttlMs: 0, cacheScope: 'private' }],
    [modernMeta, { ttlMs: 'x' }, { ttlMs: 0, cacheScope: 'private' }],
    [{}, { ttlMs: 60_000 }, { ttlMs: 1_234, cacheScope: 'private' }],
    [{}, {}, {}],
  ];
  for (const [id, [params, fields, expected]] of cases.entries()) {
    rig.say(request(id, 'tools/list', params));
    await rig.reached();
    rig.answer(result(id, { ...fields, tools: [{ name: 'a' }] }));
    expect((await rig.heard())['result']).toEqual({ ...expected, tools: [{ name: 'a' }] });
  }
  authorizer.remainingMs = -5;
  rig.say(request(9, 'tools/list', modernMeta));
  await rig.reached();
  rig.answer(result(9, { tools: [], ttlMs: 5 }));
  expect((await rig.heard())['result']).toMatchObject({ ttlMs: 0 });
});

test('errors of the server, and lists that are none, pass as they are', async () => {
  const rig = createLeashRig(createFakeAuthorizer(['a']));
  rig.say(request(1, 'tools/list'));
  rig.say(request(2, 'tools/list'));
  await rig.settle();
  rig.answer({ jsonrpc: '2.0', id: 1, error: { code: -32_603, message: 'x' } });
  rig.answer(result(2, { tools: 'none' }));
  expect(await rig.heard()).toMatchObject({ id: 1, error: { message: 'x' } });
  expect(await rig.heard()).toEqual(result(2, { tools: 'none' }));
});

test('capabilities are announced as far as their methods pass', async () => {
  const announced = {
    tools: { listChanged: true },
    logging: {},
    completions: {},
    resources: { subscribe: true, listChanged: true },
    prompts: {},
    tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } },
    extensions: { 'io.modelcontextprotocol/tasks': {}, 'io.modelcontextprotocol/ui': {} },
    experimental: { x: {} },
  };
  const kept = {
    tools: { listChanged: true },
    logging: {},
    completions: {},
    tasks: { cancel: {}, requests: { tools: { call: {} } } },
    extensions: { 'io.modelcontextprotocol/tasks': {} },
  };
  const plain = createLeashRig(createFakeAuthorizer(['a']));
  plain.say(request(0, 'initialize', { protocolVersion: '2025-11-25', capabilities: {} }));
  plain.say(request('d', 'server/discover', modernMeta));
  await plain.reached();
  plain.answer(result(0, { protocolVersion: '2025-11-25', capabilities: announced, instructions: 'hi' }));
  expect(await plain.heard()).toEqual(
    result(0, { protocolVersion: '2025-11-25', capabilities: kept, instructions: 'hi' }),
  );
  plain.answer(
    result('d', { resultType: 'complete', cacheScope: 'public', ttlMs: 9, capabilities: announced }),
  );
  expect(await plain.heard()).toEqual(
    result('d', { resultType: 'complete', cacheScope: 'private', ttlMs: 9, capabilities: kept }),
  );

  const open = createLeashRig(createFakeAuthorizer(['a']), { allowedMethods: ['resources/*', 'tasks/list'] });
  open.say(request(0, 'initialize'));
  await open.reached();
  open.answer(result(0, { capabilities: announced }));
  const { prompts: _, ...rest } = announced;
  expect((await open.heard())['result']).toEqual({ capabilities: rest });
});

test('what the server says first and unasked passes as it is; what is no message is dropped', async () => {
  const rig = createLeashRig(createFakeAuthorizer(['a']));
  const progress =
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1.0,"x":"\u2028"}}';
  rig.answer('Server listening…\n');
  rig.answer('[]\n');
  rig.answer('7\n');
  rig.answer('{"jsonrpc":"2.0"}\n');
  rig.answer(Buffer.from([0x7b, 0xff, 0x7d, 0x0a]));
  rig.answer(`${'['.repeat(100_000)}\n`);
  rig.answer('\n\r\n');
  rig.answer(result(99, { tools: [{ name: 'secret' }] }));
  rig.answer(`${progress}\n`);
  rig.answer({ jsonrpc: '2.0', id: null, error: { code: -32_700, message: 'Parse error' } });
  await rig.heard();
  await rig.heard();
  expect(rig.atClient).toEqual([
    progress,
    '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}',
  ]);
  expect(rig.notices).toHaveLength(7);
  expect(rig.notices.join()).not.toContain('secret');
});

test('a second answer to one request is dropped', async () => {
  const rig = createLeashRig(createFakeAuthorizer(['a']));
  rig.say(call(1, 'a'));
  await rig.reached();
  rig.answer(result(1, { content: [] }));
  rig.answer(result(1, { content: ['again'] }));
  rig.answer(result('1', { content: ['other'] }));
  rig.answer({ jsonrpc: '2.0', method: 'notifications/message', params: {} });
  await rig.heard();
  expect(await rig.heard()).toMatchObject({ method: 'notifications/message' });
});

test("the server's requests pass, and only they are answered: once, under their own id", async () => {
  const rig = createLeashRig(createFakeAuthorizer(['a']));
  rig.answer(request(1, 'elicitation/create', { message: 'Name?' }));
  rig.answer(request('1', 'sampling/createMessage', {}));
  expect(await rig.heard()).toMatchObject({ id: 1, method: 'elicitation/create' });
  expect(await rig.heard()).toMatchObject({ id: '1' });
  rig.say(result(2, {}));
  expect(await rig.heard()).toMatchObject({ id: null, error: { code: -32_600 } });
  rig.say(result(1, { action: 'accept' }));
  rig.say(result(1, { action: 'accept' }));
  expect(await rig.heard()).toMatchObject({ id: null, error: { code: -32_600 } });
  rig.say({ jsonrpc: '2.0', id: '1', error: { code: 1, message: 'no' } });
  expect(await rig.reached()).toEqual(result(1, { action: 'accept' }));
  expect(await rig.reached()).toMatchObject({ id: '1', error: {} });
});

test('an answer to a request that the server gave up meanwhile is no offence', async () => {
  const rig = createLeashRig(createFakeAuthorizer(['a']));
  rig.answer(request(5, 'roots/list'));
  rig.answer({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 5 } });
  await rig.heard();
  await rig.heard();
  rig.say(result(5, { roots: [] }));
  expect(await rig.reached()).toEqual(result(5, { roots: [] }));
});

test('a server that asks without end is told to wait', async () => {
  const rig = createLeashRig(createFakeAuthorizer(['a']), { limits: { requestsInFlightMax: 2 } });
  for (const id of [1, 2, 3]) rig.answer(request(id, 'roots/list'));
  expect(await rig.reached()).toMatchObject({ id: 3, error: { code: -32_603 } });
  expect(rig.atClient).toHaveLength(2);
});

test('tasks of one’s own calls can be polled, for free; others and their list cannot', async () => {
  const authorizer = createFakeAuthorizer(['a']);
  const rig = createLeashRig(authorizer);
  rig.say(call(1, 'a', { task: {} }));
  rig.say(call(2, 'a', modernMeta));
  await rig.reached();
  await rig.reached();
  rig.answer(result(1, { task: { taskId: 'old', status: 'working' } }));
  rig.answer(result(2, { resultType: 'task', taskId: 'new', status: 'working' }));
  await rig.heard();
  await rig.heard();
  let id = 10;
  for (const taskId of ['old', 'new']) {
    for (const method of ['tasks/get', 'tasks/result', 'tasks/cancel', 'tasks/update']) {
      rig.say(request(++id, method, { taskId }));
      expect(await rig.reached()).toMatchObject({ method });
    }
  }
  rig.say(request('foreign', 'tasks/get', { taskId: 'of somebody else' }));
  expect(await rig.heard()).toMatchObject({ id: 'foreign', error: { code: -32_602 } });
  rig.say(request('none', 'tasks/result'));
  expect(await rig.heard()).toMatchObject({ id: 'none', error: { code: -32_602 } });
  rig.say(request('list', 'tasks/list'));
  expect(await rig.heard()).toMatchObject({ id: 'list', error: { code: -32_601 } });
  expect(authorizer.charged).toEqual(['a', 'a']);
});

test('resources, prompts and unknown methods pass only where they were named', async () => {
  const methods = [
    'resources/list',
    'resources/read',
    'resources/subscribe',
    'prompts/get',
    'skills/x',
    'tasks/list',
  ];
  const plain = createLeashRig(createFakeAuthorizer(['*']));
  for (const [id, method] of methods.entries()) {
    plain.say(request(id, method));
    expect(await plain.heard()).toMatchObject({
      id,
      error: { code: -32_601, message: `Method not allowed: ${method}` },
    });
  }
  for (const method of ['ping', 'completion/complete', 'logging/setLevel', 'initialize', 'server/discover']) {
    plain.say(request(method, method));
    expect(await plain.reached()).toMatchObject({ method });
  }
  const open = createLeashRig(createFakeAuthorizer(['allowed']), {
    allowedMethods: ['resources/*', 'tools/*'],
  });
  open.say(request(1, 'resources/read'));
  expect(await open.reached()).toMatchObject({ method: 'resources/read' });
  open.say(request(2, 'prompts/get'));
  expect(await open.heard()).toMatchObject({ id: 2, error: { code: -32_601 } });
  // No glob makes a call go unchecked.
  open.say(call(3, 'other'));
  expect(await open.heard()).toMatchObject({ id: 3, error: { code: -32_602 } });
  open.say(request(4, 'tools/Call', { name: 'other' }));
  expect(await open.heard()).toMatchObject({ id: 4, error: { code: -32_601 } });
  await expect(createLeashRig(createFakeAuthorizer([]), { allowedMethods: ['a b'] }).end).rejects.toThrow(
    TypeError,
  );
});

test('a subscription passes as far as its notifications would', async () => {
  const listen = (id: number, notifications: Message): Message =>
    request(id, 'subscriptions/listen', { ...modernMeta, notifications });
  const rig = createLeashRig(createFakeAuthorizer(['*']));
  rig.say(listen(1, { toolsListChanged: true, promptsListChanged: false }));
  expect(await rig.reached()).toMatchObject({ id: 1 });
  for (const [id, filter] of [
    { resourceSubscriptions: ['file:///x'] },
    { promptsListChanged: true },
    { taskIds: ['x'] },
    { y: 1 },
  ].entries()) {
    rig.say(listen(id + 2, filter));
    expect(await rig.heard()).toMatchObject({ id: id + 2, error: { code: -32_601 } });
  }
  // The server ends it: no answer will come, and the id is remembered for a while.
  rig.answer({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } });
  await rig.heard();
  const open = createLeashRig(createFakeAuthorizer(['*']), { allowedMethods: ['resources/*'] });
  open.say(listen(1, { resourcesListChanged: true, resourceSubscriptions: ['file:///x'] }));
  expect(await open.reached()).toMatchObject({ id: 1 });
});
