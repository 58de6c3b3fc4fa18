import {
  checkAgentId,
  checkAmount,
  checkCall,
  checkListOptions,
  checkTerms,
} from '../../src/tasks/task-input-rules.js';
import { describe, expect, test } from 'vitest';
import { hourMs } from '../../src/core/time.js';

const least = { agentId: 'agent', declaredIntent: 'tidy up' };

/** The field and what is wrong with it; `ok` where nothing is, and the error where one is thrown. */
function said(check: () => unknown): string {
  try {
    const answer = check() as
      { ok?: boolean; refusal?: { code: string; field?: string; message: string } } | undefined;
    if (!answer?.refusal) return 'ok';
    const { code, field, message } = answer.refusal;
    expect(code).toBe('INVALID_INPUT');
    expect(message.startsWith(`${field} `), message).toBe(true);
    return message;
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
}

const x = (count: number): string => 'x'.repeat(count);

test('what was left out gets its default', () => {
  expect(checkTerms(least)).toEqual({
    ...least,
    taskName: undefined,
    authorizedTools: [],
    authorizedCredentials: [],
    timeLimitMs: hourMs,
    timeLimitGiven: false,
    callBudget: 1_000,
    rateLimit: undefined,
    dataSensitivityCeiling: 'internal',
    parentSessionId: undefined,
  });
});

test('what was given is kept', () => {
  const given = {
    ...least,
    taskName: 'tidy',
    authorizedTools: ['read_*'],
    authorizedCredentials: ['github'],
    timeLimitMs: 5_000,
    callBudget: 0,
    rateLimit: { calls: 5, perMs: 1_000 },
    dataSensitivityCeiling: 'public',
    parentSessionId: 'parent',
  } as const;
  const rateLimit = { calls: 5, perMs: 1_000, algorithm: 'gcra' };
  expect(checkTerms(given)).toEqual({ ...given, rateLimit, timeLimitGiven: true });
  expect(checkTerms({ ...least, renew: 'never' } as never, ['renew'])).toMatchObject(least);
});

describe('terms', () => {
  test.each<[string, object, string]>([
    ['an unknown field', { callbudget: 1 }, 'callbudget is not known here; check its spelling'],
    ['no agent', { agentId: '' }, 'agentId is empty'],
    ['a number for an agent', { agentId: 7 }, 'TypeError: agentId must be a string'],
    ['an agent too long', { agentId: x(256) }, 'agentId is longer than 255 characters'],
    ['no intent', { declaredIntent: ' \t ' }, 'declaredIntent is blank; say what the session is for'],
    ['a number for an intent', { declaredIntent: 7 }, 'TypeError: declaredIntent must be a string'],
    ['an intent too long', { declaredIntent: x(513) }, 'declaredIntent is longer than 512 bytes'],
    ['an intent in two lines', { declaredIntent: 'a\nb' }, 'declaredIntent holds a control character'],
    ['a name in two lines', { taskName: 'a\nb' }, 'taskName holds a control character'],
    [
      'a string for tools',
      { authorizedTools: 'all' },
      'TypeError: authorizedTools must be an array of strings',
    ],
    ['a number among tools', { authorizedTools: ['a', 7] }, 'TypeError: authorizedTools must be a string'],
    ['too many tools', { authorizedTools: Array(257).fill('a') }, 'authorizedTools are more than 256'],
    ['an empty tool', { authorizedTools: [''] }, 'authorizedTools is empty'],
    ['a tool too long', { authorizedTools: [x(129)] }, 'authorizedTools is longer than 128 characters'],
    ['an empty credential', { authorizedCredentials: [''] }, 'authorizedCredentials is empty'],
    ['a string for a time', { timeLimitMs: '1h' }, 'TypeError: timeLimitMs must be a number'],
    [
      'too short',
      { timeLimitMs: 999 },
      'timeLimitMs is 999; it must be a whole number from 1000 to 86400000',
    ],
    [
      'too long',
      { timeLimitMs: 86_400_001 },
      'timeLimitMs is 86400001; it must be a whole number from 1000 to 86400000',
    ],
    ['half a call', { callBudget: 0.5 }, 'callBudget is 0.5; it must be a whole number from 0 to 1000000'],
    [
      'an unknown ceiling',
      { dataSensitivityCeiling: 'secret' },
      'dataSensitivityCeiling must be one of public, internal, confidential, restricted',
    ],
    [
      'a number for a ceiling',
      { dataSensitivityCeiling: 7 },
      'TypeError: dataSensitivityCeiling must be a string',
    ],
    ['a number for a parent', { parentSessionId: 7 }, 'TypeError: parentSessionId must be a string'],
    ['a number for a rate', { rateLimit: 7 }, 'TypeError: rateLimit must be an object'],
    ['null for a rate', { rateLimit: null }, 'TypeError: rateLimit must be an object'],
    ['half a rate', { rateLimit: { calls: 1 } }, 'TypeError: rateLimit needs calls and perMs'],
    ['the other half', { rateLimit: { perMs: 1_000 } }, 'TypeError: rateLimit needs calls and perMs'],
    [
      'an unknown algorithm',
      { rateLimit: { calls: 1, perMs: 1_000, algorithm: 'leaky' } },
      'rateLimit.algorithm must be one of gcra, sliding, fixed',
    ],
    [
      'an unknown field of a rate',
      { rateLimit: { calls: 1, perMs: 1_000, burst: 1 } },
      'rateLimit.burst is not a field of a rate limit; check its spelling',
    ],
    [
      'a rate of nothing',
      { rateLimit: { calls: 0, perMs: 1_000 } },
      'rateLimit.calls is 0; it must be a whole number from 1 to 1000000',
    ],
    [
      'a window too short',
      { rateLimit: { calls: 1, perMs: 999 } },
      'rateLimit.perMs is 999; it must be a whole number from 1000 to 3600000',
    ],
    [
      'too many to remember',
      { rateLimit: { calls: 1_001, perMs: 1_000, algorithm: 'sliding' } },
      'rateLimit.calls is 1001; it must be a whole number from 1 to 1000',
    ],
  ])('%s', (_what, changes, problem) => {
    expect(said(() => checkTerms({ ...least, ...changes }))).toBe(problem);
  });

  test.each([
    { agentId: x(255), declaredIntent: x(512) },
    { authorizedTools: Array<string>(256).fill(x(128)) },
    { timeLimitMs: 1_000, callBudget: 1_000_000 },
    { timeLimitMs: 86_400_000, callBudget: 0 },
    { rateLimit: { calls: 1_001, perMs: 3_600_000, algorithm: 'fixed' as const } },
    { rateLimit: { calls: 1_000, perMs: 1_000, algorithm: 'sliding' as const } },
    { rateLimit: { calls: 1_000_000, perMs: 1_000, algorithm: 'gcra' as const } },
    ...(['public', 'internal', 'confidential', 'restricted'] as const).map((level) => ({
      dataSensitivityCeiling: level,
    })),
  ])('at their bounds (%#)', (changes) => {
    expect(said(() => checkTerms({ ...least, ...changes }))).toBe('ok');
  });

  test('that are no object, and what breaks inside', () => {
    for (const terms of [undefined, null, 'terms', 7])
      expect(said(() => checkTerms(terms as never))).toBe(
        'TypeError: the terms of a session must be an object',
      );
    const broken = Object.defineProperty({ ...least }, 'taskName', {
      enumerable: true,
      get() {
        throw new RangeError('not ours');
      },
    });
    expect(said(() => checkTerms(broken))).toBe('RangeError: not ours');
  });
});

test.each<[string, unknown, unknown, string]>([
  ['nothing wrong', ['read'], undefined, 'ok'],
  [
    'nothing wrong with its options',
    ['read'],
    { agentId: '', callId: 'a', sensitivity: 'public', credentials: ['a'] },
    'ok',
  ],
  ['no options in it', ['read'], {}, 'ok'],
  ['a string for tools', 'read', undefined, 'TypeError: tools must be an array of strings'],
  ['a number for a tool', [7], undefined, 'TypeError: a tool must be a string'],
  ['an empty tool', ['a', ''], undefined, 'tool is empty'],
  ['as many as may be', Array(1_000).fill('a'), undefined, 'ok'],
  ['too many', Array(1_001).fill('a'), undefined, 'tools are more than 1000; send fewer at once'],
  ['a string for options', ['a'], 'fast', 'TypeError: the options of a call must be an object'],
  ['null for options', ['a'], null, 'TypeError: the options of a call must be an object'],
  ['an unknown option', ['a'], { agentID: 'a' }, 'agentID is not known here; check its spelling'],
  ['a number for an agent', ['a'], { agentId: 7 }, 'TypeError: agentId must be a string'],
  ['a number for an id', ['a'], { callId: 7 }, 'TypeError: callId must be a string'],
  ['an empty id', ['a'], { callId: '' }, 'callId is empty'],
  ['an id too long', ['a'], { callId: x(129) }, 'callId is longer than 128 characters'],
  [
    'an unknown level',
    ['a'],
    { sensitivity: 'secret' },
    'sensitivity must be one of public, internal, confidential, restricted',
  ],
  ['an empty credential', ['a'], { credentials: [''] }, 'credentials is empty'],
  [
    'a string for credentials',
    ['a'],
    { credentials: 'a' },
    'TypeError: credentials must be an array of strings',
  ],
])('a call with %s', (_what, tools, options, problem) => {
  expect(said(() => checkCall(tools as never, options as never))).toBe(problem);
});

test.each<[unknown, string]>([
  [{}, 'ok'],
  [{ agentId: 'a', status: 'active', limit: 5, cursor: 'c' }, 'ok'],
  [{ status: 'closed' }, 'ok'],
  [{ status: 'expired' }, 'ok'],
  [{ status: '' }, 'status must be one of active, closed, expired'],
  [{ status: 'open' }, 'status must be one of active, closed, expired'],
  [{ agentId: '' }, 'agentId is empty'],
  [{ agent: 'a' }, 'agent is not known here; check its spelling'],
  [{ '': 1 }, ' is not known here; check its spelling'],
  [null, 'TypeError: the options of a list must be an object'],
])('a list (%#)', (options, problem) => {
  expect(said(() => checkListOptions(options as never))).toBe(problem);
});

test('an agent, and an amount', () => {
  expect(said(() => checkAgentId('agent'))).toBe('ok');
  expect(said(() => checkAgentId(''))).toBe('agentId is empty');
  expect(said(() => checkAgentId(7 as never))).toBe('TypeError: agentId must be a string');
  expect(said(() => checkAmount('ms', undefined))).toBe('ok');
  expect(said(() => checkAmount('ms', 1))).toBe('ok');
  expect(said(() => checkAmount('ms', 0))).toMatch(/^ms is 0; it must be a whole number from 1 to /);
});
