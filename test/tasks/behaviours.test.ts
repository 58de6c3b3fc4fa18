import { backends } from '../storage/backends.js';
import { codeOf } from '../core/answers.js';
import { created, openWorld, terms } from './task-world.js';
import { describe, expect, it } from 'vitest';
import { dayMs, hourMs, minuteMs } from '../../src/core/time.js';
import { httpStatusOf } from '../../src/core/refusals.js';

/** What users of task sessions were promised, on every backend. */
describe.each(backends)('task sessions on $name', (backend) => {
  describe('calls', () => {
    it('a new session has used 0 calls and is active; a use makes it 1, and get shows it', async () => {
      const world = await openWorld(backend);
      const { id, session } = await created(world);
      expect(session).toMatchObject({
        callsMade: 0,
        status: 'active',
        delegationChain: [],
        callBudget: 1_000,
      });
      expect(await world.tasks.use(id, 'read_file')).toEqual({
        ok: true,
        remaining: { calls: 999, ms: hourMs },
        warnings: [],
      });
      expect(await world.tasks.get(id)).toMatchObject({ ok: true, session: { callsMade: 1 } });
    });

    it.each([0, 1, 2, 7, 40])(
      'of a budget of %i exactly that many pass, however many ask at once',
      async (budget) => {
        const world = await openWorld(backend);
        const { id } = await created(world, { callBudget: budget });
        const answers = await Promise.all(
          Array.from({ length: budget + 10 }, () => world.tasks.use(id, 'read_file')),
        );
        expect(answers.filter((answer) => answer.ok)).toHaveLength(budget);
        const refused = answers.find((answer) => !answer.ok);
        expect(refused).toMatchObject({
          refusal: { code: 'BUDGET_EXCEEDED', retryable: false, limit: budget, used: budget },
        });
        expect(await world.tasks.get(id)).toMatchObject({ session: { callsMade: budget } });
      },
    );

    it('allows what is written and nothing else', async () => {
      const world = await openWorld(backend);
      const { id } = await created(world);
      expect(codeOf(await world.tasks.use(id, 'list_files'))).toBe('ok');
      for (const tool of ['write_file', 'READ_FILE', 'read_file2', 'xlist_', 'list_ä', 'list_ b']) {
        expect([tool, codeOf(await world.tasks.use(id, tool))]).toEqual([tool, 'TOOL_NOT_AUTHORIZED']);
      }
      const none = await world.tasks.create({ agentId: 'a', declaredIntent: 'nothing' });
      expect(none.ok && codeOf(await world.tasks.use(none.session.sessionId, 'read_file'))).toBe(
        'TOOL_NOT_AUTHORIZED',
      );
      expect(await world.tasks.get(id)).toMatchObject({ session: { callsMade: 1 } });
    });

    it('compares the agent, the credentials and the sensitivity where they are given', async () => {
      const world = await openWorld(backend);
      const { id } = await created(world, {
        authorizedCredentials: ['github'],
        dataSensitivityCeiling: 'internal',
      });
      const code = async (options: object) => codeOf(await world.tasks.use(id, 'read_file', options));
      expect(await code({ agentId: 'agent-2' })).toBe('AGENT_MISMATCH');
      expect(await code({ agentId: 'agent-1' })).toBe('ok');
      expect(await code({ credentials: ['github'] })).toBe('ok');
      expect(await code({ credentials: ['github', 'aws'] })).toBe('CREDENTIAL_NOT_AUTHORIZED');
      expect(await code({ sensitivity: 'internal' })).toBe('ok');
      expect(await code({ sensitivity: 'confidential' })).toBe('SENSITIVITY_EXCEEDED');
      expect(codeOf(await world.tasks.useBatch(id, ['read_file'], { agentId: 'agent-2' }))).toBe(
        'AGENT_MISMATCH',
      );
    });

    it('checks in the order of the contract: each check wins over all that come after it', async () => {
      const world = await openWorld(backend);
      const parent = await created(world, { authorizedTools: ['*'], timeLimitMs: 2 * hourMs });
      const { id } = await created(world, {
        parentSessionId: parent.id,
        callBudget: 1,
        rateLimit: { calls: 1, perMs: hourMs },
      });
      const bad = { agentId: 'other', credentials: ['none'], sensitivity: 'restricted' } as const;
      const own = { ...bad, agentId: 'agent-1' };
      const code = async (tool: string, options: object) => codeOf(await world.tasks.use(id, tool, options));
      expect(await code('write', { ...own })).toBe('TOOL_NOT_AUTHORIZED');
      expect(await code('read_file', own)).toBe('CREDENTIAL_NOT_AUTHORIZED');
      expect(await code('read_file', { sensitivity: 'restricted' })).toBe('SENSITIVITY_EXCEEDED');
      expect(await code('read_file', {})).toBe('ok');
      expect(await code('write', own)).toBe('BUDGET_EXCEEDED');
      await world.tasks.close(parent.id);
      expect(await code('write', own)).toBe('PARENT_NOT_USABLE');
      world.clock.advance(hourMs);
      expect(await code('write', own)).toBe('SESSION_EXPIRED');
      await world.tasks.close(id);
      expect(await code('write', own)).toBe('SESSION_CLOSED');
      expect(await code('write', bad)).toBe('AGENT_MISMATCH');
    });

    it('warns on every grant with a fifth or less left of the budget or the time', async () => {
      const world = await openWorld(backend);
      const { id } = await created(world, { callBudget: 10 });
      const codes: string[][] = [];
      for (let call = 0; call < 10; call++) {
        if (call === 9) world.clock.advance(hourMs * 0.8);
        const answer = await world.tasks.use(id, 'read_file');
        if (answer.ok) codes.push(answer.warnings.map((warning) => warning.code));
      }
      expect(codes.slice(0, 7).flat()).toEqual([]);
      expect(codes.slice(7)).toEqual([['BUDGET_LOW'], ['BUDGET_LOW'], ['BUDGET_LOW', 'TIME_LOW']]);
    });

    it('refuses what it does not know, so that a typing mistake skips no check', async () => {
      const { tasks, ...world } = await openWorld(backend);
      const { id } = await created({ tasks, ...world });
      expect(await tasks.use(id, 'read_file', { agentID: 'other' } as never)).toMatchObject({
        refusal: { code: 'INVALID_INPUT', field: 'agentID' },
      });
      expect(await tasks.create({ ...terms(), callbudget: 1 } as never)).toMatchObject({
        refusal: { code: 'INVALID_INPUT', field: 'callbudget' },
      });
      const forged = await tasks.create({ ...terms(), delegationChain: [id] } as never);
      expect(forged).toMatchObject({ refusal: { code: 'INVALID_INPUT', field: 'delegationChain' } });
      expect(codeOf(await tasks.list({ agentID: 'x' } as never))).toBe('INVALID_INPUT');
      const bad: [Partial<Parameters<typeof tasks.create>[0]>, string][] = [
        [{ agentId: '' }, 'agentId'],
        [{ agentId: 'x'.repeat(256) }, 'agentId'],
        [{ agentId: 'a\u0000' }, 'agentId'],
        [{ declaredIntent: ' ' }, 'declaredIntent'],
        [{ declaredIntent: 'é'.repeat(257) }, 'declaredIntent'],
        [{ taskName: 'a\nb' }, 'taskName'],
        [{ authorizedTools: Array<string>(257).fill('a') }, 'authorizedTools'],
        [{ authorizedTools: ['x'.repeat(129)] }, 'authorizedTools'],
        [{ timeLimitMs: 999 }, 'timeLimitMs'],
        [{ timeLimitMs: 86_400_001 }, 'timeLimitMs'],
        [{ callBudget: -1 }, 'callBudget'],
        [{ callBudget: 1_000_001 }, 'callBudget'],
        [{ callBudget: 1.5 }, 'callBudget'],
        [{ rateLimit: { calls: 0, perMs: 1_000 } }, 'rateLimit.calls'],
        [{ rateLimit: { calls: 1, perMs: 999 } }, 'rateLimit.perMs'],
        [{ rateLimit: { calls: 1_001, perMs: 1_000, algorithm: 'sliding' } }, 'rateLimit.calls'],
        [{ dataSensitivityCeiling: 'secret' as never }, 'dataSensitivityCeiling'],
      ];
      for (const [changes, field] of bad) {
        expect(await tasks.create(terms(changes))).toMatchObject({
          refusal: { code: 'INVALID_INPUT', field },
        });
      }
      await expect(tasks.create(terms({ callBudget: '5' as never }))).rejects.toThrow(TypeError);
      expect(await tasks.countActive('agent-1')).toEqual({ ok: true, count: 1 });
    });

    it('does not know ids that are none', async () => {
      const { tasks } = await openWorld(backend);
      const unknown = '01980000-0000-7000-8000-000000000000';
      for (const id of [unknown, '', '../x', 'x'.repeat(5_000), '\ud800', `${unknown} `]) {
        const answers = await Promise.all([
          tasks.use(id, 'read_file'),
          tasks.useBatch(id, []),
          tasks.close(id),
          tasks.extend(id, { calls: 1 }),
          tasks.get(id),
          tasks.authenticate(`ambit_${id}_${'A'.repeat(43)}`),
        ]);
        expect(new Set(answers.map(codeOf))).toEqual(new Set(['SESSION_NOT_FOUND']));
      }
      await expect(tasks.use(7 as never, 'read_file')).rejects.toThrow(TypeError);
      await expect(tasks.use(unknown, 7 as never)).rejects.toThrow(TypeError);
    });
  });

  describe('batches', () => {
    it('are all or nothing, and name the first tool that fails', async () => {
      const world = await openWorld(backend);
      const { id } = await created(world, { callBudget: 3, rateLimit: { calls: 3, perMs: minuteMs } });
      const refused = await world.tasks.useBatch(id, ['read_file', 'write_file', 'drop']);
      expect(refused).toMatchObject({ refusal: { code: 'TOOL_NOT_AUTHORIZED', tool: 'write_file' } });
      const four = ['read_file', 'read_file', 'read_file', 'read_file'];
      expect(codeOf(await world.tasks.useBatch(id, four))).toBe('BUDGET_EXCEEDED');
      expect(await world.tasks.get(id)).toMatchObject({ session: { callsMade: 0 } });
      expect(await world.tasks.useBatch(id, [])).toMatchObject({ ok: true, remaining: { calls: 3 } });
      expect(await world.tasks.useBatch(id, four.slice(1))).toMatchObject({
        ok: true,
        remaining: { calls: 0 },
      });
      expect(codeOf(await world.tasks.useBatch(id, []))).toBe('ok');
    });

    it('obey the rate limit also at the start of a window, for good where they are larger than it', async () => {
      const world = await openWorld(backend);
      for (const algorithm of ['gcra', 'sliding', 'fixed'] as const) {
        const { id } = await created(world, { rateLimit: { calls: 3, perMs: minuteMs, algorithm } });
        const four = await world.tasks.useBatch(id, Array<string>(4).fill('read_file'));
        expect(four).toMatchObject({ refusal: { code: 'RATE_LIMITED', retryable: false } });
        expect(codeOf(await world.tasks.useBatch(id, Array<string>(3).fill('read_file')))).toBe('ok');
        const fourth = await world.tasks.use(id, 'read_file');
        expect(fourth).toMatchObject({ refusal: { code: 'RATE_LIMITED', retryable: true, limit: 3 } });
        const waitMs = fourth.ok ? 0 : (fourth.refusal.retryAfterMs ?? 0);
        world.clock.advance(waitMs - 1);
        expect(codeOf(await world.tasks.use(id, 'read_file'))).toBe('RATE_LIMITED');
        world.clock.advance(1);
        expect(codeOf(await world.tasks.use(id, 'read_file'))).toBe('ok');
      }
    });
  });

  describe('time', () => {
    it('a lifetime that has run out refuses, at its millisecond and not before', async () => {
      const world = await openWorld(backend);
      const { id } = await created(world, { timeLimitMs: 5_000 });
      world.clock.advance(4_999);
      expect(await world.tasks.use(id, 'read_file')).toMatchObject({ ok: true, remaining: { ms: 1 } });
      world.clock.advance(1);
      expect(codeOf(await world.tasks.use(id, 'read_file'))).toBe('SESSION_EXPIRED');
      expect(await world.tasks.get(id)).toMatchObject({ session: { status: 'expired' } });
      expect(await world.tasks.countActive('agent-1')).toEqual({ ok: true, count: 0 });
      expect(codeOf(await world.tasks.extend(id, { ms: 1_000 }))).toBe('SESSION_EXPIRED');
      expect(codeOf(await world.tasks.close(id))).toBe('ok');
    });

    it('a clock that steps back reopens nothing that was seen expired, and refills no rate limit', async () => {
      const world = await openWorld(backend);
      const expired = await created(world, { timeLimitMs: 5_000 });
      const limited = await created(world, { rateLimit: { calls: 1, perMs: minuteMs } });
      world.clock.advance(5_000);
      expect(codeOf(await world.tasks.use(expired.id, 'read_file'))).toBe('SESSION_EXPIRED');
      expect(codeOf(await world.tasks.use(limited.id, 'read_file'))).toBe('ok');
      world.clock.advance(-dayMs);
      expect(codeOf(await world.tasks.use(expired.id, 'read_file'))).toBe('SESSION_EXPIRED');
      expect(codeOf(await world.tasks.use(limited.id, 'read_file'))).toBe('RATE_LIMITED');
    });

    it('sweeping removes what is past its retention, says how many sessions, and leaves what is alive', async () => {
      const world = await openWorld(backend, { retentionMs: 10_000 });
      const expired = await created(world, { timeLimitMs: 5_000 });
      const closed = await created(world);
      const alive = await created(world);
      await world.tasks.close(closed.id);
      world.clock.advance(10_000);
      expect(await world.tasks.sweep()).toEqual({ ok: true, sessions: 1 });
      expect(codeOf(await world.tasks.use(closed.id, 'read_file'))).toBe('SESSION_NOT_FOUND');
      expect(codeOf(await world.tasks.use(expired.id, 'read_file'))).toBe('SESSION_EXPIRED');
      world.clock.advance(5_000);
      expect(await world.tasks.sweep()).toEqual({ ok: true, sessions: 1 });
      expect(codeOf(await world.tasks.use(expired.id, 'read_file'))).toBe('SESSION_NOT_FOUND');
      expect(codeOf(await world.tasks.use(alive.id, 'read_file'))).toBe('ok');
      expect(await world.tasks.list()).toMatchObject({ sessions: [{ sessionId: alive.id }] });
    });

    it('extends within the bounds, and the terms stay as created', async () => {
      const world = await openWorld(backend);
      const { id } = await created(world, { callBudget: 1, taskName: 'long' });
      expect(await world.tasks.extend(id, { calls: 2, ms: hourMs })).toMatchObject({
        ok: true,
        session: { callBudget: 3, expiresAtMs: world.clock() + 2 * hourMs },
      });
      expect(await world.tasks.extend(id, { calls: 1_000_000 })).toMatchObject({
        refusal: { code: 'INVALID_INPUT', field: 'calls' },
      });
      expect(await world.tasks.extend(id, { ms: dayMs })).toMatchObject({
        refusal: { code: 'INVALID_INPUT', field: 'ms' },
      });
      for (const by of [{ calls: -1 }, { ms: 0 }, {}, { calls: 1.5 }]) {
        expect(codeOf(await world.tasks.extend(id, by))).toBe('INVALID_INPUT');
      }
      world.clock.advance(hourMs + 1);
      expect(codeOf(await world.tasks.use(id, 'read_file'))).toBe('ok');
      expect(await world.tasks.countActive('agent-1')).toEqual({ ok: true, count: 1 });
      const joined = await world.tasks.openByName({ ...terms(), taskName: 'long' });
      expect(joined).toMatchObject({
        ok: true,
        created: false,
        terms: { callBudget: 1, timeLimitMs: hourMs },
      });
    });
  });

  describe('closing', () => {
    it('answers a summary once, and refuses from then on', async () => {
      const world = await openWorld(backend);
      const { id } = await created(world, { callBudget: 4 });
      await world.tasks.use(id, 'read_file');
      world.clock.advance(hourMs / 4);
      expect(await world.tasks.close(id)).toEqual({
        ok: true,
        summary: {
          sessionId: id,
          callsMade: 1,
          callBudget: 4,
          budgetShare: 0.25,
          elapsedMs: hourMs / 4,
          timeShare: 0.25,
        },
      });
      expect(codeOf(await world.tasks.use(id, 'read_file'))).toBe('SESSION_CLOSED');
      expect(codeOf(await world.tasks.close(id))).toBe('SESSION_CLOSED');
      expect(codeOf(await world.tasks.extend(id, { calls: 1 }))).toBe('SESSION_CLOSED');
    });

    it('all of an agent says how many, and touches nobody else', async () => {
      const world = await openWorld(backend);
      const mine = [await created(world), await created(world), await created(world, { taskName: 'named' })];
      const other = await created(world, { agentId: 'agent-2' });
      expect(await world.tasks.countActive('agent-1')).toEqual({ ok: true, count: 3 });
      expect(await world.tasks.closeAllForAgent('agent-1')).toEqual({ ok: true, closed: 3 });
      for (const { id } of mine)
        expect(codeOf(await world.tasks.use(id, 'read_file'))).toBe('SESSION_CLOSED');
      expect(codeOf(await world.tasks.use(other.id, 'read_file'))).toBe('ok');
      expect(await world.tasks.countActive('agent-2')).toEqual({ ok: true, count: 1 });
      expect(await world.tasks.closeAllForAgent('agent-1')).toEqual({ ok: true, closed: 0 });
      expect(codeOf(await world.tasks.create(terms()))).toBe('ok');
    });

    it('a deactivated agent has no session and gets none, also when it races with create', async () => {
      const world = await openWorld(backend, { sessionsPerAgentMax: 1_000 });
      await created(world);
      const creates = Array.from({ length: 40 }, () => world.tasks.create(terms()));
      const deactivated = world.tasks.deactivateAgent('agent-1');
      const more = Array.from({ length: 40 }, () => world.tasks.create(terms()));
      const ids = (await Promise.all([...creates, ...more])).flatMap((one) =>
        one.ok ? [one.session.sessionId] : [],
      );
      expect(codeOf(await deactivated)).toBe('ok');
      for (const id of ids) expect(codeOf(await world.tasks.use(id, 'read_file'))).toBe('SESSION_CLOSED');
      expect(codeOf(await world.tasks.create(terms()))).toBe('AGENT_DEACTIVATED');
      expect(await world.tasks.countActive('agent-1')).toEqual({ ok: true, count: 0 });
      expect(codeOf(await (await world.reopen()).tasks.create(terms()))).toBe(
        backend.name === 'memory' ? 'ok' : 'AGENT_DEACTIVATED',
      );
    });

    it('closes a thousand sessions in one transaction', async () => {
      const world = await openWorld(backend, { sessionsPerAgentMax: 1_000 });
      const ids = await Promise.all(
        Array.from(
          { length: 1_000 },
          async (_, index) => (await created(world, { taskName: `task ${index}` })).id,
        ),
      );
      expect(await world.tasks.closeAllForAgent('agent-1')).toEqual({ ok: true, closed: 1_000 });
      expect(codeOf(await world.tasks.use(ids[999] ?? '', 'read_file'))).toBe('SESSION_CLOSED');
    });
  });

  describe('the cap of an agent', () => {
    it('is never passed, however many create at once, and expired sessions do not hold it', async () => {
      const world = await openWorld(backend, { sessionsPerAgentMax: 3 });
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => world.tasks.create(terms({ timeLimitMs: 60_000 }))),
      );
      expect(answers.filter((answer) => answer.ok)).toHaveLength(3);
      const refused = answers.find((answer) => !answer.ok);
      expect(refused).toMatchObject({
        refusal: { code: 'TOO_MANY_SESSIONS', limit: 3, used: 3, retryable: true, retryAfterMs: 60_000 },
      });
      expect(codeOf(await world.tasks.create(terms({ agentId: 'agent-2' })))).toBe('ok');
      world.clock.advance(60_000);
      expect(codeOf(await world.tasks.create(terms()))).toBe('ok');
      expect(await world.tasks.countActive('agent-1')).toEqual({ ok: true, count: 1 });
    });
  });

  describe('children', () => {
    it('narrow what their parent has, and never widen it', async () => {
      const world = await openWorld(backend);
      const parent = await created(world, {
        authorizedTools: ['fs/*', 'read_file'],
        authorizedCredentials: ['github'],
        dataSensitivityCeiling: 'confidential',
      });
      const child = (changes: object) =>
        world.tasks.create(terms({ parentSessionId: parent.id, ...changes }));
      expect(
        await child({ authorizedTools: ['fs/read_*', 'read_file'], authorizedCredentials: ['github'] }),
      ).toMatchObject({ ok: true, session: { delegationChain: [parent.id], parentSessionId: parent.id } });
      const wider: [object, string][] = [
        [{ authorizedTools: ['*'] }, 'authorizedTools'],
        [{ authorizedTools: ['read_*'] }, 'authorizedTools'],
        [{ authorizedTools: [], authorizedCredentials: ['aws'] }, 'authorizedCredentials'],
        [{ authorizedTools: [], dataSensitivityCeiling: 'restricted' }, 'dataSensitivityCeiling'],
        [{ authorizedTools: [], timeLimitMs: hourMs + 1 }, 'timeLimitMs'],
      ];
      for (const [changes, field] of wider) {
        expect(await child(changes)).toMatchObject({ refusal: { code: 'EXCEEDS_PARENT', field } });
      }
      expect(codeOf(await child({ parentSessionId: '01980000-0000-7000-8000-000000000000' }))).toBe(
        'SESSION_NOT_FOUND',
      );
    });

    it('end with their parent: at its time, and at their next call once any ancestor was closed', async () => {
      const world = await openWorld(backend, { retentionMs: 0 });
      const root = await created(world, { authorizedTools: ['*'] });
      const middle = await created(world, { authorizedTools: ['*'], parentSessionId: root.id });
      world.clock.advance(1_000);
      const leaf = await created(world, { parentSessionId: middle.id });
      expect(leaf.session).toMatchObject({
        expiresAtMs: root.session.expiresAtMs,
        delegationChain: [root.id, middle.id],
      });
      expect(codeOf(await world.tasks.extend(leaf.id, { ms: 1 }))).toBe('EXCEEDS_PARENT');
      expect(codeOf(await world.tasks.use(leaf.id, 'read_file'))).toBe('ok');
      await world.tasks.close(root.id);
      await world.tasks.sweep();
      expect(codeOf(await world.tasks.get(root.id))).toBe('SESSION_NOT_FOUND');
      expect(codeOf(await world.tasks.use(leaf.id, 'read_file'))).toBe('PARENT_NOT_USABLE');
      expect(codeOf(await world.tasks.create(terms({ parentSessionId: middle.id })))).toBe(
        'PARENT_NOT_USABLE',
      );
    });

    it('stand at most ten deep', async () => {
      const world = await openWorld(backend, { sessionsPerAgentMax: 20 });
      let parentSessionId = (await created(world)).id;
      for (let depth = 1; depth <= 10; depth++) {
        parentSessionId = (await created(world, { parentSessionId })).id;
      }
      const eleventh = await world.tasks.create(terms({ parentSessionId }));
      expect(eleventh).toMatchObject({ refusal: { code: 'EXCEEDS_PARENT', field: 'parentSessionId' } });
    });
  });

  describe('callId', () => {
    it('answers the same grant again and charges nothing, whatever became of the session', async () => {
      const world = await openWorld(backend);
      const { id } = await created(world, { callBudget: 1 });
      const first = await world.tasks.use(id, 'read_file', { callId: 'c1' });
      expect(first).toMatchObject({ ok: true, remaining: { calls: 0 } });
      expect(await world.tasks.use(id, 'read_file', { callId: 'c1' })).toEqual({ ...first, replayed: true });
      expect(codeOf(await world.tasks.use(id, 'read_file', { callId: 'c2' }))).toBe('BUDGET_EXCEEDED');
      expect(codeOf(await world.tasks.use(id, 'list_x', { callId: 'c1' }))).toBe('INVALID_INPUT');
      await world.tasks.extend(id, { calls: 1 });
      expect(codeOf(await world.tasks.use(id, 'read_file', { callId: 'c2' }))).toBe('ok');
      await world.tasks.close(id);
      expect(await world.tasks.use(id, 'read_file', { callId: 'c1' })).toMatchObject({
        ok: true,
        replayed: true,
      });
      expect(codeOf(await world.tasks.use(id, 'read_file', { callId: 'c1', agentId: 'other' }))).toBe(
        'AGENT_MISMATCH',
      );
    });

    it('is charged once when it is sent many times at once', async () => {
      const world = await openWorld(backend);
      const { id } = await created(world);
      const answers = await Promise.all(
        Array.from({ length: 30 }, () => world.tasks.use(id, 'read_file', { callId: 'same' })),
      );
      expect(answers.filter((answer) => answer.ok && !answer.replayed)).toHaveLength(1);
      expect(await world.tasks.get(id)).toMatchObject({ session: { callsMade: 1 } });
    });
  });

  describe('names', () => {
    it('are joined by everybody at once, and created once', async () => {
      const world = await openWorld(backend);
      const input = { ...terms(), taskName: 'tidy-up' };
      const answers = await Promise.all(Array.from({ length: 10 }, () => world.tasks.openByName(input)));
      const ids = new Set(answers.map((answer) => answer.ok && answer.session.sessionId));
      expect(ids.size).toBe(1);
      expect(answers.filter((answer) => answer.ok && answer.created)).toHaveLength(1);
      expect(answers.filter((answer) => answer.ok && answer.token)).toHaveLength(1);
      expect(codeOf(await world.tasks.create(input))).toBe('TASK_NAME_TAKEN');
      expect(await world.tasks.openByName({ ...input, agentId: 'agent-2' })).toMatchObject({ created: true });
    });

    it('of a session that is over start anew only on purpose, also when it was swept', async () => {
      const world = await openWorld(backend, { retentionMs: 0 });
      const open = (name: string, renew?: 'expired' | 'expired-or-closed') =>
        world.tasks.openByName({ ...terms({ timeLimitMs: 5_000 }), taskName: name, ...(renew && { renew }) });
      for (const swept of [false, true]) {
        const [closed, expired] = [`closed ${swept}`, `expired ${swept}`];
        const first = await open(closed);
        await open(expired);
        await world.tasks.close(first.ok ? first.session.sessionId : '');
        world.clock.advance(5_000);
        if (swept) await world.tasks.sweep();
        expect(codeOf(await open(closed))).toBe('SESSION_CLOSED');
        expect(codeOf(await open(closed, 'expired'))).toBe('SESSION_CLOSED');
        expect(codeOf(await open(expired))).toBe('SESSION_EXPIRED');
        expect(await open(expired, 'expired')).toMatchObject({ ok: true, created: true });
        expect(await open(closed, 'expired-or-closed')).toMatchObject({ ok: true, created: true });
        expect(await open(closed)).toMatchObject({ ok: true, created: false });
      }
    });
  });

  describe('tokens', () => {
    it('open their own session and no other, and are stored nowhere', async () => {
      const world = await openWorld(backend);
      const { id, token } = await created(world);
      const other = await created(world);
      expect(token).toMatch(new RegExp(`^ambit_${id}_[A-Za-z0-9_-]{43}$`));
      expect(await world.tasks.authenticate(token)).toMatchObject({ ok: true, session: { sessionId: id } });
      const secret = token.slice(-43);
      const forged = [
        token.slice(0, -1),
        `${token}A`,
        token.replace(id, other.id),
        '',
        'ambit_x_y',
        token.toUpperCase(),
      ];
      for (const one of forged)
        expect([one, codeOf(await world.tasks.authenticate(one))]).toEqual([one, 'SESSION_NOT_FOUND']);
      const { records } = await world.storage.range({ start: '' as never, end: '~' as never, limit: 100 });
      expect(JSON.stringify(records.map((record) => record.value.json))).not.toContain(secret);
      await world.tasks.close(id);
      expect(await world.tasks.authenticate(token)).toMatchObject({
        ok: true,
        session: { status: 'closed' },
      });
    });
  });

  describe('lists', () => {
    it("show all sessions or an agent's, newest first, in pages", async () => {
      const world = await openWorld(backend, { sessionsPerAgentMax: 50 });
      const ids: string[] = [];
      for (let index = 0; index < 25; index++) {
        ids.push((await created(world, { agentId: `agent-${index % 2}` })).id);
        world.clock.advance(index % 3);
      }
      await world.tasks.close(ids[3] ?? '');
      const walk = async (options: object) => {
        const found: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await world.tasks.list({ ...options, limit: 4, ...(cursor && { cursor }) });
          if (!page.ok) throw new Error(page.refusal.message);
          expect(page.sessions.length).toBeLessThanOrEqual(4);
          found.push(...page.sessions.map((session) => session.sessionId));
          ({ cursor } = page);
        } while (cursor);
        return found;
      };
      expect([...(await walk({}))].sort()).toEqual([...ids].sort());
      const listed = await world.tasks.list({ limit: 1_000 });
      const times = listed.ok ? listed.sessions.map((session) => session.createdAtMs) : [];
      expect(times).toEqual([...times].sort((a, b) => b - a));
      expect((await walk({ agentId: 'agent-1' })).sort()).toEqual(
        ids.filter((_, index) => index % 2 === 1).sort(),
      );
      expect(await walk({ status: 'closed' })).toEqual([ids[3]]);
      expect(await walk({ agentId: 'nobody' })).toEqual([]);
      expect(codeOf(await world.tasks.list({ cursor: 'nonsense' }))).toBe('INVALID_INPUT');
      expect(codeOf(await world.tasks.list({ limit: 0 }))).toBe('INVALID_INPUT');
    });
  });

  it('everything is as it was after a reopen', async ({ skip }) => {
    skip(backend.name === 'memory', 'nothing survives in this store');
    const world = await openWorld(backend);
    const { id } = await created(world, {
      authorizedCredentials: ['github'],
      callBudget: 5,
      rateLimit: { calls: 2, perMs: minuteMs, algorithm: 'sliding' },
      taskName: 'kept',
    });
    const closed = await created(world);
    await world.tasks.close(closed.id);
    await world.tasks.useBatch(id, ['read_file', 'read_file'], { credentials: ['github'] });
    const before = await world.tasks.get(id);
    const again = await world.reopen();
    expect(await again.tasks.get(id)).toEqual(before);
    expect(codeOf(await again.tasks.use(id, 'read_file'))).toBe('RATE_LIMITED');
    expect(codeOf(await again.tasks.use(closed.id, 'read_file'))).toBe('SESSION_CLOSED');
    again.clock.advance(minuteMs);
    expect(codeOf(await again.tasks.use(id, 'read_file', { credentials: ['aws'] }))).toBe(
      'CREDENTIAL_NOT_AUTHORIZED',
    );
    expect(await again.tasks.use(id, 'read_file')).toMatchObject({ ok: true, remaining: { calls: 2 } });
  });
});

it('names an HTTP status for every code', () => {
  expect(httpStatusOf('SESSION_NOT_FOUND')).toBe(404);
  expect(httpStatusOf('SESSION_CLOSED')).toBe(410);
  expect(httpStatusOf('SESSION_EXPIRED')).toBe(408);
  expect(httpStatusOf('TASK_NAME_TAKEN')).toBe(409);
  expect(httpStatusOf('STORAGE_UNAVAILABLE')).toBe(503);
});
