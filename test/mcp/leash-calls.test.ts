import { expect, test } from 'vitest';
import { createFakeAuthorizer } from './fake-authorizer.js';
import { call, createLeashRig, type Message, modernMeta, request, result } from './leash-rig.js';

/** The refusal a program finds in a result. */
function refusalOf(answer: Message): Message {
  const value = answer['result'] as Message;
  return (value['_meta'] as Message)['ambit/refusal'] as Message;
}

test('an authorized call goes upstream as it was written, once the grant is there', async () => {
  const authorizer = createFakeAuthorizer(['read_*']);
  const rig = createLeashRig(authorizer);
  authorizer.hold();
  const line =
    '{"jsonrpc":"2.0", "id":1,"method":"tools/call","params":{"name":"read_file","x":1.0,"_meta":{"a":"\\u00e9"}}}';
  rig.say(`${line}\n`);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(rig.atServer).toEqual([]);
  authorizer.open();
  await rig.reached();
  expect(rig.atServer).toEqual([line]);
  rig.answer('{"jsonrpc":"2.0","id":1, "result":{"content":[],"n":1.0}}\r\n');
  await rig.heard();
  expect(rig.atClient).toEqual(['{"jsonrpc":"2.0","id":1, "result":{"content":[],"n":1.0}}']);
  expect(authorizer.charged).toEqual(['read_file']);
  expect(rig.decisions).toMatchObject([
    { tool: 'read_file', code: 'GRANTED', remaining: { calls: 999_999 } },
  ]);
  expect(rig.decisions[0]?.decisionId).toBe(authorizer.decisionIds[0]);
  expect(JSON.stringify(rig.decisions)).not.toContain('arguments');
});

test('a tool outside the session is unknown: the same bytes whether it exists or not, and nothing goes upstream', async () => {
  const rig = createLeashRig(createFakeAuthorizer(['read_file']));
  rig.say(call(1, 'write_file'));
  rig.say(call(2, 'no_such_tool'));
  rig.say(call(3, 'with\u0000nul'));
  expect(await rig.heard()).toEqual({
    jsonrpc: '2.0',
    id: 1,
    error: { code: -32_602, message: 'Unknown tool: write_file' },
  });
  expect(await rig.heard()).toEqual({
    jsonrpc: '2.0',
    id: 2,
    error: { code: -32_602, message: 'Unknown tool: no_such_tool' },
  });
  expect(await rig.heard()).toMatchObject({ id: 3, error: { code: -32_602 } });
  await rig.settle();
  expect(rig.atServer).toEqual([]);
  // The ids are free again.
  rig.say(call(1, 'read_file'));
  expect(await rig.reached()).toMatchObject({ id: 1 });
});

test('a spent budget is a result that a model reads and a program finds', async () => {
  const authorizer = createFakeAuthorizer(['*'], 1);
  const rig = createLeashRig(authorizer);
  rig.say(call(1, 'a'));
  rig.say(call('two', 'b'));
  rig.say(call(3, 'c', modernMeta));
  const refused = await rig.heard();
  expect(refused).toMatchObject({
    jsonrpc: '2.0',
    id: 'two',
    result: { isError: true, content: [{ type: 'text' }] },
  });
  const value = refused['result'] as Message;
  expect(value).not.toHaveProperty('structuredContent');
  expect(value).not.toHaveProperty('resultType');
  expect(refusalOf(refused)).toEqual({
    code: 'BUDGET_EXCEEDED',
    message: 'All 1 calls of this session are used.',
    retryable: false,
    remaining: { calls: 0 },
    decisionId: authorizer.decisionIds[1],
  });
  expect(JSON.stringify(value['content'])).toMatch(
    /All 1 calls of this session are used\. Do not repeat this call/,
  );
  // Revision 2026-07-28 asks for a result type.
  expect(await rig.heard()).toMatchObject({ id: 3, result: { isError: true, resultType: 'complete' } });
  expect(rig.atServer).toHaveLength(1);
  rig.endClient();
  rig.endServer();
  expect(await rig.end).toEqual({ endedBy: 'client', callsGranted: 1, callsRefused: 2 });
});

test.each([
  ['SESSION_CLOSED', false],
  ['SESSION_EXPIRED', false],
  ['RATE_LIMITED', true],
  ['SENSITIVITY_EXCEEDED', false],
  ['STORAGE_UNAVAILABLE', true],
] as const)('%s is a result with isError, retryable %s', async (code, retryable) => {
  const authorizer = createFakeAuthorizer(['*']);
  authorizer.refusal = { code, message: 'No.', retryable, ...(retryable ? { retryAfterMs: 1_500 } : {}) };
  const rig = createLeashRig(authorizer);
  rig.say(call(1, 'a'));
  const refused = await rig.heard();
  expect(refusalOf(refused)).toMatchObject({
    code,
    retryable,
    ...(retryable ? { retryAfterMs: 1_500 } : {}),
  });
  const text = JSON.stringify(refused['result']);
  if (retryable) expect(text).toContain('may be granted in 1500 ms or later');
  else expect(text).toContain('Do not repeat this call');
  await rig.settle();
  expect(rig.atServer).toEqual([]);
});

