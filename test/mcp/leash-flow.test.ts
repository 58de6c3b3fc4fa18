import { once } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { createLineCutter } from '../../src/mcp/frame-lines.js';
import { runLeash } from '../../src/mcp/leash.js';
import { createFakeAuthorizer } from './fake-authorizer.js';
import { call, createLeashRig, type LeashRig, request, result } from './leash-rig.js';

const tick = (ms = 20): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('lines end at LF alone, with or without a CR, wherever the bytes were cut', () => {
  const bytes = Buffer.from('a\nb\r\n\n\r\nc\rd\n\u2028\u0085e\nrest');
  for (let size = 1; size <= bytes.length; size++) {
    const cutter = createLineCutter(100);
    const lines = [];
    for (let at = 0; at < bytes.length; at += size) lines.push(...cutter.push(bytes.subarray(at, at + size)));
    lines.push(...cutter.end());
    expect(lines.map((line) => (line.kind === 'line' ? line.bytes.toString() : line.kind))).toEqual([
      'a',
      'b',
      '',
      '',
      'c\rd',
      '\u2028\u0085e',
      'rest',
    ]);
  }
});

test('a line too long is told once and skipped to its end, without being held', () => {
  for (const size of [1, 2, 5, 1_000]) {
    const cutter = createLineCutter(4);
    const bytes = Buffer.from(`1234\n1234\r\n12345\n${'x'.repeat(500)}\n12345\r\nok\n${'y'.repeat(9)}`);
    const lines = [];
    for (let at = 0; at < bytes.length; at += size) lines.push(...cutter.push(bytes.subarray(at, at + size)));
    lines.push(...cutter.end());
    expect(lines.map((line) => (line.kind === 'line' ? line.bytes.toString() : line.kind))).toEqual([
      '1234',
      '1234',
      'too-long',
      'too-long',
      'too-long',
      'ok',
      'too-long',
    ]);
  }
});

test('a byte order mark is named for what it is', async () => {
  const rig = createLeashRig(createFakeAuthorizer(['*']));
  rig.say('\uFEFF{"jsonrpc":"2.0","id":1,"method":"ping"}\n');
  const message: unknown = expect.stringContaining('byte order mark');
  expect(await rig.heard()).toMatchObject({ id: null, error: { code: -32_700, message } });
});

test('a line of the client over the limit is answered, under its id where that can be told', async () => {
  const rig = createLeashRig(createFakeAuthorizer(['*']), { limits: { upstreamLineBytesMax: 200 } });
  const fill = 'x'.repeat(300);
  const answered = async (line: string | Record<string, unknown>): Promise<unknown> => {
    rig.say(line);
    const { id, error } = await rig.heard();
    expect(error).toMatchObject({ code: -32_600, message: expect.stringContaining('longer than 200 bytes') });
    return id;
  };
  expect(await answered(call(1, fill))).toBe(1);
  expect(await answered({ params: { fill, id: 7 }, method: 'ping', id: 'a"\\\u2028' })).toBe('a"\\\u2028');
  rig.say(request(2, 'ping'));
  await rig.reached();
  // Of a request in flight, of an answer, of two ids, of a cut frame, of none: no id that could be another request's.
  expect(await answered(request(2, fill))).toBe(null);
  expect(await answered(result(5, { fill }))).toBe(null);
  expect(await answered(`{"id":3,"method":"${fill}","id":4}\n`)).toBe(null);
  expect(await answered(`{"id":3,"method":"${fill}"\n`)).toBe(null);
  expect(await answered(`[{"id":3,"method":"${fill}"}]\n`)).toBe(null);
  rig.answer(result(2, {}));
  expect(await rig.heard()).toEqual(result(2, {}));
});

test('an answer of the server that cannot be read is one all the same: the client hears that, and goes on', async () => {
  const rig = createLeashRig(createFakeAuthorizer(['*']), {
    limits: { downstreamLineBytesMax: 2_000, requestsInFlightMax: 1 },
  });
  const unreadable: [why: string, line: (id: number) => Buffer | Record<string, unknown>][] = [
    ['longer than 2000 bytes', (id) => result(id, { x: 'y'.repeat(3_000) })],
    // As the official server writes it.
    ['longer than 2000 bytes', (id) => ({ result: { id: 99, x: 'y'.repeat(3_000) }, jsonrpc: '2.0', id })],
    ['not UTF-8', (id) => Buffer.from(`{"jsonrpc":"2.0","id":${id},"result":{"x":"\xff"}}\n`, 'latin1')],
    ['nested too deep', (id) => Buffer.from(`{"id":${id},"result":${'['.repeat(600)}${']'.repeat(600)}}\n`)],
  ];
  for (const [at, [why, line]] of unreadable.entries()) {
    rig.say(call(at, 'a'));
    await rig.reached();
    rig.answer(line(at));
    const message: unknown = expect.stringContaining(why);
    expect(await rig.heard()).toMatchObject({ id: at, error: { code: -32_603, message } });
    expect(rig.notices.at(-1)).toContain(why);
  }
  // What nobody waits for is told to nobody.
  rig.answer(result(50, { x: 'y'.repeat(3_000) }));
  rig.answer('listening on port 80\n');
  // The server hears that its own request did not arrive.
  rig.answer(request(8, 'roots/list', { x: 'y'.repeat(3_000) }));
  expect(await rig.reached()).toMatchObject({ id: 8, error: { code: -32_600 } });
  rig.answer(request(9, 'ping'));
  expect(await rig.heard()).toEqual(request(9, 'ping'));
});

