import {
  agentIndexKey,
  agentKey,
  closedKey,
  indexKey,
  makeTaskKeys,
  nameKey,
  type TermsRecord,
  type UseRecord,
  useRecord,
} from '../../src/tasks/task-records.js';
import { decideCreate, decideOpen } from '../../src/tasks/create-rules.js';
import { describe, expect, test } from 'vitest';
import { hot, laidOut, now, retentionMs, ruleView, termsRecord } from './rule-world.js';
import type { CheckedTerms } from '../../src/tasks/task-input-rules.js';
import { dayMs } from '../../src/core/time.js';

const wanted = (changes: Partial<CheckedTerms> = {}): CheckedTerms => ({
  agentId: 'agent',
  declaredIntent: 'tidy up',
  taskName: undefined,
  authorizedTools: ['read_file'],
  authorizedCredentials: [],
  timeLimitMs: 20_000,
  timeLimitGiven: true,
  callBudget: 10,
  rateLimit: undefined,
  dataSensitivityCeiling: 'internal',
  parentSessionId: undefined,
  ...changes,
});

const fresh = (sessionsPerAgentMax = 10) => ({
  keys: makeTaskKeys('fresh'),
  tokenSha256: 'hash of fresh',
  sessionsPerAgentMax,
  retentionMs,
});
const live = (id: string, expiresAtMs: number) => ({ id, expiresAtMs });
const agentOf = (...sessions: ReturnType<typeof live>[]) =>
  [agentKey('agent'), { live: sessions, deactivatedAtMs: null }] as const;
const lastsMs = 100_000 + dayMs + retentionMs;

describe('creating', () => {
  test('writes every record of a session, with the time each must last', () => {
    const view = ruleView([agentOf(live('older', 130_000), live('over', 100_000))]);
    const answer = decideCreate(view, now, wanted({ taskName: 'tidy' }), fresh());
    const shown = {
      sessionId: 'fresh',
      agentId: 'agent',
      taskName: 'tidy',
      declaredIntent: 'tidy up',
      authorizedTools: ['read_file'],
      authorizedCredentials: [],
      timeLimitMs: 20_000,
      callBudget: 10,
      dataSensitivityCeiling: 'internal',
      delegationChain: [],
      createdAtMs: 100_000,
      expiresAtMs: 120_000,
    };
    expect(answer).toEqual({ ok: true, session: { ...shown, callsMade: 0, status: 'active' } });
    const { keys } = fresh();
    expect(view.written).toEqual(
      new Map<unknown, unknown>([
        [keys.terms, { value: { ...shown, tokenSha256: 'hash of fresh' }, expiresAtMs: lastsMs }],
        [keys.use, { value: useRecord(10, 0, 120_000, null, 'active', null, 100_010), expiresAtMs: 127_000 }],
        [indexKey(100_000, 'fresh'), { value: 'fresh', expiresAtMs: lastsMs }],
        [agentIndexKey('agent', 100_000, 'fresh'), { value: 'fresh', expiresAtMs: lastsMs }],
        [nameKey('agent', 'tidy'), { value: { sessionId: 'fresh', closed: false } }],
        [
          agentKey('agent'),
          {
            value: { live: [live('older', 130_000), live('fresh', 120_000)], deactivatedAtMs: null },
            expiresAtMs: 130_000 + dayMs,
          },
        ],
      ]),
    );
    expect(view.untilMs).toBe(Number.POSITIVE_INFINITY);
  });

  test('keeps what was chosen, and no field for what was not', () => {
    const plain = ruleView();
    decideCreate(plain, now, wanted(), fresh());
    const terms = plain.written.get(fresh().keys.terms)?.value as TermsRecord;
    expect(Object.keys(terms)).not.toEqual(expect.arrayContaining(['taskName']));
    for (const field of ['taskName', 'rateLimit', 'parentSessionId'])
      expect(Object.hasOwn(terms, field)).toBe(false);
    expect([...plain.written.keys()].some((key) => key.includes('task-name'))).toBe(false);
    const rateLimit = { calls: 3, perMs: 1_000, algorithm: 'fixed' } as const;
    const limited = ruleView();
    decideCreate(limited, now, wanted({ rateLimit }), fresh());
    expect(limited.written.get(fresh().keys.terms)?.value).toMatchObject({ rateLimit });
  });

  test('is refused past the cap, and tells when that may change', () => {
    const view = ruleView([agentOf(live('a', 150_000), live('b', 112_000))]);
    const answer = decideCreate(view, now, wanted(), fresh(2));
    expect(answer).toMatchObject({
      refusal: { code: 'TOO_MANY_SESSIONS', limit: 2, used: 2, retryAfterMs: 12_000 },
    });
    expect(view.written.size).toBe(0);
    expect(
      decideCreate(ruleView([agentOf(live('a', 150_000), live('b', 100_000))]), now, wanted(), fresh(2)).ok,
    ).toBe(true);
  });

  test('is refused for a deactivated agent, and for a name that is taken', () => {
    const gone = ruleView([[agentKey('agent'), { live: [], deactivatedAtMs: 5 }]]);
    expect(decideCreate(gone, now, wanted(), fresh())).toMatchObject({
      refusal: { code: 'AGENT_DEACTIVATED' },
    });
    const taken = ruleView([[nameKey('agent', 'tidy'), { sessionId: 'x', closed: false }]]);
    const answer = decideCreate(taken, now, wanted({ taskName: 'tidy' }), fresh());
    expect(answer).toMatchObject({ refusal: { code: 'TASK_NAME_TAKEN' } });
    expect(!answer.ok && answer.refusal.message).toContain('"tidy"');
  });
});

