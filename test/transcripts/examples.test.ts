import { expect, test } from 'vitest';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { spawnSync } from 'node:child_process';

/** Runs an example as its first lines say, and answers what it printed. */
function runExample(name: string): string {
  const tsx = createRequire(import.meta.url).resolve('tsx/cli');
  const file = fileURLToPath(new URL(`../../examples/${name}/${name}.ts`, import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsx, file], {
    encoding: 'utf8',
    timeout: 50_000,
  });
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  return stdout.replace(/process \d+/g, 'process N');
}

test('a graph that was killed goes on where it was', () => {
  expect(runExample('transcripts-langgraph')).toBe(
    [
      'process N: research',
      'process N: write',
      'the first process was ended by SIGKILL',
      'process N: goes on with write',
      'process N: write',
      'process N: review',
      'done: research, write, review',
      '',
    ].join('\n'),
  );
});

test('an agent that was killed in the middle of a turn has lost nothing that was over', () => {
  const said = runExample('transcripts-openai-agents');
  expect(said).toContain('the first process was ended by SIGKILL\nprocess N finds 2 items\n');
  expect(said).toContain('items: message, message, message, function_call, function_call_result, message\n');
});
