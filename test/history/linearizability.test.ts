import { describe, expect, test } from 'vitest';
import { checkLinearizable, type SequentialModel } from './linearizability.js';
import {
  type SessionInput,
  sessionModel,
  type SessionOperation,
  type SessionOutput,
  type SessionState,
} from './session-model.js';
import fc from 'fast-check';

const use = (startedAt: number, endedAt: number, remaining: number, calls = 1): SessionOperation => ({
  input: { kind: 'use', calls },
  output: { kind: 'granted', remaining, replayed: false },
  startedAt,
  endedAt,
});
const named = (
  startedAt: number,
  endedAt: number,
  remaining: number,
  replayed: boolean,
): SessionOperation => ({
  input: { kind: 'use', calls: 1, callId: 'a' },
  output: { kind: 'granted', remaining, replayed },
  startedAt,
  endedAt,
});
const refused = (startedAt: number, endedAt: number, code: string, used = 3): SessionOperation => ({
  input: { kind: 'use', calls: 1 },
  output: { kind: 'refused', code, ...(code === 'BUDGET_EXCEEDED' && { limit: 3, used }) },
  startedAt,
  endedAt,
});
const read = (
  startedAt: number,
  endedAt: number,
  callsMade: number,
  status = 'active',
): SessionOperation => ({
  input: { kind: 'get' },
  output: { kind: 'session', callsMade, callBudget: 3, status },
  startedAt,
  endedAt,
});
const closed = (startedAt: number, endedAt: number, callsMade: number): SessionOperation => ({
  input: { kind: 'close' },
  output: { kind: 'closed', callsMade },
  startedAt,
  endedAt,
});
const extended = (startedAt: number, endedAt: number, callsMade: number): SessionOperation => ({
  input: { kind: 'extend', calls: 2 },
  output: { kind: 'session', callsMade, callBudget: 5, status: 'active' },
  startedAt,
  endedAt,
});
const unknown = (startedAt: number, input: SessionInput = { kind: 'use', calls: 1 }): SessionOperation => ({
  input,
  startedAt,
  endedAt: Number.POSITIVE_INFINITY,
});

const model = sessionModel({ callBudget: 3, mayExpire: true });
const isRight = (history: readonly SessionOperation[]): boolean => checkLinearizable(history, model).ok;

describe('what could have happened is accepted', () => {
  test.each<[string, readonly SessionOperation[]]>([
    ['nothing at all', []],
    ['one after the other', [use(0, 1, 2), use(2, 3, 1), use(4, 5, 0), refused(6, 7, 'BUDGET_EXCEEDED')]],
    ['all at once, answered in any order', [use(0, 9, 0), use(0, 9, 2), use(0, 9, 1)]],
    [
      'a refusal that overlaps the last grant',
      [use(0, 1, 1, 2), use(2, 9, 0), refused(3, 4, 'BUDGET_EXCEEDED')],
    ],
    ['a reading of before, while it is granted', [use(0, 9, 2), read(1, 2, 0), read(3, 4, 1)]],
    ['a grant while it is closed', [closed(0, 9, 1), use(1, 8, 2), refused(5, 7, 'SESSION_CLOSED')]],
    ['a lost call that was counted', [unknown(0), use(5, 6, 1)]],
    ['a lost call that was not', [unknown(0), use(5, 6, 2), use(7, 8, 1), use(9, 10, 0)]],
    ['a lost call that came late', [unknown(0), use(1, 2, 2), read(3, 4, 1), read(5, 6, 2)]],
    ['a lost closing', [unknown(0, { kind: 'close' }), use(1, 2, 2), refused(3, 4, 'SESSION_CLOSED')]],
    ['a replay after the closing', [named(0, 1, 2, false), closed(2, 3, 1), named(4, 5, 2, true)]],
    [
      'a lost call that is replayed',
      [unknown(0, { kind: 'use', calls: 1, callId: 'a' }), named(4, 5, 2, true)],
    ],
    ['more budget', [use(0, 1, 0, 3), refused(0, 9, 'BUDGET_EXCEEDED'), extended(2, 3, 3), use(4, 5, 0, 2)]],
    ['its end', [use(0, 5, 2), refused(1, 6, 'SESSION_EXPIRED'), read(7, 8, 1, 'expired')]],
  ])('%s', (_what, history) => {
    expect(isRight(history)).toBe(true);
  });
});

