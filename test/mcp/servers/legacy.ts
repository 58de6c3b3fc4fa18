// An MCP server built with @modelcontextprotocol/sdk: revision 2025-11-25, with requests of its own to the client.
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';

const names = ['ask', 'hidden-1', 'sample', 'hidden-2', 'roots', 'hidden-3', 'wait'];
const inputSchema = { type: 'object' as const };
const pageSize = 2;

function text(value: string): { content: { type: 'text'; text: string }[] } {
  return { content: [{ type: 'text', text: value }] };
}

// The high-level server has no pages.
// eslint-disable-next-line typescript/no-deprecated -- the low-level class is what the pages need
const server = new Server({ name: 'legacy', version: '1.0.0' }, { capabilities: { tools: {} } });

server.setRequestHandler(ListToolsRequestSchema, ({ params }) => {
  const from = Number(params?.cursor ?? 0);
  const tools = names.slice(from, from + pageSize).map((name) => ({ name, inputSchema }));
  return { tools, ...(from + pageSize < names.length ? { nextCursor: String(from + pageSize) } : {}) };
});

server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal }) => {
  switch (params.name) {
    case 'ask': {
      const requestedSchema = { type: 'object' as const, properties: { name: { type: 'string' as const } } };
      const { action, content } = await server.elicitInput({ message: 'Who are you?', requestedSchema });
      return text(`${action} ${String(content?.['name'])}`);
    }
    case 'sample': {
      const messages = [{ role: 'user' as const, content: { type: 'text' as const, text: 'Hi' } }];
      const { content } = await server.createMessage({ messages, maxTokens: 5 });
      return text(`sampled ${JSON.stringify(content)}`);
    }
    case 'roots':
      return text((await server.listRoots()).roots.map((root) => root.uri).join());
    case 'wait':
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      return text('aborted');
    default:
      return text(`ran ${params.name}`);
  }
});

await server.connect(new StdioServerTransport());
