import { Client, type ClientOptions } from '@modelcontextprotocol/client';
import { afterEach, describe, expect, test } from 'vitest';
import { createFakeAuthorizer, type FakeAuthorizer } from './fake-authorizer.js';
import { type LeashedServer, startLeashedServer, testServer } from './leashed-server.js';

/** The official client, in both revisions it speaks. */
const eras = [
  ['2026-07-28', { mode: { pin: '2026-07-28' } }],
  ['2025-11-25', { mode: 'legacy' }],
] as const;

let leashed: LeashedServer;
afterEach(() => leashed.leave());

async function connect(
  authorizer: FakeAuthorizer,
  versionNegotiation: NonNullable<ClientOptions['versionNegotiation']>,
  options: ClientOptions = {},
): Promise<Client> {
  leashed = await startLeashedServer(authorizer, testServer('both-eras.ts'));
  const client = new Client(
    { name: 'test', version: '1.0.0' },
    { capabilities: { elicitation: { form: {} } }, versionNegotiation, ...options },
  );
  await client.connect(leashed.modernTransport);
  return client;
}

async function tallyOf(client: Client): Promise<string> {
  return JSON.stringify((await client.callTool({ name: 'tally' })).content);
}

describe.each(eras)('client 2.4 in revision %s', (version, versionNegotiation) => {
  test('lists, calls, is refused and finds out why', async () => {
    const authorizer = createFakeAuthorizer(['sum', 'tally', 'a*'], 3);
    const client = await connect(authorizer, versionNegotiation);
    expect(client.getNegotiatedProtocolVersion()).toBe(version);
    expect(Object.keys(client.getServerCapabilities() ?? {}).sort()).toEqual(['logging', 'tools']);

    const list = await client.listTools();
    expect(list.tools.map((tool) => tool.name)).toEqual(['sum', 'tally', 'ask']);
    if (version === '2026-07-28') expect(list).toMatchObject({ cacheScope: 'private', ttlMs: 0 });

    const sum = await client.callTool({ name: 'sum', arguments: { a: 1, b: 2 } });
    expect(sum.structuredContent).toEqual({ sum: 3 });
    await expect(client.callTool({ name: 'hidden' })).rejects.toMatchObject({
      code: -32_602,
      message: expect.stringContaining('Unknown tool: hidden') as string,
    });
    expect(await tallyOf(client)).toContain('"sum"');
    await tallyOf(client);

    // The tool has an output schema, and the refusal no structured content: the client must not choke on it.
    const refused = await client.callTool({ name: 'sum', arguments: { a: 1, b: 2 } });
    expect(refused).toMatchObject({ isError: true, _meta: { 'ambit/refusal': { code: 'BUDGET_EXCEEDED' } } });
    expect(authorizer.charged).toEqual(['sum', 'tally', 'tally']);
    await client.close();
  });

  test('progress arrives, and a cancelled call is cancelled in the server', async () => {
    const authorizer = createFakeAuthorizer(['slow', 'tally']);
    const client = await connect(authorizer, versionNegotiation);
    const progress: number[] = [];
    const done = await client.callTool(
      { name: 'slow', arguments: { steps: 3 } },
      { onprogress: (step) => progress.push(step.progress) },
    );
    expect(done.content).toEqual([{ type: 'text', text: 'done' }]);
    expect(progress).toEqual([1, 2, 3]);

    const controller = new AbortController();
    const call = client.callTool(
      { name: 'slow', arguments: { steps: 10_000 } },
      { signal: controller.signal },
    );
    const givenUp = call.catch((error: unknown) => error);
    while (!(await tallyOf(client)).includes('slow,slow'))
      await new Promise((resolve) => setTimeout(resolve, 10));
    controller.abort('enough');
    expect(await givenUp).toBeInstanceOf(Error);
    while (!(await tallyOf(client)).includes('slow-aborted'))
      await new Promise((resolve) => setTimeout(resolve, 10));
    await client.close();
  });

  test('a call that asks the person back is one call', async () => {
    const authorizer = createFakeAuthorizer(['ask']);
    const client = await connect(authorizer, versionNegotiation);
    client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { name: 'Ada' } }));
    const asked = await client.callTool({ name: 'ask' });
    expect(JSON.stringify(asked.content)).toContain('Hello Ada, state round-1');
    expect(authorizer.charged).toEqual(['ask']);
    // In the older revision the server asks the client, and the call stays open.
    expect(authorizer.checked).toEqual(version === '2026-07-28' ? ['ask'] : []);
    await client.close();
  });

  test('a changed list is told, and asked for again', async () => {
    const authorizer = createFakeAuthorizer(['grow', 'grown']);
    let tell: (names: string[]) => void = () => {};
    const told = new Promise<string[]>((resolve) => {
      tell = resolve;
    });
    const client = await connect(authorizer, versionNegotiation, {
      listChanged: { tools: { onChanged: (_error, tools) => tell((tools ?? []).map((tool) => tool.name)) } },
    });
    await client.callTool({ name: 'grow' });
    expect(await told).toEqual(['grow', 'grown']);
    await client.close();
  });

  test('resources and prompts are refused to who asks for them all the same', async () => {
    const client = await connect(createFakeAuthorizer(['*']), versionNegotiation);
    await expect(client.readResource({ uri: 'test://readme' })).rejects.toThrow();
    expect(leashed.decisions).toEqual([]);
    await client.close();
  });
});

test('client 2.4 that probes for the revision finds it', async () => {
  const client = await connect(createFakeAuthorizer(['*']), { mode: 'auto' });
  expect(client.getNegotiatedProtocolVersion()).toBe('2026-07-28');
  await client.close();
});

test('client 2.4 that probes an older server falls back', async () => {
  leashed = await startLeashedServer(createFakeAuthorizer(['wait']), testServer('legacy.ts'));
  const client = new Client({ name: 'test', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } });
  await client.connect(leashed.modernTransport);
  expect(client.getNegotiatedProtocolVersion()).toBe('2025-11-25');
  expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual(['wait']);
  await client.close();
});
