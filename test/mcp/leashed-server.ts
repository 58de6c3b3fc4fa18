import { PassThrough, type Readable, type Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { StdioServerTransport as LegacyTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { StdioServerTransport as ModernTransport } from '@modelcontextprotocol/server/stdio';
import { type LeashDecision, type LeashOptions, runLeash, type ToolAuthorizer } from '../../src/mcp/leash.js';
import { startServerProcess } from '../../src/mcp/server-process.js';

/** A real server behind a leash, with a pipe for a real client. */
export interface LeashedServer {
  readonly decisions: LeashDecision[];
  readonly notices: string[];
  /** The client's end of the pipe. The stdio transport of a server is symmetric: it reads one stream and writes the other. */
  readonly legacyTransport: LegacyTransport;
  readonly modernTransport: ModernTransport;
  /** The client leaves; resolves when the server has exited. */
  leave(): Promise<void>;
}

export async function startLeashedServer(
  authorizer: ToolAuthorizer,
  args: readonly string[],
  options: Partial<Pick<LeashOptions, 'allowedMethods' | 'serverName'>> = {},
): Promise<LeashedServer> {
  const server = await startServerProcess({ command: process.execPath, args });
  const toLeash: Writable & Readable = new PassThrough();
  const fromLeash: Writable & Readable = new PassThrough();
  const decisions: LeashDecision[] = [];
  const notices: string[] = [];
  const end = runLeash({
    authorizer,
    client: { input: toLeash, output: fromLeash },
    server,
    onDecision: (decision) => decisions.push(decision),
    onNotice: (notice) => notices.push(notice),
    onClientEnd: () => void server.stop(),
    ...options,
  });
  return {
    decisions,
    notices,
    legacyTransport: new LegacyTransport(fromLeash, toLeash),
    modernTransport: new ModernTransport(fromLeash, toLeash),
    async leave() {
      toLeash.end();
      fromLeash.resume();
      await end;
      await server.exited;
    },
  };
}

/** The arguments of Node that run one of the servers in `servers/`. */
export function testServer(file: string): string[] {
  return ['--import', 'tsx', fileURLToPath(new URL(`servers/${file}`, import.meta.url))];
}
