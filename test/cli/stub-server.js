/**
 * A small MCP server over stdio, of revision 2025-11-25, that starts fast. Tools: `read_file` and `write_file` answer
 * with their name, `wait` with its name after the `ms` of its arguments, `env` with what begins with AMBIT in its environment, `pid` with its process id, `quit` ends it with
 * the exit code in its arguments.
 *
 *   --say TEXT     writes TEXT to stderr first
 *   --die CODE     ends at once
 *   --stay         does not end when its stdin does, nor at SIGTERM
 *   --finish       does not end when its stdin does, but when there is nothing left to answer
 *   --offspring    starts a process of its own that never ends; its id is what `pid` answers
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const options = process.argv.slice(2);
/** @param {string} name */
const valueOf = (name) => (options.includes(name) ? options[options.indexOf(name) + 1] : undefined);

const words = valueOf('--say');
if (words !== undefined) process.stderr.write(`${words}\n`);
const code = valueOf('--die');
if (code !== undefined) process.exit(Number(code));

let pid = process.pid;
if (options.includes('--offspring')) {
  const offspring = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  pid = offspring.pid ?? 0;
}
if (options.includes('--stay')) {
  process.on('SIGTERM', () => {});
  setInterval(() => {}, 1000);
} else if (!options.includes('--finish')) process.stdin.on('end', () => process.exit(0));

/**
 * @param {string} name
 * @param {Record<string, unknown>} args
 */
function called(name, args) {
  if (name === 'quit') process.exit(Number(args.code));
  if (name === 'pid') return String(pid);
  if (name === 'env')
    return JSON.stringify(
      Object.keys(process.env)
        .filter((key) => key.startsWith('AMBIT'))
        .sort(),
    );
  return `${name} was called`;
}

/** @param {{ method: string, params?: { name?: string, arguments?: Record<string, unknown> } }} request */
function resultOf({ method, params = {} }) {
  switch (method) {
    case 'initialize':
      return {
        protocolVersion: '2025-11-25',
        capabilities: { tools: {} },
        serverInfo: { name: 'stub', version: '1.0.0' },
      };
    case 'tools/list':
      return {
        tools: ['read_file', 'write_file', 'wait', 'env', 'pid', 'quit'].map((name) => ({
          name,
          inputSchema: { type: 'object' },
        })),
      };
    case 'tools/call':
      return { content: [{ type: 'text', text: called(params.name ?? '', params.arguments ?? {}) }] };
    default:
      return {};
  }
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const request = JSON.parse(line);
  if (request.id === undefined) return;
  const answer = `${JSON.stringify({ jsonrpc: '2.0', id: request.id, result: resultOf(request) })}\n`;
  const ms = request.params?.arguments?.ms;
  // At once, or the end of its stdin ends it first.
  if (ms === undefined) process.stdout.write(answer);
  else setTimeout(() => process.stdout.write(answer), ms);
});
