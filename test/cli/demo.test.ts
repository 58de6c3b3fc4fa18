import { expect, test } from 'vitest';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

test('npm run demo: everything is as it should be', async () => {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  // It rejects for an exit code that is not 0, with what was printed.
  const { stdout } = await promisify(execFile)('npm', ['run', 'demo'], { cwd: root, timeout: 55_000 });
  expect(stdout).toContain('Everything was as it should be.');
  expect(stdout).toContain('✓ the very next call is refused');
  expect(stdout).not.toContain('✗');
});