test('a late answer that cannot be read, to a call that was given up, is told to nobody', async () => {
  const rig = createLeashRig(createFakeAuthorizer(['*']), { limits: { downstreamLineBytesMax: 200 } });
  rig.say(call(1, 'a'));
  await rig.reached();
  rig.say({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } });
  await rig.reached();
  rig.answer(result(1, { x: 'y'.repeat(300) }));
  rig.answer(request(9, 'ping'));
  expect(await rig.heard()).toEqual(request(9, 'ping'));
});

test('a line of 16 MiB passes, and one byte more does not', { timeout: 30_000 }, async () => {
  const rig = createLeashRig(createFakeAuthorizer(['*']));
  const head = '{"jsonrpc":"2.0","method":"notifications/x","params":{"x":"';
  const fill = 'x'.repeat(16 * 1_048_576 - head.length - 3);
  rig.say(`${head}${fill}"}}\r\n`);
  expect(await rig.reached()).toMatchObject({ method: 'notifications/x' });
  rig.say(`${head}${fill}x"}}\n`);
  expect(await rig.heard()).toMatchObject({ error: { code: -32_600 } });
  await rig.settle();
  expect(rig.atServer).toHaveLength(1);
});

test('what the client granted itself before it left still goes upstream; then the server’s input ends', async () => {
  const authorizer = createFakeAuthorizer(['*']);
  let clientEnds = 0;
  const rig = createLeashRig(authorizer, { onClientEnd: () => clientEnds++ });
  authorizer.hold();
  rig.say(call(1, 'a'));
  rig.say(request(2, 'ping'));
  // The last line has no end: it is read all the same.
  rig.say('{"jsonrpc":"2.0","id":3,"method":"ping"}');
  rig.endClient();
  await tick();
  expect(rig.serverInput.writableEnded).toBe(false);
  expect(clientEnds).toBe(0);
  authorizer.open();
  for (const id of [1, 2, 3]) expect(await rig.reached()).toMatchObject({ id });
  await tick();
  expect(rig.serverInput.writableEnded).toBe(true);
  // Answers still come, and are waited for.
  for (const id of [3, 1, 2]) {
    expect(clientEnds).toBe(0);
    rig.answer(result(id, {}));
    expect(await rig.heard()).toEqual(result(id, {}));
    await tick();
  }
  expect(clientEnds).toBe(1);
  rig.endServer();
  expect(await rig.end).toEqual({ endedBy: 'client', callsGranted: 1, callsRefused: 0 });
});

test.each([
  ['that never come', { limits: { answersWaitMsMax: 50 } }, (): void => undefined],
  ['of subscriptions', {}, (rig: LeashRig) => rig.answer(result(1, {}))],
  ['that nobody hears', {}, (rig: LeashRig) => rig.clientOutput.destroy()],
  ['of a server that has gone', {}, (rig: LeashRig) => rig.endServer()],
])('when the client has left, answers %s are not waited for', async (_which, options, then) => {
  let told: () => void = () => {};
  const clientEnded = new Promise<void>((resolve) => (told = resolve));
  const rig = createLeashRig(createFakeAuthorizer(['*']), { ...options, onClientEnd: told });
  rig.say(call(1, 'a'));
  rig.say(request(2, 'subscriptions/listen', { notifications: {} }));
  for (const id of [1, 2]) expect(await rig.reached()).toMatchObject({ id });
  rig.endClient();
  await once(rig.serverInput, 'end');
  then(rig);
  await clientEnded;
});

test('when the server ends, the client is no longer read and nothing more is charged', async () => {
  const authorizer = createFakeAuthorizer(['*']);
  const rig = createLeashRig(authorizer);
  rig.endServer();
  expect(await rig.end).toMatchObject({ endedBy: 'server' });
  expect(rig.clientInput.destroyed).toBe(true);
  expect(authorizer.decisionIds).toEqual([]);
});

