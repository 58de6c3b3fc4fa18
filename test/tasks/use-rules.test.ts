import { callKey, closedKey } from '../../src/tasks/task-records.js';
import { describe, expect, test } from 'vitest';
import { hot, laidOut, now, retentionMs, ruleView, termsRecord } from './rule-world.js';
import { dayMs } from '../../src/core/time.js';
import { decideUse } from '../../src/tasks/use-rules.js';
import type { TermsRecord, UseRecord } from '../../src/tasks/task-records.js';
import type { UseOptions } from '../../src/tasks/task-types.js';

function used(
  tools: readonly string[],
  options: UseOptions = {},
  terms: TermsRecord = termsRecord(),
  use: UseRecord = hot(),
  more: Parameters<typeof ruleView>[0] = [],
) {
  const { keys, records } = laidOut(terms, use);
  const view = ruleView([...records, ...more]);
  return { view, keys, answer: decideUse(view, now, keys, tools, options, retentionMs) };
}

describe('a grant', () => {
  test('writes the count, what it saw, and until when both hold', () => {
    const { view, keys, answer } = used(['read_a', 'read_b'], { callId: 'one' });
    expect(answer).toEqual({ ok: true, remaining: { calls: 5, ms: 49_990 }, warnings: [] });
    expect(view.written).toEqual(
      new Map<unknown, unknown>([
        [keys.use, { value: hot({ callsMade: 5, seenAtMs: 100_010 }), expiresAtMs: 157_000 }],
        [
          callKey('session', 'one'),
          {
            value: { tools: ['read_a', 'read_b'], remaining: { calls: 5, ms: 49_990 }, warnings: [] },
            expiresAtMs: 90_000 + dayMs + retentionMs,
          },
        ],
      ]),
    );
    // At its end a session is over: the last moment is the one before.
    expect(view.untilMs).toBe(149_999);
  });

  test('of nothing costs nothing', () => {
    const { view, answer } = used([]);
    expect(answer).toEqual({ ok: true, remaining: { calls: 7, ms: 49_990 }, warnings: [] });
    expect(view.written.size).toBe(0);
  });

  test('warns of what is low, and of nothing else', () => {
    const low = { code: 'BUDGET_LOW', message: '2 calls are left; finish what matters most' };
    const late = { code: 'TIME_LOW', message: '12 s are left; finish what matters most' };
    const warnings = (use: Partial<UseRecord>) => {
      const { answer } = used(['read_a'], {}, termsRecord(), hot(use));
      return answer.ok ? answer.warnings : answer;
    };
    expect(warnings({ callsMade: 7 })).toEqual([low]);
    expect(warnings({ callsMade: 6 })).toEqual([]);
    expect(warnings({ expiresAtMs: 111_500 })).toEqual([]);
    const started = termsRecord({ createdAtMs: 40_000 });
    const answer = used(['read_a'], {}, started, hot({ expiresAtMs: 111_500 })).answer;
    expect(answer.ok && answer.warnings).toEqual([late]);
    const both = used(['read_a'], {}, started, hot({ expiresAtMs: 111_500, callsMade: 7 })).answer;
    expect(both.ok && both.warnings).toEqual([low, late]);
  });

  test('never goes back in time', () => {
    const { view, keys } = used(['read_a'], {}, termsRecord(), hot({ seenAtMs: 120_000 }));
    expect(view.written.get(keys.use)?.value).toMatchObject({ seenAtMs: 120_000 });
  });
});

describe('a refusal', () => {
  test('of a session of which a part is gone', () => {
    const { keys, records } = laidOut();
    for (const part of records) {
      const view = ruleView([part]);
      const fresh = laidOut().keys;
      expect(decideUse(view, now, fresh, ['read_a'], {}, retentionMs)).toMatchObject({
        refusal: { code: 'SESSION_NOT_FOUND' },
      });
    }
    expect(keys.known).toBeUndefined();
  });

  test('of another call under the same id, whatever the difference', () => {
    const remembered = { tools: ['read_a', 'read_b'], remaining: { calls: 1, ms: 2 }, warnings: [] };
    const more = [[callKey('session', 'one'), remembered]] as const;
    const ask = (tools: string[]) => used(tools, { callId: 'one' }, termsRecord(), hot(), more).answer;
    expect(ask(['read_a', 'read_b'])).toEqual({
      ok: true,
      remaining: { calls: 1, ms: 2 },
      warnings: [],
      replayed: true,
    });
    for (const other of [
      ['read_a'],
      ['read_a', 'read_b', 'read_c'],
      ['read_a', 'read_c'],
      ['read_c', 'read_b'],
    ]) {
      const answer = ask(other);
      expect(answer).toMatchObject({ refusal: { code: 'INVALID_INPUT', field: 'callId' } });
      expect(!answer.ok && answer.refusal.message).toContain('was used for another call');
    }
  });

  test('of a child whose parent was closed says so', () => {
    const child = termsRecord({ delegationChain: ['root', 'parent'] });
    const { answer, view } = used(['read_a'], {}, child, hot(), [[closedKey('root'), true]]);
    expect(answer).toMatchObject({ refusal: { code: 'PARENT_NOT_USABLE' } });
    expect(!answer.ok && answer.refusal.message).toContain('was closed');
    expect(view.needed).toEqual([closedKey('root'), closedKey('parent')]);
    expect(used(['read_a'], {}, child).answer.ok).toBe(true);
  });

  test('of its sensitivity and its credentials', () => {
    expect(used(['read_a'], { sensitivity: 'internal' }).answer.ok).toBe(true);
    expect(used(['read_a'], { sensitivity: 'confidential' }).answer).toMatchObject({
      refusal: { code: 'SENSITIVITY_EXCEEDED' },
    });
    expect(used(['read_a'], { credentials: ['github', 'aws'] }).answer).toMatchObject({
      refusal: { code: 'CREDENTIAL_NOT_AUTHORIZED' },
    });
  });

  test('writes nothing', () => {
    for (const [tools, options] of [
      [Array<string>(8).fill('read_a'), {}],
      [['write'], {}],
      [['read_a'], { credentials: ['aws'] }],
      [['read_a'], { agentId: 'other' }],
    ] as const) {
      const { answer, view } = used(tools, options);
      expect(answer.ok).toBe(false);
      expect(view.written.size).toBe(0);
    }
  });
});
