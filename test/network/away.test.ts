import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  answered,
  callEach,
  callsMade,
  networkBackends,
  openWorld,
  type OwnServer,
  sessionIn,
} from './network-world.js';
import { openAmbit } from 'ambit';
import { report } from '../proof/figures.js';

const patience = 180_000;

// At once: they wait for most of their time.
describe.concurrent.each(networkBackends)('$name is away', ({ name, startServer }) => {
  let server: OwnServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server.stop());

  test(
    'it refuses connections: calls are refused, and granted again when it is back',
    { timeout: patience },
    async (context) => {
      const { ambit, proxy } = await openWorld(server, context);
      const sessionId = await sessionIn(ambit, 1_000);
      expect(await ambit.tasks.use(sessionId, 'read_file')).toMatchObject({ ok: true });
      await proxy.refuse();
      for (let call = 0; call < 5; call++) {
        const answer = await answered(ambit.tasks.use(sessionId, 'read_file'));
        expect(answer).toMatchObject({
          ok: false,
          refusal: { code: 'STORAGE_UNAVAILABLE', retryable: true },
        });
      }
      expect(await answered(ambit.tasks.get(sessionId))).toMatchObject({
        refusal: { code: 'STORAGE_UNAVAILABLE' },
      });
      await proxy.accept();
      const told = await callEach(ambit, sessionId, ['back-1', 'back-2'], 1);
      expect(told.granted.size).toBe(2);
    },
  );

  test(
    'it is silent: calls are answered within their bound, and granted again when it speaks',
    { timeout: patience },
    async (context) => {
      const { ambit, beside, proxy } = await openWorld(server, context);
      const sessionId = await sessionIn(ambit, 1_000);
      const count = { granted: 0, unknown: 0, none: 0 };
      proxy.fateOf = () => 'swallow-request';
      await Promise.all(
        Array.from({ length: 4 }, async () => {
          const answer = await answered(ambit.tasks.use(sessionId, 'read_file'));
          if (answer.ok) count.granted++;
          else {
            expect(answer.refusal.code).toBe('STORAGE_UNAVAILABLE');
            count[answer.refusal.outcome ?? 'none']++;
          }
        }),
      );
      expect(count.granted).toBe(0);
      expect(proxy.met.holed).toBeGreaterThan(0);
      proxy.fateOf = () => 'pass';
      const told = await callEach(ambit, sessionId, ['back-1', 'back-2'], 1);
      expect(told.granted.size).toBe(2);
      // Nothing had reached it.
      expect(await callsMade(await beside(), sessionId)).toBe(2);
    },
  );

  test(
    'it is silent while Ambit is closed: what is under way is answered, and closing ends',
    { timeout: patience },
    async (context) => {
      const { ambit, beside, proxy } = await openWorld(server, context);
      const sessionId = await sessionIn(ambit, 1_000);
      proxy.fateOf = () => 'swallow-request';
      const underWay = [ambit.tasks.use(sessionId, 'read_file'), ambit.tasks.get(sessionId)];
      // Sent, and not only queued.
      while (proxy.met.holed === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      await answered(ambit.close());
      for (const answer of await answered(Promise.all(underWay)))
        expect(answer).toMatchObject({ ok: false, refusal: { code: 'STORAGE_UNAVAILABLE' } });
      expect(await callsMade(await beside(), sessionId)).toBe(0);
    },
  );

  test('it is slow: everything is answered, and right', { timeout: patience }, async (context) => {
    const { ambit, beside, proxy } = await openWorld(server, context);
    const sessionId = await sessionIn(ambit, 20);
    proxy.fateOf = () => 120;
    const answers = await answered(
      Promise.all(Array.from({ length: 30 }, () => ambit.tasks.use(sessionId, 'read_file'))),
    );
    expect(proxy.met.delayed).toBeGreaterThan(0);
    expect(answers.filter((answer) => answer.ok)).toHaveLength(20);
    expect(await callsMade(await beside(), sessionId)).toBe(20);
  });

  test(
    'it is killed and started again in mid-run: nothing acknowledged is lost, nothing is charged twice',
    { timeout: patience },
    async (context) => {
      // A server of its own, which no other test needs.
      const killed = await startServer();
      context.onTestFinished(() => killed.stop());
      const { ambit, beside } = await openWorld(killed, context);
      const sessionId = await sessionIn(ambit, 250);
      const ids = Array.from({ length: 400 }, (_, index) => `call-${index}`);
      const running = callEach(ambit, sessionId, ids, 16);
      // In the middle of it: some were answered, most were not.
      for (const share of [0.1, 0.3]) {
        while ((await callsMadeIfAnswered(ambit, sessionId)) < 250 * share)
          await new Promise((resolve) => setTimeout(resolve, 5));
        await killed.kill();
        await new Promise((resolve) => setTimeout(resolve, 200));
        await killed.start();
      }
      const told = await running;
      // The server was away while calls were under way.
      expect(told.unavailable.none + told.unavailable.unknown).toBeGreaterThan(0);
      expect(told.granted.size).toBe(250);
      const direct = await beside();
      expect(await callsMade(direct, sessionId)).toBe(250);
      for (const callId of told.granted)
        expect(await direct.tasks.use(sessionId, 'read_file', { callId })).toMatchObject({ replayed: true });
      report(`${name}, the server is killed under calls with ids`, {
        calls: ids.length,
        faults: 2,
        granted: told.granted.size,
        'without an answer': told.unavailable.none + told.unavailable.unknown,
      });
    },
  );

  test(
    'it cannot be opened: a typed error within its bound, in one line without the password',
    { timeout: patience },
    async (context) => {
      const { proxy, proxiedUrl } = await openWorld(server, context);
      const opening = async (storage: string): Promise<unknown> =>
        answered(openAmbit({ storage, sweepEveryMs: false })).then(
          async (ambit) => ambit.close(),
          (error: unknown) => error,
        );
      const wrong = proxiedUrl.replace(/\/\/([^@/]*)@/, '//bob5:hunter2@');
      expect(wrong).toContain('hunter2');
      const errors = [await opening(wrong)];
      proxy.fateOf = () => 'swallow-request';
      errors.push(await opening(proxiedUrl));
      await proxy.refuse();
      errors.push(await opening(proxiedUrl));
      const password = /:([^:@/]+)@/.exec(proxiedUrl)?.[1] ?? 'no password';
      for (const error of errors) {
        expect(error).toMatchObject({
          name: expect.stringMatching(/^(AmbitError|StorageUnavailableError)$/) as string,
        });
        const { message } = error as Error;
        expect(message).not.toMatch(/\n|hunter2|bob5/);
        expect(message).not.toContain(password);
      }
      await proxy.accept();
    },
  );
});

async function callsMadeIfAnswered(
  ambit: Parameters<typeof callsMade>[0],
  sessionId: string,
): Promise<number> {
  return callsMade(ambit, sessionId).catch(() => 0);
}
