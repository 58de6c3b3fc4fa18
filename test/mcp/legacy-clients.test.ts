import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createFakeAuthorizer, type FakeAuthorizer } from './fake-authorizer.js';
import { type LeashedServer, startLeashedServer, testServer } from './leashed-server.js';

let leashed: LeashedServer;
afterEach(() => leashed.leave());

async function connect(authorizer: FakeAuthorizer, args: readonly string[]): Promise<Client> {
  leashed = await startLeashedServer(authorizer, args);
  const client = new Client(
    { name: 'test', version: '1.0.0' },
    { capabilities: { elicitation: {}, sampling: {}, roots: {} } },
  );
  await client.connect(leashed.legacyTransport);
  return client;
}

describe('client 1.32 and a server that asks back', () => {
  test('every page is filtered, and all of them are read', async () => {
    const client = await connect(createFakeAuthorizer(['ask', 'sample', 'wait']), testServer('legacy.ts'));
    const pages: string[][] = [];
    let cursor: string | undefined;
    do {
      const page = await client.listTools(cursor === undefined ? {} : { cursor });
      pages.push(page.tools.map((tool) => tool.name));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(pages).toEqual([['ask'], ['sample'], [], ['wait']]);
    await client.close();
  });

  test('elicitation, sampling and roots reach the client, and its answers the server', async () => {
    const authorizer = createFakeAuthorizer(['ask', 'sample', 'roots']);
    const client = await connect(authorizer, testServer('legacy.ts'));
    client.setRequestHandler(ElicitRequestSchema, () => ({
      action: 'accept',
      content: { name: 'Ada\u2028' },
    }));
    client.setRequestHandler(CreateMessageRequestSchema, () => ({
      role: 'assistant',
      model: 'm',
      content: { type: 'text', text: 'Ho' },
    }));
    client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [{ uri: 'file:///x' }] }));
    const [asked, sampled, roots] = await Promise.all(
      ['ask', 'sample', 'roots'].map((name) => client.callTool({ name })),
    );
    expect(asked?.content).toEqual([{ type: 'text', text: 'accept Ada\u2028' }]);
    expect(JSON.stringify(sampled?.content)).toContain('Ho');
    expect(roots?.content).toEqual([{ type: 'text', text: 'file:///x' }]);
    expect(authorizer.charged).toEqual(['ask', 'sample', 'roots']);
    await client.close();
  });

  test('a call that is given up does not hold up the others', async () => {
    const client = await connect(createFakeAuthorizer(['wait', 'ran']), testServer('legacy.ts'));
    const controller = new AbortController();
    const call = client.callTool({ name: 'wait' }, undefined, { signal: controller.signal });
    const givenUp = call.catch((error: unknown) => error);
    expect((await client.callTool({ name: 'ran' })).content).toEqual([{ type: 'text', text: 'ran ran' }]);
    controller.abort();
    expect(await givenUp).toBeInstanceOf(Error);
    expect((await client.callTool({ name: 'ran' })).content).toEqual([{ type: 'text', text: 'ran ran' }]);
    await client.close();
  });
});

describe('client 1.32 and the filesystem server', () => {
  const server = fileURLToPath(
    new URL('../../node_modules/@modelcontextprotocol/server-filesystem/dist/index.js', import.meta.url),
  );
  let folder: string;
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'ambit-files-')));
    writeFileSync(join(folder, 'a.txt'), 'hello');
    return () => rmSync(folder, { recursive: true });
  });

  test('lists, calls, is refused and finds out why', async () => {
    const authorizer = createFakeAuthorizer(['read_*'], 2);
    const client = await connect(authorizer, [server, folder]);
    const { tools } = await client.listTools();
    expect(tools.length).toBeGreaterThan(2);
    expect(tools.every((tool) => tool.name.startsWith('read_'))).toBe(true);

    const path = join(folder, 'a.txt');
    const read = await client.callTool({ name: 'read_text_file', arguments: { path } });
    expect(JSON.stringify(read.content)).toContain('hello');
    const write = client.callTool({ name: 'write_file', arguments: { path, content: 'x' } });
    await expect(write).rejects.toMatchObject({
      code: -32_602,
      message: expect.stringMatching(/Unknown tool: write_file$/) as string,
    });
    const unknown = client.callTool({ name: 'no_such_tool' });
    await expect(unknown).rejects.toMatchObject({
      code: -32_602,
      message: expect.stringMatching(/Unknown tool: no_such_tool$/) as string,
    });
    // A failing tool is a call like any other.
    const missing = await client.callTool({ name: 'read_text_file', arguments: { path: join(folder, 'b') } });
    expect(missing.isError).toBe(true);

    // This client validates structured content against the output schema, errors included.
    const refused = await client.callTool({ name: 'read_text_file', arguments: { path } });
    expect(refused).toMatchObject({
      isError: true,
      _meta: { 'ambit/refusal': { code: 'BUDGET_EXCEEDED', retryable: false } },
    });
    expect(authorizer.charged).toEqual(['read_text_file', 'read_text_file']);
    expect(leashed.notices).toEqual([]);
    await client.close();
  });
});
