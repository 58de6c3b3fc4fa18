import { type Ambit, openAmbit } from 'ambit';
import { describe, expect, test } from 'vitest';
import { mkdtempSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { granted } from './transcript-world.js';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';

const child = fileURLToPath(new URL('append-child.js', import.meta.url));
const kills = 50;

/** Starts writers at once, kills them with SIGKILL once they have acknowledged so much, and answers what they acknowledged. */
async function runUntilKilled(url: string, writers: readonly string[], after: number): Promise<string[]> {
  const acknowledged = await Promise.all(
    writers.map(async (writer) => {
      const running = spawn(process.execPath, [child, url, 's', writer], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let said = '';
      let errors = '';
      running.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
      running.stdout.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        if (said.split('\n').length > after) running.kill('SIGKILL');
      });
      const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
        running.on('close', (...ended) => resolve(ended));
      });
      expect({ code, signal, errors }).toEqual({ code: null, signal: 'SIGKILL', errors: '' });
      // What follows the last line feed was cut off on its way.
      return said.split('\n').slice(0, -1);
    }),
  );
  return acknowledged.flat();
}

/** Every acknowledged entry is there once, in its writer's order, and whole. */
async function look(ambit: Ambit, acknowledged: readonly string[]): Promise<number> {
  const { transcript } = await granted(ambit.transcripts.load('s'));
  const turns = transcript.entries.flatMap((entry) => (entry.type === 'turn' ? [entry.turnId] : []));
  const messages = transcript.entries.flatMap((entry) =>
    entry.type === 'message' ? [entry.message.content as string] : [],
  );
  expect(messages).toEqual(turns);
  expect(new Set(turns).size).toBe(turns.length);
  const there = new Set(turns);
  expect(acknowledged.filter((name) => !there.has(name))).toEqual([]);
  const next = new Map<string, number>();
  for (const name of turns) {
    const [, lane = '', index = ''] = /^(.*)\.(\d+)$/.exec(name) ?? [];
    expect(`${lane}.${index}`).toBe(`${lane}.${next.get(lane) ?? 0}`);
    next.set(lane, Number(index) + 1);
  }
  const { session } = transcript;
  expect(session.counts).toEqual({ loops: 1, turns: turns.length, messages: turns.length, events: 0 });
  expect(session.usage).toEqual({ inputTokens: turns.length });
  return turns.length;
}

describe.each([
  ['sqlite', 1, kills],
  ['file', 1, 15],
  ['sqlite', 2, 6],
] as const)('a stream of appends to %s by %i at once', (kind, writers, rounds) => {
  test(
    `killed ${rounds} times with kill -9: what was acknowledged is there, in order, once`,
    { timeout: 240_000 },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'ambit-killed-'));
      const url = `${kind}:${join(folder, 'store')}`;
      const acknowledged: string[] = [];
      try {
        for (let round = 0; round < rounds; round++) {
          const names = Array.from({ length: writers }, (_, writer) => `r${round}w${writer}`);
          acknowledged.push(...(await runUntilKilled(url, names, (round * 7) % 23)));
          if (round % 10 !== 9 && round !== rounds - 1) continue;
          const ambit = await openAmbit({ storage: url });
          try {
            expect(await look(ambit, acknowledged)).toBeGreaterThanOrEqual(acknowledged.length);
          } finally {
            await ambit.close();
          }
        }
        expect(acknowledged.length).toBeGreaterThan(rounds);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  );
});
