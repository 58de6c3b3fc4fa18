/**
 * `npm run demo`: the official MCP client, through `ambit run`, against the real filesystem server on a sample folder.
 * Every step says what it expects and is checked; the first that is not as it should be ends the demo with exit code 1.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';

const ambit = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const require = createRequire(import.meta.url);
const filesystemServer = join(
  dirname(require.resolve('@modelcontextprotocol/server-filesystem/package.json')),
  'dist/index.js',
);

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ambit-demo-')));
const sample = join(folder, 'sample');
const storage = `sqlite:${join(folder, 'ambit.db')}`;

interface Agent {
  readonly client: Client;
  readonly pid: number;
  call(tool: string, args: Record<string, unknown>): Promise<{ text: string; refusal?: { code: string } }>;
}

/** Starts `ambit run` on the task as an MCP host would, and connects the official client to it. */
async function connect(): Promise<Agent> {
  const limits = ['--task', 'demo', '--tools', 'read_*,list_*', '--calls', '6', '--for', '10m'];
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [ambit, 'run', ...limits, '--storage', storage, '--', process.execPath, filesystemServer, sample],
    stderr: 'ignore',
  });
  const client = new Client({ name: 'demo-agent', version: '1.0.0' });
  await client.connect(transport);
  return {
    client,
    pid: transport.pid ?? 0,
    async call(tool, args) {
      const result = await client.callTool({ name: tool, arguments: args });
      const content = result.content as { type: string; text?: string }[];
      const refusal = result._meta?.['ambit/refusal'] as { code: string } | undefined;
      return { text: content.map((part) => part.text ?? '').join(' '), ...(refusal && { refusal }) };
    },
  };
}

/** What the second terminal does. */
async function sessions(...args: string[]): Promise<string> {
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, [ambit, 'sessions', ...args, '--storage', storage]);
  return stdout;
}

let step = 0;

function title(text: string): void {
  process.stdout.write(`\n${++step}. ${text}\n`);
}

/** Says what was seen, and ends the demo where it is not what was promised. */
function check(what: string, holds: boolean, seen?: string): void {
  process.stdout.write(`   ${holds ? '✓' : '✗'} ${what}${seen === undefined ? '' : `  (${seen})`}\n`);
  if (!holds) throw new Error(`step ${step}: ${what}`);
}

async function demo(): Promise<void> {
  const read = { path: join(sample, 'hello.txt') };
  title('An agent gets a leash: read_* and list_*, 6 calls, 10 minutes');
  let agent = await connect();
  const { tools } = await agent.client.listTools();
  const names = tools.map((tool) => tool.name);
  check(
    'the tool list shows only what the session allows',
    names.every((name) => /^(read|list)_/.test(name)),
    `${names.length} tools`,
  );

  title('Allowed calls reach the real server');
  const first = await agent.call('read_text_file', read);
  check('read_text_file answers', first.text.includes('Hello from the sample folder'), first.text.trim());
  check(
    'list_directory answers',
    (await agent.call('list_directory', { path: sample })).text.includes('hello.txt'),
  );

  title('A tool that is not in the session does not exist for it');
  const write = { path: join(sample, 'evil.txt'), content: 'x' };
  const error = await agent.call('write_file', write).then(
    () => 'no error',
    (reason: unknown) => (reason as Error).message,
  );
  check('write_file is unknown', error.includes('Unknown tool: write_file'), error);

  title('kill -9 of ambit run, in the middle; then a restart');
  await agent.call('read_text_file', read);
  process.kill(agent.pid, 'SIGKILL');
  await agent.client.close().catch(() => undefined);
  agent = await connect();
  const [shown] = (
    JSON.parse(await sessions('list', '--json')) as { sessions: { sessionId: string; callsMade: number }[] }
  ).sessions;
  check('the three calls made before are remembered', shown?.callsMade === 3, `${shown?.callsMade} of 6`);

  title('The budget runs out');
  for (let call = 4; call <= 6; call++)
    check(`call ${call} passes`, !(await agent.call('read_text_file', read)).refusal);
  const seventh = await agent.call('read_text_file', read);
  check('call 7 is refused', seventh.refusal?.code === 'BUDGET_EXCEEDED', seventh.text);

  title('A person in another terminal adds calls, and then closes the session');
  await sessions('extend', shown?.sessionId ?? '', '--calls', '10');
  check('the next call passes', !(await agent.call('read_text_file', read)).refusal);
  process.stdout.write(`   $ ambit sessions close: ${await sessions('close', shown?.sessionId ?? '')}`);
  const closed = await agent.call('read_text_file', read);
  check('the very next call is refused', closed.refusal?.code === 'SESSION_CLOSED', closed.text);
  await agent.client.close();

  title('A closed task stays closed');
  const again = await connect().then(
    () => 'it started',
    () => 'ambit run refused to start',
  );
  check('a restart does not reopen it', again === 'ambit run refused to start', again);
}

try {
  mkdirSync(sample);
  writeFileSync(join(sample, 'hello.txt'), 'Hello from the sample folder\n');
  await demo();
  process.stdout.write('\nEverything was as it should be.\n');
} catch (error) {
  process.stdout.write(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
