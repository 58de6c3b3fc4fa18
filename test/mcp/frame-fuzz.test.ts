import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { runLeash } from '../../src/mcp/leash.js';
import { createFakeAuthorizer } from './fake-authorizer.js';

const folder = mkdtempSync(join(tmpdir(), 'ambit-fuzz-'));
afterAll(() => rmSync(folder, { recursive: true }));

const hidden = '{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"hidden"}}';

/** A key as somebody who wants to be misread would write it. */
const keyArbitrary = fc
  .tuple(
    fc.constantFrom(
      'jsonrpc',
      'id',
      'method',
      'params',
      'name',
      'result',
      'error',
      'arguments',
      '_meta',
      'x',
      '__proto__',
    ),
    fc.constantFrom(
      'plain',
      'plain',
      'plain',
      'plain',
      'plain',
      'plain',
      'upper',
      'title',
      'wide',
      'escaped',
      'marked',
      'tailed',
    ),
  )
  .map(([key, style]) => {
    if (style === 'upper') return key.toUpperCase();
    if (style === 'title') return key.slice(0, 1).toUpperCase() + key.slice(1);
    if (style === 'wide') return String.fromCharCode(key.charCodeAt(0) + 0xfee0) + key.slice(1);
    if (style === 'escaped') return `\\u00${key.charCodeAt(0).toString(16)}${key.slice(1)}`;
    if (style === 'marked') return `${key.slice(0, 2)}\u0301${key.slice(2)}`;
    return style === 'tailed' ? `${key}\\u0000` : key;
  });

const scalarArbitrary = fc.constantFrom(
  '"2.0"',
  '"tools/call"',
  '"tools\\/call"',
  '"Tools/Call"',
  '"tools/list"',
  '"notifications/x"',
  '"allowed"',
  '"hidden"',
  '"allowed\\u0000"',
  '1',
  '1.0',
  '"1"',
  'null',
  '[]',
  '"\u2028"',
  '"\u0085{"',
  `\r${hidden}\r`,
  hidden,
);

function objectOf(value: fc.Arbitrary<string>, sizeMax: number): fc.Arbitrary<string> {
  return fc
    .array(fc.tuple(keyArbitrary, value), { maxLength: sizeMax })
    .map((members) => `{${members.map(([key, json]) => `"${key}":${json}`).join(',')}}`);
}

/** Members to add to a frame that is well-formed otherwise: most random frames are refused for being none. */
const extraArbitrary = fc.array(
  fc.tuple(keyArbitrary, fc.oneof(scalarArbitrary, objectOf(scalarArbitrary, 3))),
  { maxLength: 1 },
);

const frameArbitrary = fc
  .record({
    id: fc.oneof(
      fc.integer({ min: 1, max: 9_999_999 }).map(String),
      fc.constantFrom('1.0', '"a"', '-0', 'null'),
    ),
    method: fc.constantFrom('tools/call', 'tools/call', 'tools\\/call', 'TOOLS/CALL', 'tools/list', 'ping'),
    name: fc.constantFrom('allowed', 'allowed', 'hidden', 'all\\u006fwed'),
    outer: extraArbitrary,
    inner: extraArbitrary,
    shuffle: fc.infiniteStream(fc.nat(6)),
  })
  .map(({ id, method, name, outer, inner, shuffle }) => {
    const write = (members: (readonly [string, string])[]): string => {
      // A stable sort by random ranks mixes what was added into what was there.
      const ranked = members.map((member) => ({ member, rank: Number(shuffle.next().value) }));
      ranked.sort((a, b) => a.rank - b.rank);
      return `{${ranked.map(({ member: [key, json] }) => `"${key}":${json}`).join(',')}}`;
    };
    const params = write([['name', `"${name}"`], ...inner]);
    return write([['jsonrpc', '"2.0"'], ['id', id], ['method', `"${method}"`], ['params', params], ...outer]);
  });