describe('what could not is refused', () => {
  test.each<[string, readonly SessionOperation[]]>([
    ['two calls that were told the same number', [use(0, 9, 2), use(0, 9, 2)]],
    ['more calls than the budget', [use(0, 9, 1, 2), use(0, 9, 0), use(0, 9, -1)]],
    ['a number that was left out', [use(0, 9, 2), use(0, 9, 0)]],
    ['numbers against the order in which they were asked', [use(0, 1, 1), use(2, 3, 2)]],
    ['a refusal before the budget was used', [refused(0, 1, 'BUDGET_EXCEEDED'), use(2, 3, 0, 3)]],
    ['a refusal for a budget that was never used', [use(0, 1, 2), refused(2, 3, 'BUDGET_EXCEEDED')]],
    ['a refusal that counts wrong', [use(0, 1, 0, 3), refused(2, 3, 'BUDGET_EXCEEDED', 2)]],
    ['a reading that is out of date', [use(0, 1, 2), read(2, 3, 0)]],
    ['a reading of what was never there', [use(0, 9, 2), read(0, 9, 2)]],
    ['readings that go back', [use(0, 9, 2), read(1, 2, 1), read(3, 4, 0)]],
    ['a grant after the closing', [closed(0, 1, 0), use(2, 3, 2)]],
    ['a closing that counts wrong', [use(0, 1, 2), closed(2, 3, 0)]],
    ['two closings', [closed(0, 9, 0), closed(0, 9, 0)]],
    ['closed, and nobody closed it', [use(0, 1, 2), refused(2, 3, 'SESSION_CLOSED')]],
    ['a lost call that was counted before it was asked', [use(0, 1, 1), unknown(2)]],
    ['a lost call that was counted twice', [unknown(0), use(1, 2, 0)]],
    ['a call that was charged twice under one id', [named(0, 1, 2, false), named(2, 3, 1, false)]],
    ['a replay of nothing', [named(0, 1, 2, true)]],
    ['a replay of another grant', [named(0, 1, 2, false), named(2, 3, 1, true)]],
    [
      'a refusal of what is remembered',
      [
        named(0, 1, 2, false),
        { ...named(2, 3, 2, true), output: { kind: 'refused', code: 'SESSION_CLOSED' } },
        closed(2, 3, 1),
      ],
    ],
    ['a grant after its end', [refused(0, 1, 'SESSION_EXPIRED'), use(2, 3, 2)]],
    ['a session that is not found', [refused(0, 1, 'SESSION_NOT_FOUND')]],
  ])('%s', (_what, history) => {
    expect(isRight(history)).toBe(false);
  });

  test('an end of what does not end', () => {
    const endless = sessionModel({ callBudget: 3 });
    expect(checkLinearizable([refused(0, 1, 'SESSION_EXPIRED')], endless).ok).toBe(false);
  });

  test('and it says where it got stuck', () => {
    const verdict = checkLinearizable([use(0, 1, 2), read(2, 3, 0)], model);
    expect(verdict).toMatchObject({ ok: false, placed: 1, stuckAt: [read(2, 3, 0)] });
  });
});

/** The definition, without any cleverness: every order, of the answered and of every choice of the others. */
function isRightByDefinition(rest: readonly SessionOperation[], state: SessionState): boolean {
  if (rest.every(({ output }) => output === undefined)) return true;
  return rest.some((one) => {
    if (rest.some((other) => other.output !== undefined && other.endedAt < one.startedAt)) return false;
    const next = model.after(state, one.input, one.output);
    const others = rest.filter((other) => other !== one);
    return next !== undefined && isRightByDefinition(others, next);
  });
}

const operations: fc.Arbitrary<SessionOperation> = fc
  .record({
    startedAt: fc.integer({ min: 0, max: 8 }),
    takes: fc.integer({ min: 0, max: 6 }),
    input: fc.constantFrom<SessionInput>(
      { kind: 'use', calls: 1 },
      { kind: 'use', calls: 1 },
      { kind: 'use', calls: 2 },
      { kind: 'use', calls: 1, callId: 'a' },
      { kind: 'get' },
      { kind: 'close' },
      { kind: 'extend', calls: 2 },
    ),
    output: fc.constantFrom<SessionOutput | undefined>(
      ...[4, 3, 2, 1, 0].map((remaining) => ({ kind: 'granted' as const, remaining, replayed: false })),
      { kind: 'granted', remaining: 2, replayed: true },
      ...[0, 1, 2].map((callsMade) => ({
        kind: 'session' as const,
        callsMade,
        callBudget: 3,
        status: 'active',
      })),
      { kind: 'session', callsMade: 1, callBudget: 5, status: 'active' },
      { kind: 'session', callsMade: 2, callBudget: 3, status: 'expired' },
      { kind: 'closed', callsMade: 1 },
      { kind: 'closed', callsMade: 2 },
      { kind: 'refused', code: 'SESSION_CLOSED' },
      { kind: 'refused', code: 'SESSION_EXPIRED' },
      { kind: 'refused', code: 'BUDGET_EXCEEDED', limit: 3, used: 3 },
      undefined,
      undefined,
    ),
  })
  .filter(({ input, output }) => {
    if (output === undefined || output.kind === 'refused') return true;
    return { use: 'granted', get: 'session', close: 'closed', extend: 'session' }[input.kind] === output.kind;
  })
  .map(({ startedAt, takes, input, output }) =>
    output === undefined
      ? { input, startedAt, endedAt: Number.POSITIVE_INFINITY }
      : { input, output, startedAt, endedAt: startedAt + takes },
  );

test('it says the same as the definition', () => {
  let right = 0;
  fc.assert(
    fc.property(fc.array(operations, { minLength: 1, maxLength: 6 }), (history) => {
      const expected = isRightByDefinition(history, model.initial);
      if (expected) right++;
      expect(isRight(history)).toBe(expected);
    }),
    { numRuns: 20_000 },
  );
  // Both answers were due often enough.
  expect(right).toBeGreaterThan(300);
  expect(right).toBeLessThan(19_700);
});

test('a long history with a wide front takes few steps', () => {
  const wide: SessionOperation[] = Array.from({ length: 4_000 }, (_, index) => ({
    ...use(Math.floor(index / 64) * 10, Math.floor(index / 64) * 10 + 15, 3_999 - index),
  })).toReversed();
  const big: SequentialModel<SessionState, SessionInput, SessionOutput> = sessionModel({ callBudget: 4_000 });
  const verdict = checkLinearizable(wide, big);
  expect(verdict.ok).toBe(true);
  expect(verdict.steps).toBeLessThan(10_000);
});
