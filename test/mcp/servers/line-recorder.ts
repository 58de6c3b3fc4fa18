// A small MCP-like server that reads lines as many Node programs do (readline, which ends a line at CR, U+2028 and
// U+2029 as well), and writes down all it sees. Keys are read twice: as they are, and without regard to case.
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

type Message = Readonly<Record<string, unknown>>;

const seen = {
  lines: [] as string[],
  calls: { last: [] as string[], folded_last: [] as string[] },
  ended: false,
};

for await (const line of createInterface({ input: process.stdin, crlfDelay: 0 })) {
  seen.lines.push(line);
  const message = read(line);
  seen.calls.last.push(...callsIn(message));
  seen.calls.folded_last.push(...callsIn(read(line, folded)));
  if (isMessage(message) && message['method'] !== undefined && message['id'] !== undefined) {
    const result = { content: [{ type: 'text', text: 'done' }] };
    process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id: message['id'], result })}\n`);
  }
}
seen.ended = true;
writeFileSync(process.argv[2] ?? '', JSON.stringify(seen));

/** What is not JSON was written down as a line all the same. */
function read(line: string, reviver?: (key: string, value: unknown) => unknown): unknown {
  try {
    return JSON.parse(line, reviver) as unknown;
  } catch {
    return undefined;
  }
}

function callsIn(message: unknown): string[] {
  const messages: unknown[] = Array.isArray(message) ? message : [message];
  return messages.flatMap((one) => {
    if (!isMessage(one) || typeof one['method'] !== 'string' || fold(one['method']).trim() !== 'tools/call')
      return [];
    return [isMessage(one['params']) ? String(one['params']['name']) : 'undefined'];
  });
}

function folded(_key: string, value: unknown): unknown {
  if (!isMessage(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [fold(key), inner]));
}

function fold(key: string): string {
  return key.normalize('NFKC').toLowerCase();
}

function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
