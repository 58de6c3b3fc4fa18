import {
  agentKey,
  closedKey,
  makeTaskKeys,
  nameKey,
  type TermsRecord,
  type UseRecord,
} from '../../src/tasks/task-records.js';
import {
  decideClose,
  decideCloseAll,
  decideDeactivate,
  decideExtend,
  decideSeal,
} from '../../src/tasks/lifecycle-rules.js';
import { describe, expect, test } from 'vitest';
import { hot, laidOut, now, retentionMs, ruleView, termsRecord } from './rule-world.js';
import { dayMs } from '../../src/core/time.js';

const live = (id: string, expiresAtMs = 150_000) => ({ id, expiresAtMs });
const agent = (...sessions: ReturnType<typeof live>[]) =>
  [agentKey('agent'), { live: sessions, deactivatedAtMs: null }] as const;

describe('closing', () => {
  const close = (
    terms: TermsRecord,
    use: UseRecord,
    ...more: (readonly [ReturnType<typeof agentKey>, unknown])[]
  ) => {
    const { keys, records } = laidOut(terms, use);
    const view = ruleView([...records, ...more] as Parameters<typeof ruleView>[0]);
    return { view, keys, answer: decideClose(view, now, keys, retentionMs) };
  };

  test('writes the end where calls and children look, and tells what was used', () => {
    const { view, keys, answer } = close(termsRecord(), hot());
    expect(answer).toEqual({
      ok: true,
      summary: {
        sessionId: 'session',
        callsMade: 3,
        callBudget: 10,
        budgetShare: 0.3,
        elapsedMs: 10_010,
        timeShare: 10_010 / 60_000,
      },
    });
    expect(view.written).toEqual(
      new Map<unknown, unknown>([
        [
          keys.use,
          { value: hot({ status: 'closed', closedAtMs: 100_010, seenAtMs: 100_010 }), expiresAtMs: 107_010 },
        ],
        [keys.closed, { value: true, expiresAtMs: 90_000 + dayMs + retentionMs }],
      ]),
    );
  });

  test('takes it from its agent, and what has ended besides', () => {
    const { view } = close(
      termsRecord(),
      hot(),
      agent(live('session'), live('other'), live('over', 100_000)),
    );
    expect(view.written.get(agentKey('agent'))).toEqual({
      value: { live: [live('other')], deactivatedAtMs: null },
      expiresAtMs: 150_000 + dayMs,
    });
  });

  test('forgets an agent that has none left', () => {
    const { view } = close(termsRecord(), hot(), agent(live('session')));
    expect(view.written.has(agentKey('agent'))).toBe(true);
    expect(view.written.get(agentKey('agent'))).toBeUndefined();
  });

  test('leaves an agent alone that does not have it', () => {
    const { view } = close(termsRecord(), hot(), agent(live('other'), live('another')));
    expect(view.written.has(agentKey('agent'))).toBe(false);
  });

  test('remembers it by its name, unless the name is another session by now', () => {
    const named = termsRecord({ taskName: 'tidy' });
    const key = nameKey('agent', 'tidy');
    const own = close(named, hot(), [key as never, { sessionId: 'session', closed: false }]);
    expect(own.view.written.get(key)).toEqual({ value: { sessionId: 'session', closed: true } });
    const newer = close(named, hot(), [key as never, { sessionId: 'newer', closed: false }]);
    expect(newer.view.written.has(key)).toBe(false);
    expect(close(named, hot()).view.written.has(key)).toBe(false);
  });

  test('of a session without a budget used all of it', () => {
    const { answer } = close(termsRecord(), hot({ callBudget: 0, callsMade: 0 }));
    expect(answer).toMatchObject({ summary: { budgetShare: 1 } });
  });

  test('of one that is over counts the time it had; of one whose clock was set back, none', () => {
    expect(close(termsRecord(), hot({ expiresAtMs: 95_000 })).answer).toMatchObject({
      summary: { elapsedMs: 5_000 },
    });
    const early = termsRecord({ createdAtMs: 200_000, expiresAtMs: 260_000 });
    expect(close(early, hot({ expiresAtMs: 260_000 })).answer).toMatchObject({ summary: { elapsedMs: 0 } });
  });

  test('is refused twice, and where a part of it is gone', () => {
    expect(close(termsRecord(), hot({ status: 'closed' })).answer).toMatchObject({
      refusal: { code: 'SESSION_CLOSED' },
    });
    const { keys, records } = laidOut();
    for (const part of records)
      expect(decideClose(ruleView([part]), now, keys, retentionMs)).toMatchObject({
        refusal: { code: 'SESSION_NOT_FOUND' },
      });
  });
});

