import { expect, test } from 'vitest';
import { greet, openDesk, stubServer } from './cli-processes.js';
import { existsSync } from 'node:fs';

const task = ['--task', 'full', '--tools', '*'];

// Only Linux has a file that is always full.
test.runIf(existsSync('/dev/full'))('a log that is full is told of once, and the run goes on', async () => {
  const desk = openDesk();
  const running = await greet(desk.run([...task, '--log', '/dev/full', ...stubServer()]));
  for (let call = 0; call < 3; call++) expect(await running.call('read_file')).toBe('read_file was called');
  const { code, stderr } = await running.leave();
  expect(code).toBe(0);
  expect(stderr.match(/--log \/dev\/full: a decision could not be written \(ENOSPC\)/g)).toHaveLength(1);
});
