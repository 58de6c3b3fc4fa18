import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { granted } from '../core/answers.js';
import { join } from 'node:path';
import { openAmbit } from 'ambit';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'ambit-transcripts-'));
const storage = `sqlite:${join(folder, 'ambit.db')}`;
const escape = '\u001b[2J';

function ambit(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [main, 'transcripts', ...args, '--storage', storage],
    {
      encoding: 'utf8',
    },
  );
  return { status, stdout, stderr };
}

beforeAll(async () => {
  const { transcripts, close } = await openAmbit({ storage });
  await granted(
    transcripts.append(
      'chat',
      [
        { type: 'turn', turnId: 't1', usage: { inputTokens: 5 } },
        { type: 'message', message: { role: 'user', content: `hello${escape}` } },
        { type: 'message', message: { role: 'assistant', content: [{ type: 'text', text: 'hi\nthere' }] } },
        { type: 'event', event: { name: 'tool' } },
      ],
      { create: { agentId: 'agent-1' } },
    ),
  );
  await granted(transcripts.compact('chat', { messages: [{ role: 'system', content: 'they greeted' }] }));
  await close();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('ambit transcripts', () => {
  test('list and show, for people and for programs', () => {
    expect(ambit('list').stdout).toMatch(/TRANSCRIPT.*AGENT[\s\S]*chat.*agent-1.*2.*1.*2/);
    expect(ambit('list', '--agent', 'nobody').stdout).toBe('no transcripts\n');
    const { stdout } = ambit('show', 'chat');
    expect(stdout).toContain('== initial, running');
    expect(stdout).toContain(
      '-- turn t1 (inputTokens 5)\nuser: hello\\u{1b}[2J\nassistant: hi\n    there\n.. {"name":"tool"}',
    );
    expect(stdout).toContain('~~ compaction: instead of 0 to 3, a model sees');
    expect(stdout).not.toContain('\u001b');
    expect(JSON.parse(ambit('show', 'chat', '--json').stdout)).toMatchObject({
      session: { sessionId: 'chat' },
    });
    expect(ambit('show', 'nothing')).toMatchObject({ status: 77, stdout: '' });
  });

  test('export, import and fork', () => {
    const file = join(folder, 'chat.json');
    expect(ambit('export', 'chat', '--out', file)).toMatchObject({ status: 0, stdout: '' });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(ambit('export', 'chat', '--out', file).status).toBe(70);
    expect(JSON.parse(ambit('export', 'chat').stdout)).toEqual(JSON.parse(readFileSync(file, 'utf8')));
    expect(ambit('import', file)).toMatchObject({ status: 1, stdout: '' });
    expect(ambit('import', file, '--id', 'copy').stdout).toBe('imported copy\n');
    expect(ambit('import', file, '--replace').stdout).toBe('imported chat\n');
    const part = join(folder, 'part.json');
    writeFileSync(part, ambit('show', 'chat', '--turns', '1', '--json').stdout);
    expect(ambit('import', part, '--replace')).toMatchObject({
      status: 64,
      stderr: expect.stringContaining('overwrite') as unknown,
    });
    expect(ambit('import', part, '--id', 'copy', '--replace', '--overwrite').stdout).toBe('imported copy\n');
    expect(ambit('fork', 'chat', '--id', 'forked').stdout).toBe('forked into forked\n');
    expect(JSON.parse(ambit('list', '--json').stdout)).toMatchObject({ damaged: [], cursor: null });
    const damaged = {
      session: { sessionId: 'damaged', agentId: 'agent-1' },
      loops: [{ loopId: 'L', damaged: true }],
      entries: [{ type: 'message', message: { role: 'user', content: 'still here' }, loopId: 'L' }],
      damaged: [{ what: 'the loop L', problem: 'is damaged' }],
    };
    writeFileSync(file, JSON.stringify(damaged));
    expect(ambit('import', file).stdout).toBe('imported damaged\n');
    const shown = ambit('show', 'damaged').stdout;
    expect(shown).toContain('== damaged loop (L)\nuser: still here\n');
    expect(shown).toContain('!! lost before it was copied: the loop L is damaged\n');
    writeFileSync(file, '{"session":');
    expect(ambit('import', file)).toMatchObject({ status: 64 });
    expect(ambit('import', join(folder, 'missing.json')).stderr).toMatch(
      /^ambit: .*cannot be read \(ENOENT\)\n$/,
    );
  });
});