describe('closing all of an agent', () => {
  const session = (id: string, use: Partial<UseRecord> = {}, terms: Partial<TermsRecord> = {}) =>
    laidOut(termsRecord({ sessionId: id, ...terms }), hot(use)).records;

  test('closes those that are open, and asks for all of them at once', () => {
    const gone = makeTaskKeys('gone');
    const view = ruleView([
      agent(live('a'), live('b'), live('over'), live('closed'), live('gone'), live('half')),
      ...session('a'),
      ...session('b', {}, { taskName: 'tidy' }),
      ...session('over', { expiresAtMs: 100_000 }),
      ...session('closed', { status: 'closed' }),
      ...session('half').slice(1),
    ]);
    expect(decideCloseAll(view, now, 'agent', retentionMs)).toEqual({ ok: true, closed: 2 });
    const closed = [...view.written.keys()].filter((key) => key.includes('task-closed'));
    expect(closed).toEqual([closedKey('a'), closedKey('b')]);
    expect(view.written.get(agentKey('agent'))).toBeUndefined();
    expect(view.needed).toEqual(
      expect.arrayContaining([gone.use, gone.terms, gone.closed, nameKey('agent', 'tidy')]),
    );
    expect(view.needed).toHaveLength(19);
  });

  test('leaves no trace of an agent that is not known', () => {
    const view = ruleView();
    expect(decideCloseAll(view, now, 'agent', retentionMs)).toEqual({ ok: true, closed: 0 });
    expect(view.written.size).toBe(0);
  });

  test('deactivation is written once, and keeps what it is to close', () => {
    const view = ruleView([agent(live('a'))]);
    expect(decideDeactivate(view, now, 'agent')).toEqual({ ok: true, live: 1 });
    expect(view.written.get(agentKey('agent'))).toEqual({
      value: { live: [live('a')], deactivatedAtMs: 100_010 },
    });
    const again = ruleView([[agentKey('agent'), { live: [], deactivatedAtMs: 5 }]]);
    expect(decideDeactivate(again, now, 'agent')).toEqual({ ok: true, live: 0 });
    expect(again.written.size).toBe(0);
    const unknown = ruleView();
    expect(decideDeactivate(unknown, now, 'agent')).toEqual({ ok: true, live: 0 });
    expect(unknown.written.get(agentKey('agent'))).toEqual({ value: { live: [], deactivatedAtMs: 100_010 } });
    // Closing keeps what is known of a deactivated agent, for ever.
    expect(decideCloseAll(again, now, 'agent', retentionMs)).toEqual({ ok: true, closed: 0 });
    expect(again.written.get(agentKey('agent'))).toEqual({ value: { live: [], deactivatedAtMs: 5 } });
  });
});