test('an authorizer that throws has not allowed anything', async () => {
  const authorizer = createFakeAuthorizer(['*']);
  authorizer.breaks = true;
  const rig = createLeashRig(authorizer);
  rig.say(call(1, 'a'));
  expect(refusalOf(await rig.heard())).toMatchObject({ code: 'STORAGE_UNAVAILABLE', retryable: true });
  rig.say(request(2, 'tools/list'));
  await rig.reached();
  rig.answer(result(2, { tools: [{ name: 'a' }] }));
  expect(await rig.heard()).toMatchObject({ id: 2, error: { code: -32_603 } });
  await rig.settle();
  expect(rig.atServer.join()).not.toContain('tools/call');
});

test('frames leave in the order they came, and grants are asked for side by side', async () => {
  const authorizer = createFakeAuthorizer(['*']);
  const rig = createLeashRig(authorizer);
  authorizer.hold();
  for (let id = 1; id <= 50; id++) rig.say(call(id, `t${id}`));
  rig.say(request(51, 'ping'));
  while (authorizer.decisionIds.length < 50) await new Promise((resolve) => setImmediate(resolve));
  expect(rig.atServer).toEqual([]);
  authorizer.open();
  await rig.settle();
  expect(rig.atServer.map((line) => (JSON.parse(line) as Message)['id'])).toEqual(
    Array.from({ length: 51 }, (_, index) => index + 1),
  );
});

test('a call given up while it waits for its grant is charged, never sent and never answered', async () => {
  const authorizer = createFakeAuthorizer(['*']);
  const rig = createLeashRig(authorizer);
  authorizer.hold();
  rig.say(call(1, 'slow'));
  rig.say({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } });
  rig.say(request(2, 'ping'));
  await new Promise((resolve) => setTimeout(resolve, 20));
  // The call no longer holds back what came after it.
  expect(await rig.reached()).toMatchObject({ method: 'ping' });
  authorizer.open();
  rig.answer(result(2, {}));
  await rig.heard();
  await rig.settle();
  expect(rig.atServer).toHaveLength(1);
  expect(rig.atClient).toHaveLength(1);
  expect(rig.decisions).toMatchObject([{ tool: 'slow', code: 'GRANTED', cancelled: true }]);
  // Its id is free again.
  rig.say(call(1, 'again'));
  expect(await rig.reached()).toMatchObject({ params: { name: 'again' } });
});

test('a call in flight is cancelled upstream, and its late answer still is one', async () => {
  const rig = createLeashRig(createFakeAuthorizer(['*']));
  rig.say(call(7, 'slow'));
  await rig.reached();
  rig.say({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: '7' } });
  rig.say({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 8 } });
  rig.say({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7, reason: 'x' } });
  expect(await rig.reached()).toMatchObject({ method: 'notifications/cancelled', params: { requestId: 7 } });
  // Its id could still be answered: it is not free.
  rig.say(request(7, 'tools/list'));
  expect(await rig.heard()).toMatchObject({ id: null, error: { code: -32_600 } });
  rig.answer(result(7, { content: [] }));
  expect(await rig.heard()).toMatchObject({ id: 7 });
  rig.say(request(7, 'ping'));
  expect(await rig.reached()).toMatchObject({ method: 'ping' });
});

test('a call answered input_required is charged once, when it is repeated with the state that was relayed', async () => {
  const authorizer = createFakeAuthorizer(['*']);
  const rig = createLeashRig(authorizer);
  rig.say(call(1, 'book', modernMeta));
  await rig.reached();
  rig.answer(result(1, { resultType: 'input_required', inputRequests: {}, requestState: 's\u00e91' }));
  await rig.heard();
  const repeat = { ...modernMeta, requestState: 's\u00e91', inputResponses: {} };
  // Another tool, another state: charged.
  rig.say(call(2, 'other', repeat));
  rig.say(call(3, 'book', { ...repeat, requestState: 's\u00e91 ' }));
  // The state itself: once.
  rig.say(call(4, 'book', repeat));
  rig.say(call(5, 'book', repeat));
  await rig.settle();
  expect(authorizer.charged).toEqual(['book', 'other', 'book', 'book']);
  expect(authorizer.checked).toEqual(['book']);
  expect(rig.decisions.map((decision) => decision.repeated ?? false)).toEqual([
    false,
    false,
    false,
    true,
    false,
  ]);
});

