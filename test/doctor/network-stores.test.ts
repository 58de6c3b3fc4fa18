import { describe, expect, onTestFinished, test } from 'vitest';
import { examineStore, openAmbit } from 'ambit';
import { oneLine, openDesk, stubServer } from '../cli/cli-processes.js';
import { sharedServerUrl } from '../servers/shared-server.js';
import { startRedisServer } from '../servers/redis-server.js';

let namespaces = 0;

/** A namespace of its own on a server that all tests share, and the password that nobody may be shown. */
async function storeOn(server: string): Promise<{ url: string; password: string }> {
  const shared = await sharedServerUrl(server);
  const separator = shared.includes('?') ? '&' : '?';
  return {
    url: `${shared}${separator}namespace=doctor-${process.pid}-${namespaces++}`,
    // Where a server named by whoever runs the tests has none, there is none to be seen.
    password: /:([^:@/]+)@/.exec(shared)?.[1] ?? 'no password',
  };
}

describe.each([
  ['postgres', /^PostgreSQL \d+/],
  ['redis', /^(?:Redis|Valkey) \d+/],
])('%s by its URL', (server, version) => {
  test('is examined: what it is, what it keeps, that it counts exactly', async () => {
    const { url, password } = await storeOn(server);
    const report = await examineStore(url, { hammerMs: 300 });
    expect(report).toMatchObject({
      ok: true,
      backend: server,
      description: { schemaVersion: 1, server: expect.stringMatching(version) as string },
      exactness: { openings: 4, failed: 0, grantedOfBudget: 100, cleanedUp: true },
    });
    expect(report.exactness?.granted).toBeGreaterThan(0);
    expect(report.exactness?.counted).toBe(report.exactness?.granted);
    expect(report.checks.map(({ name }) => name)).toEqual(
      'reachable durability settings clock exactness'.split(' '),
    );
    // Both clocks are this machine's, if the server is.
    if (password !== 'no password') expect(Math.abs(report.clock?.offsetMs ?? 1_000)).toBeLessThan(1_000);
    expect(JSON.stringify(report)).not.toContain(password);
  });

  test('serves every command, and none of them prints or passes on its password', async () => {
    const { url, password } = await storeOn(server);
    const desk = openDesk();
    const env = { AMBIT_STORAGE: url };
    const printed: string[] = [];
    const ambit = async (...args: string[]): Promise<string> => {
      const ended = await desk.ambit(args, env);
      printed.push(ended.stdout, ended.stderr);
      expect(ended, args.join(' ')).toMatchObject({ code: 0 });
      return ended.stdout;
    };
    expect(await ambit('doctor')).toMatch(/^✓ exactness/m);
    // Two runs of one task, one after the other: the second goes on where the first ended.
    for (const left of [1, 0]) {
      const task = ['--task', 'tidy-up', '--agent', 'cli', '--tools', 'echo', '--calls', '2'];
      const running = desk.run([...task, ...stubServer()], env);
      await running.ask('initialize', {});
      expect(await running.call('echo')).toBe('echo was called');
      if (left === 0) expect(await running.call('echo')).toBe('BUDGET_EXCEEDED');
      const ended = await running.leave();
      printed.push(ended.stdout, ended.stderr);
    }
    const listed = JSON.parse(await ambit('sessions', 'list', '--json')) as {
      sessions?: readonly { taskName?: string; callsMade: number }[];
    };
    expect(JSON.stringify(listed)).toContain('tidy-up');
    const wrong = await desk.ambit(['doctor'], { AMBIT_STORAGE: url.replace(password, 'hunter2') });
    printed.push(wrong.stdout, wrong.stderr);
    if (password !== 'no password') {
      expect(wrong.code).toBe(69);
      expect(wrong.stderr).toMatch(oneLine);
    }
    expect(printed.join('\n')).not.toContain('hunter2');
    expect(printed.join('\n')).not.toContain(password);
  });
});

test('redis that flushes every second is refused by openAmbit unless that is accepted, and doctor says what it can lose', async () => {
  const server = await startRedisServer({ settings: ['--appendfsync everysec'] });
  onTestFinished(() => server.stop());
  await expect(openAmbit({ storage: server.url })).rejects.toMatchObject({ code: 'DURABILITY_TOO_WEAK' });
  const ambit = await openAmbit({ storage: server.url, durability: 'bounded-loss' });
  await ambit.close();
  const report = await examineStore(server.url, { hammerMs: 100 });
  expect(report).toMatchObject({ ok: true, durability: { level: 'bounded-loss', lossWindowMs: 2_000 } });
  const durability = report.checks.find(({ name }) => name === 'durability');
  expect(durability).toMatchObject({
    status: 'warning',
    message: expect.stringMatching(/in the last 2 s/) as string,
  });
  const desk = openDesk();
  const refused = await desk.ambit(['sessions', 'list'], { AMBIT_STORAGE: server.url });
  expect(refused).toMatchObject({
    code: 69,
    stderr: expect.stringMatching(/durability=bounded-loss/) as string,
  });
  const accepted = await desk.ambit(['sessions', 'list'], {
    AMBIT_STORAGE: `${server.url}?durability=bounded-loss`,
  });
  expect(accepted).toMatchObject({ code: 0, stderr: '' });
});