describe('a child', () => {
  const create = (
    terms: Partial<CheckedTerms>,
    parent: Partial<TermsRecord> = {},
    use: Partial<UseRecord> = {},
    more: Parameters<typeof ruleView>[0] = [],
  ) => {
    const { records } = laidOut(termsRecord({ sessionId: 'parent', ...parent }), hot(use));
    const view = ruleView([...records, ...more]);
    return {
      view,
      answer: decideCreate(view, now, wanted({ parentSessionId: 'parent', ...terms }), fresh()),
    };
  };
  const refusalOf = (...given: Parameters<typeof create>) => {
    const { answer } = create(...given);
    return answer.ok
      ? 'ok'
      : `${answer.refusal.code} ${answer.refusal.field ?? ''} ${answer.refusal.message}`;
  };

  test('takes its line from its parent, and ends with it', () => {
    const { view, answer } = create({}, { delegationChain: ['root'] });
    expect(answer).toMatchObject({
      session: { parentSessionId: 'parent', delegationChain: ['root', 'parent'], expiresAtMs: 120_000 },
    });
    expect(view.untilMs).toBe(149_999);
    // What nobody chose gives way; what somebody chose may end with the parent, and not after it.
    expect(create({ timeLimitMs: 3_600_000, timeLimitGiven: false }).answer).toMatchObject({
      session: { expiresAtMs: 150_000, timeLimitMs: 50_000 },
    });
    expect(refusalOf({ timeLimitMs: 50_000 })).toBe('ok');
    expect(refusalOf({ timeLimitMs: 49_999 })).toBe('ok');
    expect(refusalOf({ timeLimitMs: 50_001 })).toMatch(
      /^EXCEEDS_PARENT timeLimitMs .*the parent has 50000 ms left/,
    );
  });

  test('gets nothing that its parent does not have', () => {
    expect(refusalOf({ authorizedTools: ['read_file', 'write'] })).toMatch(
      /^EXCEEDS_PARENT authorizedTools .*one of them is wider than every one of the parent/,
    );
    expect(refusalOf({ authorizedTools: ['read_file', 'read_x*'] })).toBe('ok');
    expect(refusalOf({ authorizedCredentials: ['github', 'aws'] })).toMatch(
      /^EXCEEDS_PARENT authorizedCredentials .*one of them is not the parent's/,
    );
    expect(refusalOf({ authorizedCredentials: ['github'] })).toBe('ok');
    expect(refusalOf({ dataSensitivityCeiling: 'restricted' })).toMatch(
      /^EXCEEDS_PARENT dataSensitivityCeiling .*the parent's is internal/,
    );
    const nine = Array.from({ length: 9 }, (_, index) => `above-${index}`);
    expect(refusalOf({}, { delegationChain: nine })).toBe('ok');
    expect(refusalOf({}, { delegationChain: [...nine, 'above-9'] })).toMatch(
      /^EXCEEDS_PARENT parentSessionId .*at most 10 sessions may stand above one/,
    );
  });

  test('needs a parent that can be used', () => {
    expect(refusalOf({}, {}, { status: 'closed' })).toMatch(/^PARENT_NOT_USABLE .*was closed/);
    expect(refusalOf({}, {}, { expiresAtMs: 100_010 })).toMatch(/^PARENT_NOT_USABLE .*has expired/);
    expect(refusalOf({}, { delegationChain: ['root'] }, {}, [[closedKey('root'), true]])).toMatch(
      /^PARENT_NOT_USABLE/,
    );
    const { records } = laidOut(termsRecord({ sessionId: 'parent' }));
    for (const part of records)
      expect(
        decideCreate(ruleView([part]), now, wanted({ parentSessionId: 'parent' }), fresh()),
      ).toMatchObject({
        refusal: { code: 'SESSION_NOT_FOUND' },
      });
  });
});