/** Line ends, white space, separators, a byte order mark and the marks of JSON itself; last, a whole frame. */
const insertions: readonly Buffer[] = [
  ...'\r\n\t\u0000\u000b\u001c\u0085\u2028\u2029\uFEFF"\\{}, '.split(''),
  '\r\n',
  hidden,
].map((piece) => Buffer.from(piece));
const rawInsertions = [Buffer.from([0xff]), Buffer.from([0xc2]), Buffer.from([0xed, 0xa0, 0x80])];

const lineArbitrary = fc
  .tuple(
    fc.oneof(
      { weight: 8, arbitrary: frameArbitrary },
      { weight: 1, arbitrary: objectOf(scalarArbitrary, 6) },
    ),
    fc.array(fc.tuple(fc.nat(), fc.constantFrom(...insertions, ...rawInsertions), fc.boolean()), {
      maxLength: 2,
    }),
    fc.integer({ min: 0, max: 2 }),
  )
  .map(([frame, edits, editsWanted]) => {
    let bytes = Buffer.from(frame);
    // Most frames stay whole, or hardly one would get as far as a grant.
    for (const [at, piece, replaces] of edits.slice(0, editsWanted === 2 ? 2 : 0)) {
      const index = at % (bytes.length + 1);
      bytes = Buffer.concat([bytes.subarray(0, index), piece, bytes.subarray(index + (replaces ? 1 : 0))]);
    }
    return Buffer.concat([bytes, Buffer.from('\n')]);
  });

test(
  'whatever any reader takes for a tools/call was charged, in the same order',
  { timeout: 300_000 },
  async () => {
    let charged = 0;
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(lineArbitrary, { minLength: 300, maxLength: 300, size: 'max' }),
        async (lines) => {
          const authorizer = createFakeAuthorizer(['allowed']);
          const forwarded = await forward(lines, authorizer);
          const calls = readAll(forwarded);
          expect(calls).toEqual(
            Object.fromEntries(Object.keys(calls).map((reader) => [reader, authorizer.charged])),
          );
          charged += authorizer.charged.length;
          refused += lines.length - authorizer.charged.length;
        },
      ),
      // The seed replays a failure; making it smaller would start hundreds of processes.
      { numRuns: 12, endOnFailure: true },
    );
    // A fuzzer whose frames are all refused, or all pass, tests nothing.
    expect(charged).toBeGreaterThan(100);
    expect(refused).toBeGreaterThan(100);
  },
);

async function forward(
  lines: readonly Buffer[],
  authorizer: ReturnType<typeof createFakeAuthorizer>,
): Promise<Buffer> {
  const input = new PassThrough();
  const output = new PassThrough();
  const serverInput = new PassThrough();
  const serverOutput = new PassThrough();
  output.resume();
  const forwarded = buffer(serverInput);
  const end = runLeash({
    authorizer,
    client: { input, output },
    server: { input: serverInput, output: serverOutput },
    onClientEnd: () => void serverOutput.end(),
    // This server answers nothing.
    limits: { answersWaitMsMax: 1 },
  });
  for (const line of lines) input.write(line);
  input.end();
  await end;
  return forwarded;
}

/** What the two line readers, with their kinds of JSON readers, make of these bytes. */
function readAll(bytes: Buffer): Record<string, readonly string[]> {
  const readers = [
    ['python', 'python3', [pathOf('line-recorder.py')]],
    ['node', process.execPath, ['--import', 'tsx', pathOf('line-recorder.ts')]],
  ] as const;
  const seen: Record<string, readonly string[]> = {};
  for (const [name, command, args] of readers) {
    const file = join(folder, `${name}.json`);
    const { status, stderr } = spawnSync(command, [...args, file], { input: bytes });
    expect({ status, stderr: stderr.toString() }).toEqual({ status: 0, stderr: '' });
    const { calls } = JSON.parse(readFileSync(file, 'utf8')) as { calls: Record<string, string[]> };
    for (const [reader, tools] of Object.entries(calls)) seen[`${name} ${reader}`] = tools;
  }
  return seen;
}

function pathOf(file: string): string {
  return fileURLToPath(new URL(`servers/${file}`, import.meta.url));
}
