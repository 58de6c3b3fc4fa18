// An MCP server built with @modelcontextprotocol/server: revision 2026-07-28, and 2025-11-25 for clients that ask for it.
import { acceptedContent, inputRequired, McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';

/** Every tool that ran, in order: what the client is told by the tool `tally`. */
const ran: string[] = [];
const answer = z.object({ name: z.string() });

function text(value: string): { content: { type: 'text'; text: string }[] } {
  return { content: [{ type: 'text', text: value }] };
}

serveStdio(() => {
  const server = new McpServer(
    { name: 'both-eras', version: '1.0.0' },
    { capabilities: { tools: { listChanged: true }, logging: {} } },
  );
  server.registerResource('readme', 'test://readme', {}, () => ({
    contents: [{ uri: 'test://readme', text: 'x' }],
  }));
  server.registerPrompt('hello', {}, () => ({ messages: [] }));
  server.registerTool(
    'sum',
    { inputSchema: z.object({ a: z.number(), b: z.number() }), outputSchema: z.object({ sum: z.number() }) },
    ({ a, b }) => {
      ran.push('sum');
      return { ...text(String(a + b)), structuredContent: { sum: a + b } };
    },
  );
  server.registerTool('tally', {}, () => text(ran.join()));
  server.registerTool('hidden', {}, () => {
    ran.push('hidden');
    return text('never');
  });
  server.registerTool('ask', {}, (ctx) => {
    ran.push('ask');
    const given = acceptedContent(ctx.mcpReq.inputResponses, 'who', answer);
    if (given !== undefined) return text(`Hello ${given.name}, state ${String(ctx.mcpReq.requestState())}`);
    const who = inputRequired.elicit({ message: 'Who are you?', requestedSchema: answer });
    return inputRequired({ inputRequests: { who }, requestState: `round-${ran.length}` });
  });
  server.registerTool('slow', { inputSchema: z.object({ steps: z.number() }) }, async ({ steps }, ctx) => {
    ran.push('slow');
    const progressToken = ctx.mcpReq._meta?.progressToken;
    for (let progress = 1; progress <= steps && !ctx.mcpReq.signal.aborted; progress++) {
      if (progressToken !== undefined) {
        const params = { progressToken, progress, total: steps };
        await ctx.mcpReq.notify({ method: 'notifications/progress', params });
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    if (ctx.mcpReq.signal.aborted) ran.push('slow-aborted');
    return text('done');
  });
  server.registerTool('grow', {}, () => {
    server.registerTool('grown', {}, () => text('grown'));
    return text('grown is there');
  });
  return server;
});
