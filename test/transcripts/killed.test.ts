import { type Ambit, openAmbit } from 'ambit';
import { describe, expect, test } from 'vitest';
import { isLongForm, report, sized } from '../proof/figures.js';
import { mkdtempSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { granted } from '../core/answers.js';
import { join } from 'node:path';
import { sharedServerUrl } from '../servers/shared-server.js';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';

const child = fileURLToPath(new URL('append-child.js', import.meta.url));

/** What writers acknowledged before they were killed, and what they had sent of which nobody knows. */
interface Said {
  readonly acknowledged: readonly string[];
  readonly open: readonly string[];
}

/** Starts writers at once, and kills them with SIGKILL once they have acknowledged so much. */
async function runUntilKilled(url: string, writers: readonly string[], after: number): Promise<Said> {
  const all = await Promise.all(
    writers.map(async (writer) => {
      const running = spawn(process.execPath, [child, url, 's', writer], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let said = '';
      let errors = '';
      running.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
      running.stdout.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        if (said.split('\ndone ').length > after) running.kill('SIGKILL');
      });
      const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
        running.on('close', (...ended) => resolve(ended));
      });
      expect({ code, signal, errors }).toEqual({ code: null, signal: 'SIGKILL', errors: '' });
      // What follows the last line feed was cut off on its way.
      return said.split('\n').slice(0, -1);
    }),
  );
  const lines = all.flat();
  const namesOf = (word: string): string[] =>
    lines.flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []));
  const acknowledged = namesOf('done');
  const known = new Set(acknowledged);
  return { acknowledged, open: namesOf('sent').filter((name) => !known.has(name)) };
}

/** Sends what nobody knows of again, under its operation id, and says how much of it had been done. */
async function sendAgain({ transcripts }: Ambit, open: readonly string[]): Promise<number> {
  let done = 0;
  for (const name of open) {
    const entries = [
      { type: 'turn' as const, turnId: name, usage: { inputTokens: 1 } },
      { type: 'message' as const, message: { role: 'user', content: name } },
    ];
    const options = { operationId: name, create: { agentId: 'killed' } };
    if ((await granted(transcripts.append('s', entries, options))).replayed === true) done++;
  }
  return done;
}

/** Everything that was acknowledged or sent again is there once, in its writer's order, and whole; and nothing else. */
async function look(ambit: Ambit, names: readonly string[]): Promise<void> {
  const { transcript } = await granted(ambit.transcripts.load('s'));
  const turns = transcript.entries.flatMap((entry) => (entry.type === 'turn' ? [entry.turnId] : []));
  const messages = transcript.entries.flatMap((entry) =>
    entry.type === 'message' ? [entry.message.content as string] : [],
  );
  expect(messages).toEqual(turns);
  expect([...turns].sort()).toEqual([...names].sort());
  const next = new Map<string, number>();
  for (const name of turns) {
    const [, lane = '', index = ''] = /^(.*)\.(\d+)$/.exec(name) ?? [];
    expect(`${lane}.${index}`).toBe(`${lane}.${next.get(lane) ?? 0}`);
    next.set(lane, Number(index) + 1);
  }
  const { session } = transcript;
  expect(session.counts).toEqual({ loops: 1, turns: turns.length, messages: turns.length, events: 0 });
  expect(session.usage).toEqual({ inputTokens: turns.length });
}

let places = 0;

/** Where a session lies that survives its writers: of servers, one that flushes before it answers. */
async function urlOn(kind: string, folder: string): Promise<string> {
  if (kind === 'sqlite' || kind === 'file') return `${kind}:${join(folder, 'store')}`;
  const url = new URL(await sharedServerUrl(kind));
  url.searchParams.set('namespace', `killed-${process.pid}-${places++}`);
  return url.href;
}

const chosen = process.env['AMBIT_TEST_BACKENDS']?.split(',');

// `npm test` does it fifty times on one of them; `npm run prove -- --only killed` on each.
describe.each(
  (
    [
      ['sqlite', 1, 50],
      ['file', 1, sized(6, 50)],
      ['postgres', 1, sized(3, 50)],
      ['redis', 1, sized(3, 50)],
      ['sqlite', 2, sized(3, 50)],
      ['postgres', 2, sized(0, 50)],
      ['redis', 2, sized(0, 50)],
    ] as const
  ).filter(([kind, , kills]) => kills > 0 && (chosen?.includes(kind) ?? true)),
)('a stream of appends to %s by %i at once', (kind, writers, kills) => {
  test(
    `killed ${kills} times with kill -9: what was acknowledged is there, and what was sent again, in order, once`,
    { timeout: isLongForm ? 540_000 : 240_000 },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'ambit-killed-'));
      const url = await urlOn(kind, folder);
      const names: string[] = [];
      let [acknowledged, sent, done] = [0, 0, 0];
      try {
        for (let round = 0; round < kills; round++) {
          const of = Array.from({ length: writers }, (_, writer) => `r${round}w${writer}`);
          const said = await runUntilKilled(url, of, (round * 7) % 23);
          names.push(...said.acknowledged, ...said.open);
          acknowledged += said.acknowledged.length;
          sent += said.open.length;
          const ambit = await openAmbit({ storage: url });
          try {
            done += await sendAgain(ambit, said.open);
            await look(ambit, names);
          } finally {
            await ambit.close();
          }
        }
        report(`appends to ${kind} by ${writers} at once`, {
          calls: acknowledged + sent,
          faults: kills * writers,
          acknowledged,
          'sent again': sent,
          'of those done': done,
        });
        expect(acknowledged).toBeGreaterThan(kills);
        expect(sent).toBeGreaterThan(0);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  );
});
