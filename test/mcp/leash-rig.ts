import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import {
  type LeashDecision,
  type LeashEnd,
  type LeashOptions,
  runLeash,
  type ToolAuthorizer,
} from '../../src/mcp/leash.js';

export type Message = Record<string, unknown>;

/** A leash between two hands: what the client says and hears, what the server hears and says, as lines. */
export interface LeashRig {
  readonly decisions: LeashDecision[];
  readonly notices: string[];
  /** Lines the server has read so far. */
  readonly atServer: string[];
  /** Lines the client has read so far. */
  readonly atClient: string[];
  /** The client says this; an object becomes a line. */
  say(line: string | Buffer | Message): void;
  /** The server says this. */
  answer(line: string | Buffer | Message): void;
  /** The next line at the client, or at the server, that was not taken yet. */
  heard(): Promise<Message>;
  reached(): Promise<Message>;
  /** Resolves when all that was said has been judged: a marker has gone to the server and nothing was held back. */
  settle(): Promise<void>;
  endClient(): void;
  endServer(): void;
  readonly clientInput: PassThrough;
  readonly clientOutput: PassThrough;
  readonly serverInput: PassThrough;
  readonly end: Promise<LeashEnd>;
}

export function createLeashRig(
  authorizer: ToolAuthorizer,
  options: Partial<Omit<LeashOptions, 'authorizer' | 'client' | 'server'>> = {},
): LeashRig {
  const clientInput = new PassThrough();
  const clientOutput = new PassThrough();
  const serverInput = new PassThrough();
  const serverOutput = new PassThrough();
  const decisions: LeashDecision[] = [];
  const notices: string[] = [];
  const client = collectLines(clientOutput);
  const server = collectLines(serverInput);
  let markers = 0;

  const end = runLeash({
    authorizer,
    client: { input: clientInput, output: clientOutput },
    server: { input: serverInput, output: serverOutput },
    onDecision: (decision) => decisions.push(decision),
    onNotice: (notice) => notices.push(notice),
    ...options,
  });

  return {
    decisions,
    notices,
    atServer: server.lines,
    atClient: client.lines,
    clientInput,
    clientOutput,
    serverInput,
    end,
    say: (line) => void clientInput.write(bytesOf(line)),
    answer: (line) => void serverOutput.write(bytesOf(line)),
    heard: async () => JSON.parse(await client.next()) as Message,
    reached: async () => JSON.parse(await server.next()) as Message,
    async settle() {
      const method = `notifications/marker-${++markers}`;
      clientInput.write(`${JSON.stringify({ jsonrpc: '2.0', method })}\n`);
      await server.until((line) => line.includes(method));
      server.lines.pop();
    },
    endClient: () => void clientInput.end(),
    endServer: () => void serverOutput.end(),
  };
}

export function request(id: string | number, method: string, params?: Message): Message {
  return { jsonrpc: '2.0', id, method, ...(params === undefined ? {} : { params }) };
}

export function call(id: string | number, name: string, more: Message = {}): Message {
  return request(id, 'tools/call', { name, arguments: {}, ...more });
}

export function result(id: string | number, value: Message): Message {
  return { jsonrpc: '2.0', id, result: value };
}

/** The `_meta` of a request of revision 2026-07-28. */
export const modernMeta: Message = {
  _meta: {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  },
};

interface CollectedLines {
  readonly lines: string[];
  next(): Promise<string>;
  until(isIt: (line: string) => boolean): Promise<void>;
}

function collectLines(stream: PassThrough): CollectedLines {
  const lines: string[] = [];
  let rest = '';
  let taken = 0;
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const pieces = (rest + text).split('\n');
    rest = pieces.pop() ?? '';
    lines.push(...pieces);
    if (pieces.length > 0) stream.emit('lines');
  });
  return {
    lines,
    async next() {
      while (lines.length <= taken) await once(stream, 'lines');
      return lines[taken++] ?? '';
    },
    async until(isIt) {
      while (!isIt(lines.at(-1) ?? '')) await once(stream, 'lines');
    },
  };
}

function bytesOf(line: string | Buffer | Message): Buffer | string {
  if (Buffer.isBuffer(line)) return line;
  return typeof line === 'string' ? line : `${JSON.stringify(line)}\n`;
}