describe('opening by name', () => {
  const named = { ...wanted(), taskName: 'tidy' };
  const open = (
    renew: 'never' | 'expired' | 'expired-or-closed',
    name?: { readonly sessionId: string; readonly closed: boolean },
    records: Parameters<typeof ruleView>[0] = [],
    sessionsPerAgentMax = 10,
  ) => {
    const view = ruleView([...(name ? [[nameKey('agent', 'tidy'), name] as const] : []), ...records]);
    return { view, answer: decideOpen(view, now, named, renew, fresh(sessionsPerAgentMax)) };
  };
  const code = (...given: Parameters<typeof open>) => {
    const { answer } = open(...given);
    return answer.ok
      ? `${answer.session.sessionId}${answer.created ? ' (created)' : ''}`
      : answer.refusal.code;
  };
  const own = { sessionId: 'session', closed: false };
  const laid = (use: Partial<UseRecord> = {}) => laidOut(termsRecord({ taskName: 'tidy' }), hot(use)).records;

  test('joins what is open, and tells its terms without its secret', () => {
    const { view, answer } = open('never', own, laid());
    expect(answer).toMatchObject({
      ok: true,
      created: false,
      session: { sessionId: 'session', callsMade: 3 },
    });
    expect(answer.ok && Object.hasOwn(answer.terms, 'tokenSha256')).toBe(false);
    expect(answer.ok && answer.terms).toMatchObject({ sessionId: 'session', callBudget: 10 });
    expect(view.written.size).toBe(0);
  });

  test('creates where there is none', () => {
    const { answer } = open('never');
    expect(answer).toMatchObject({
      ok: true,
      created: true,
      terms: { sessionId: 'fresh', taskName: 'tidy' },
    });
    expect(answer.ok && Object.hasOwn(answer.terms, 'tokenSha256')).toBe(false);
  });

  test('starts anew only where it is asked to', () => {
    const over = { expiresAtMs: 100_010 };
    expect(code('never', own, laid(over))).toBe('SESSION_EXPIRED');
    expect(code('expired', own, laid(over))).toBe('fresh (created)');
    expect(code('expired-or-closed', own, laid(over))).toBe('fresh (created)');
    for (const records of [laid({ status: 'closed' }), []]) {
      const closed = { sessionId: 'session', closed: true };
      expect(code('never', closed, records)).toBe('SESSION_CLOSED');
      expect(code('expired', closed, records)).toBe('SESSION_CLOSED');
      expect(code('expired-or-closed', closed, records)).toBe('fresh (created)');
    }
    expect(code('expired', own, laid({ status: 'closed' }))).toBe('SESSION_CLOSED');
    // Its records are gone: nobody closed it, so it is over.
    expect(code('never', own)).toBe('SESSION_EXPIRED');
    expect(code('expired', own)).toBe('fresh (created)');
    expect(code('expired', own, laid().slice(1))).toBe('fresh (created)');
  });

  test('is refused as creating is', () => {
    expect(code('never', undefined, [agentOf(live('a', 150_000))], 1)).toBe('TOO_MANY_SESSIONS');
  });
});