describe('extending', () => {
  const extend = (
    by: { calls?: number; ms?: number },
    use: Partial<UseRecord> = {},
    terms: Partial<TermsRecord> = {},
    more: Parameters<typeof ruleView>[0] = [],
  ) => {
    const { keys, records } = laidOut(termsRecord(terms), hot(use));
    const view = ruleView([...records, ...more]);
    return { view, keys, answer: decideExtend(view, now, keys, { calls: 0, ms: 0, ...by }, retentionMs) };
  };

  test('writes the new bounds, also for the agent', () => {
    const { view, keys, answer } = extend({ calls: 5, ms: 1_000 }, {}, {}, [
      agent(live('other'), live('session')),
    ]);
    expect(answer).toMatchObject({
      ok: true,
      session: { callBudget: 15, expiresAtMs: 151_000, status: 'active' },
    });
    expect(view.written).toEqual(
      new Map<unknown, unknown>([
        [
          keys.use,
          { value: hot({ callBudget: 15, expiresAtMs: 151_000, seenAtMs: 100_010 }), expiresAtMs: 158_000 },
        ],
        [
          agentKey('agent'),
          {
            value: { live: [live('other'), live('session', 151_000)], deactivatedAtMs: null },
            expiresAtMs: 151_000 + dayMs,
          },
        ],
      ]),
    );
    expect(view.untilMs).toBe(149_999);
  });

  test('by calls alone touches no agent, and no parent', () => {
    const parent = [makeTaskKeys('parent').use, hot({ expiresAtMs: 120_000 })] as const;
    const { view, answer } = extend({ calls: 1 }, {}, { parentSessionId: 'parent' }, [
      parent,
      agent(live('session')),
    ]);
    expect(answer.ok).toBe(true);
    expect([...view.written.keys()]).toHaveLength(1);
  });

  test('goes as far as the bounds and no further', () => {
    expect(extend({ calls: 1_000_000 - 10 }).answer.ok).toBe(true);
    const calls = extend({ calls: 1_000_000 - 9 }).answer;
    expect(calls).toMatchObject({ refusal: { code: 'INVALID_INPUT', field: 'calls' } });
    expect(!calls.ok && calls.refusal.message).toContain(
      'would make the budget 1000001; at most 1000000 are possible',
    );
    const mostMs = 90_000 + dayMs - 150_000;
    expect(extend({ ms: mostMs }).answer.ok).toBe(true);
    const ms = extend({ ms: mostMs + 1 }).answer;
    expect(ms).toMatchObject({ refusal: { code: 'INVALID_INPUT', field: 'ms' } });
    expect(!ms.ok && ms.refusal.message).toContain(`at most ${mostMs} can be added`);
    const parent = [makeTaskKeys('parent').use, hot({ expiresAtMs: 160_000 })] as const;
    const child = { parentSessionId: 'parent' };
    expect(extend({ ms: 10_000 }, {}, child, [parent]).answer.ok).toBe(true);
    const past = extend({ ms: 10_003 }, {}, child, [parent]).answer;
    expect(past).toMatchObject({ refusal: { code: 'EXCEEDS_PARENT', field: 'ms' } });
    expect(!past.ok && past.refusal.message).toContain('the parent ends 3 ms earlier');
  });

  test('is refused for what is over, closed, orphaned or gone', () => {
    const code = (answer: ReturnType<typeof decideExtend>) => (answer.ok ? 'ok' : answer.refusal.code);
    expect(code(extend({ calls: 1 }, { status: 'closed' }).answer)).toBe('SESSION_CLOSED');
    expect(code(extend({ calls: 1 }, { expiresAtMs: 100_010 }).answer)).toBe('SESSION_EXPIRED');
    expect(code(extend({ calls: 1 }, { expiresAtMs: 100_011 }).answer)).toBe('ok');
    const orphan = extend({ calls: 1 }, {}, { delegationChain: ['root'] }, [[closedKey('root'), true]]);
    expect(code(orphan.answer)).toBe('PARENT_NOT_USABLE');
    const { keys, records } = laidOut();
    for (const part of records)
      expect(code(decideExtend(ruleView([part]), now, keys, { calls: 1, ms: 0 }, retentionMs))).toBe(
        'SESSION_NOT_FOUND',
      );
  });

  test('never goes back in time', () => {
    const { view, keys } = extend({ calls: 1 }, { seenAtMs: 120_000 });
    expect(view.written.get(keys.use)?.value).toMatchObject({ seenAtMs: 120_000 });
  });
});

describe('what was seen over', () => {
  const sealed = (use: Partial<UseRecord>, sawMs: number) => {
    const { keys, records } = laidOut(termsRecord(), hot(use));
    const view = ruleView(records);
    expect(decideSeal(view, now, keys, sawMs, retentionMs)).toEqual({ ok: true });
    return view.written.get(keys.use);
  };

  test('is written down as over, by the latest time that anybody saw', () => {
    const over = { status: 'expired' as const, expiresAtMs: 100_005 };
    expect(sealed({ expiresAtMs: 100_005 }, 0)).toEqual({
      value: hot({ ...over, seenAtMs: 100_010 }),
      expiresAtMs: 107_005,
    });
    expect(sealed({ expiresAtMs: 120_000 }, 120_000)?.value).toMatchObject({
      status: 'expired',
      seenAtMs: 120_000,
    });
    expect(sealed({ expiresAtMs: 120_000, seenAtMs: 130_000 }, 125_000)?.value).toMatchObject({
      status: 'expired',
      seenAtMs: 130_000,
    });
  });

  test('is left alone where it was extended, closed or written down since', () => {
    expect(sealed({ expiresAtMs: 120_001 }, 120_000)).toBeUndefined();
    expect(sealed({ expiresAtMs: 100_005, status: 'closed' }, 0)).toBeUndefined();
    expect(sealed({ expiresAtMs: 100_005, status: 'expired' }, 0)).toBeUndefined();
    const view = ruleView();
    expect(decideSeal(view, now, makeTaskKeys('gone'), 0, retentionMs)).toEqual({ ok: true });
    expect(view.written.size).toBe(0);
  });
});