test('when the server has stopped reading, calls are answered and not charged', async () => {
  const authorizer = createFakeAuthorizer(['*']);
  const rig = createLeashRig(authorizer);
  rig.serverInput.destroy(new Error('EPIPE'));
  await tick();
  rig.say(call(1, 'a'));
  expect(await rig.heard()).toMatchObject({ id: 1, error: { code: -32_603 } });
  expect(authorizer.decisionIds).toEqual([]);
});

test('when the client has stopped listening, what it still says is not done', async () => {
  const authorizer = createFakeAuthorizer(['*']);
  const rig = createLeashRig(authorizer);
  rig.clientOutput.destroy(new Error('EPIPE'));
  await tick();
  rig.say(call(1, 'a'));
  await tick();
  expect(rig.serverInput.writableEnded).toBe(true);
  rig.endServer();
  expect(await rig.end).toMatchObject({ endedBy: 'client', callsGranted: 0 });
  expect(authorizer.decisionIds).toEqual([]);
});

test('a hook that throws ends the leash: nothing goes on unrecorded', async () => {
  const rig = createLeashRig(createFakeAuthorizer(['*']), {
    onDecision: () => {
      throw new Error('disk full');
    },
  });
  rig.say(call(1, 'a'));
  await expect(rig.end).rejects.toThrow('disk full');
  expect(rig.clientInput.destroyed).toBe(true);
});

/** A stream whose reader takes nothing until it is told to. */
function createStuckStream(): { stream: Writable; received: () => number; release: () => void } {
  let stuck: (() => void) | undefined;
  let open = false;
  let bytes = 0;
  const stream = new Writable({
    highWaterMark: 1_024,
    write(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (open) done();
      else stuck = done;
    },
  });
  return {
    stream,
    received: () => bytes,
    release() {
      open = true;
      stuck?.();
    },
  };
}

test('a server that does not read holds the client back, and memory stays bounded', async () => {
  const input = new PassThrough({ highWaterMark: 16_384 });
  const output = new PassThrough();
  const serverOutput = new PassThrough();
  const stuck = createStuckStream();
  const end = runLeash({
    authorizer: createFakeAuthorizer(['*']),
    client: { input, output },
    server: { input: stuck.stream, output: serverOutput },
  });
  const line = `{"jsonrpc":"2.0","method":"notifications/x","params":{"x":"${'x'.repeat(1_000)}"}}\n`;
  let accepted = 0;
  while (accepted < 10_000 && input.write(line)) {
    accepted++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  // 10,000 lines would be 10 MB; only buffers' worth was taken.
  expect(accepted).toBeGreaterThan(10);
  expect(accepted).toBeLessThan(100);
  expect(stuck.stream.writableLength).toBeLessThan(100_000);
  stuck.release();
  input.end();
  serverOutput.end();
  expect(await end).toMatchObject({ callsGranted: 0 });
});

test('a client that does not read holds the server back', async () => {
  const stuck = createStuckStream();
  const serverOutput = new PassThrough({ highWaterMark: 16_384 });
  const end = runLeash({
    authorizer: createFakeAuthorizer(['*']),
    client: { input: new PassThrough(), output: stuck.stream },
    server: { input: new PassThrough(), output: serverOutput },
  });
  const line = `{"jsonrpc":"2.0","method":"notifications/message","params":{"x":"${'x'.repeat(1_000)}"}}\n`;
  let accepted = 0;
  while (accepted < 10_000 && serverOutput.write(line)) {
    accepted++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(accepted).toBeGreaterThan(10);
  expect(accepted).toBeLessThan(100);
  stuck.release();
  serverOutput.end();
  await end;
  // One line more than was accepted: the write that answered `false` counts.
  expect(stuck.received()).toBe((accepted + 1) * line.length);
});

test('calls that wait for their grant hold the client back once they are many megabytes', async () => {
  const authorizer = createFakeAuthorizer(['*']);
  const rig = createLeashRig(authorizer);
  authorizer.hold();
  for (let id = 0; id < 20; id++) rig.say(call(id, 'a', { x: 'x'.repeat(1_048_576) }));
  await tick(200);
  expect(authorizer.decisionIds.length).toBeLessThan(8);
  authorizer.open();
  for (let id = 0; id < 20; id++) expect(await rig.reached()).toMatchObject({ id });
});

test('a flood of garbage fills neither the disk behind stderr nor the memory', async () => {
  const rig = createLeashRig(createFakeAuthorizer(['*']));
  rig.say('x\n'.repeat(3_000));
  for (let count = 0; count < 3_000; count++) await rig.heard();
  expect(rig.notices).toHaveLength(1_000);
  expect(rig.notices.at(-1)).toContain('no more of these');
});