test('a repeat in a session that was closed meanwhile is refused, and can be made up for', async () => {
  const authorizer = createFakeAuthorizer(['*']);
  const rig = createLeashRig(authorizer);
  rig.say(call(1, 'book', modernMeta));
  await rig.reached();
  rig.answer(result(1, { resultType: 'input_required', requestState: 's' }));
  await rig.heard();
  authorizer.refusal = { code: 'STORAGE_UNAVAILABLE', message: 'No store.', retryable: true };
  rig.say(call(2, 'book', { ...modernMeta, requestState: 's' }));
  expect(refusalOf(await rig.heard())).toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  authorizer.refusal = undefined;
  rig.say(call(3, 'book', { ...modernMeta, requestState: 's' }));
  expect(await rig.reached()).toMatchObject({ id: 3 });
  expect(authorizer.charged).toEqual(['book']);
  expect(authorizer.checked).toEqual(['book']);
});

test('of relayed states the 1,024 newest are remembered', async () => {
  const authorizer = createFakeAuthorizer(['*']);
  const rig = createLeashRig(authorizer);
  for (let id = 0; id <= 1_024; id++) {
    rig.say(call(id, 'book', modernMeta));
    await rig.reached();
    rig.answer(result(id, { resultType: 'input_required', requestState: `s${id}` }));
    await rig.heard();
  }
  rig.say(call('oldest', 'book', { ...modernMeta, requestState: 's0' }));
  rig.say(call('next', 'book', { ...modernMeta, requestState: 's1' }));
  rig.say(call('last', 'book', { ...modernMeta, requestState: 's1024' }));
  await rig.settle();
  expect(authorizer.checked).toHaveLength(2);
  expect(authorizer.charged).toHaveLength(1_026);
});

test('behind a server name tools are checked as NAME/tool and keep their names on the wire', async () => {
  const authorizer = createFakeAuthorizer(['files/read_*']);
  const rig = createLeashRig(authorizer, { serverName: 'files' });
  rig.say(call(1, 'read_file'));
  expect(await rig.reached()).toMatchObject({ params: { name: 'read_file' } });
  rig.say(call(2, 'files/read_file'));
  rig.say(call(3, 'write_file'));
  expect(await rig.heard()).toMatchObject({ error: { message: 'Unknown tool: files/read_file' } });
  expect(await rig.heard()).toMatchObject({ error: { message: 'Unknown tool: write_file' } });
  rig.say(request(4, 'tools/list'));
  await rig.reached();
  rig.answer(result(4, { tools: [{ name: 'write_file' }, { name: 'read_file' }] }));
  expect(await rig.heard()).toEqual(result(4, { tools: [{ name: 'read_file' }] }));
  expect(authorizer.charged).toEqual(['files/read_file']);
  // Two servers must not share a name in one session.
  await expect(createLeashRig(authorizer, { serverName: 'a/b' }).end).rejects.toThrow(TypeError);
});

test('tools/call without a usable name is answered -32602, without an id dropped and told', async () => {
  const rig = createLeashRig(createFakeAuthorizer(['*']));
  rig.say(request(1, 'tools/call'));
  rig.say(request(2, 'tools/call', { name: 5 }));
  rig.say('{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"a\\ud800"}}\n');
  for (const id of [1, 2, 3]) expect(await rig.heard()).toMatchObject({ id, error: { code: -32_602 } });
  rig.say({ jsonrpc: '2.0', method: 'tools/call', params: { name: 'a' } });
  rig.say({ jsonrpc: '2.0', method: 'tools/list' });
  await rig.settle();
  expect(rig.atServer).toEqual([]);
  expect(rig.atClient).toHaveLength(3);
  expect(rig.notices.filter((notice) => notice.includes('without an id'))).toHaveLength(2);
  expect(rig.decisions).toEqual([]);
});

test('at most as many requests are in flight as allowed, calls that wait for a grant included', async () => {
  const authorizer = createFakeAuthorizer(['*']);
  const rig = createLeashRig(authorizer, { limits: { requestsInFlightMax: 3 } });
  authorizer.hold();
  rig.say(call(1, 'a'));
  rig.say(call(2, 'a'));
  // Given up, but the question is still open: it counts.
  rig.say({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 2 } });
  rig.say(request(3, 'ping'));
  rig.say(call(4, 'a'));
  expect(await rig.heard()).toMatchObject({ id: 4, error: { code: -32_600 } });
  authorizer.open();
  await rig.settle();
  rig.answer(result(3, {}));
  await rig.heard();
  rig.say(call(5, 'a'));
  await rig.settle();
  expect(authorizer.charged).toHaveLength(3);
});
