import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { runLeash } from '../../src/mcp/leash.js';
import { startServerProcess } from '../../src/mcp/server-process.js';
import { createFakeAuthorizer } from './fake-authorizer.js';
import { type SmugglingCase, smugglingCases } from './smuggling-cases.js';

const folder = mkdtempSync(join(tmpdir(), 'ambit-smuggling-'));
afterAll(() => rmSync(folder, { recursive: true }));

const servers = [
  ['Python', 'python3', [pathOf('line-recorder.py')]],
  ['Node', process.execPath, ['--import', 'tsx', pathOf('line-recorder.ts')]],
] as const;

interface Recorded {
  readonly lines: readonly string[];
  /** The tools called, as each kind of reader sees it. */
  readonly calls: Readonly<Record<string, readonly string[]>>;
  readonly ended: boolean;
}

test.each(servers)(
  'no smuggled call reaches a %s server',
  { timeout: 60_000 },
  async (name, command, args) => {
    const file = join(folder, `${name}.json`);
    const authorizer = createFakeAuthorizer(['open', 'before-*', 'after-*']);
    const answers = await runCases(command, [...args, file], authorizer);

    // A frame that passes here is a notification, or was answered by the server.
    const codes = smugglingCases.map(({ title }, index) => [title, ...codesOf(answers.get(index) ?? [])]);
    expect(codes).toEqual(
      smugglingCases.map(({ title, answered }) =>
        typeof answered === 'number' ? [title, answered] : [title],
      ),
    );
    const recorded = JSON.parse(readFileSync(file, 'utf8')) as Recorded;
    expect(recorded.ended).toBe(true);
    // No frame fell apart: each line is one whole message, for those who end lines elsewhere too.
    for (const line of recorded.lines) expect(JSON.parse(line)).toMatchObject({ jsonrpc: '2.0' });
    for (const line of recorded.lines)
      expect(line).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u0085\u2028\u2029]/);
    // Every reader sees the calls that were charged: all of them, in their order, and no other.
    expect(authorizer.charged.length).toBe(smugglingCases.length * 2);
    const byReader = Object.keys(recorded.calls).map((reader) => [reader, authorizer.charged]);
    expect(recorded.calls).toEqual(Object.fromEntries(byReader));
  },
);

test('without the leash these servers do see the smuggled calls', { timeout: 60_000 }, async () => {
  for (const [name, command, args] of servers) {
    const file = join(folder, `${name}-bare.json`);
    const server = await startServerProcess({ command, args: [...args, file] });
    server.output.resume();
    for (const { bytes } of smugglingCases) server.input.write(bytes);
    server.input.end();
    await server.exited;
    const { calls } = JSON.parse(readFileSync(file, 'utf8')) as Recorded;
    // Otherwise the test above would say nothing.
    expect(calls['last']?.filter((tool) => tool === 'hidden').length).toBeGreaterThan(15);
    expect(calls['folded_last']?.length).toBeGreaterThan(calls['last']?.length ?? Infinity);
  }
});

/** Sends a granted call before and after each case; answers what the client heard in between. */
async function runCases(
  command: string,
  args: readonly string[],
  authorizer: ReturnType<typeof createFakeAuthorizer>,
): Promise<Map<number, Record<string, unknown>[]>> {
  const server = await startServerProcess({ command, args });
  const input = new PassThrough();
  const output = new PassThrough();
  const end = runLeash({
    authorizer,
    client: { input, output },
    server,
    limits: { upstreamLineBytesMax: 17_000 },
    onClientEnd: () => void server.stop(),
  });
  const answers = new Map<number, Record<string, unknown>[]>();
  const lines = createInterface({ input: output })[Symbol.asyncIterator]();
  async function sendAndWait(
    bytes: readonly (Buffer | string)[],
    marker: string,
  ): Promise<Record<string, unknown>[]> {
    for (const part of bytes) input.write(part);
    const heard: Record<string, unknown>[] = [];
    for (;;) {
      const line = await lines.next();
      if (line.done === true) throw new Error(`the leash ended before ${marker}`);
      const answer = JSON.parse(line.value) as Record<string, unknown>;
      if (answer['id'] === marker) return heard;
      heard.push(answer);
    }
  }
  const callOf = (id: string): string =>
    `{"jsonrpc":"2.0","id":"${id}","method":"tools/call","params":{"name":"${id}"}}\n`;
  for (const [index, { bytes }] of (smugglingCases as SmugglingCase[]).entries()) {
    // In one write, so that the leash, too, gets them in one piece.
    const piece = Buffer.concat([
      Buffer.from(callOf(`before-${index}`)),
      bytes,
      Buffer.from(callOf(`after-${index}`)),
    ]);
    const heard = await sendAndWait([piece], `after-${index}`);
    answers.set(
      index,
      heard.filter((answer) => answer['id'] !== `before-${index}`),
    );
  }
  input.end();
  await end;
  await server.exited;
  return answers;
}

function codesOf(answers: readonly Record<string, unknown>[]): unknown[] {
  return answers.flatMap((answer) => ('error' in answer ? [(answer['error'] as { code: number }).code] : []));
}

function pathOf(file: string): string {
  return fileURLToPath(new URL(`servers/${file}`, import.meta.url));
}
