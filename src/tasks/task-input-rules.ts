import {
  authorizationCharsMax,
  authorizationsMax,
  batchCallsMax,
  callBudgetDefault,
  callBudgetMax,
  callIdCharsMax,
  intentBytesMax,
  nameCharsMax,
  rateCallsMax,
  ratePerMsMax,
  ratePerMsMin,
  rateSlidingCallsMax,
  timeLimitMsDefault,
  timeLimitMsMax,
  timeLimitMsMin,
} from './task-limits.js';
import { characterProblem, nameProblem, utf8Bytes } from '../core/text-rules.js';
import type { ListOptions, RateLimit, Sensitivity, TaskTermsInput, UseOptions } from './task-types.js';
import {
  checked,
  oneOf,
  onlyKnown,
  problemOf,
  requireObject,
  textOf,
  wholeOf,
  wrong,
} from '../core/input-rules.js';
import { invalidInput, type Refused } from '../core/refusals.js';

/** Levels from less to more sensitive. */
export const sensitivities: readonly Sensitivity[] = ['public', 'internal', 'confidential', 'restricted'];

/** The terms of a new session with every default filled in. */
export interface CheckedTerms {
  readonly agentId: string;
  readonly declaredIntent: string;
  readonly taskName: string | undefined;
  readonly authorizedTools: readonly string[];
  readonly authorizedCredentials: readonly string[];
  readonly timeLimitMs: number;
  /** Whether the caller chose it: a default gives way to the parent's time, a choice does not. */
  readonly timeLimitGiven: boolean;
  readonly callBudget: number;
  readonly rateLimit: Required<RateLimit> | undefined;
  readonly dataSensitivityCeiling: Sensitivity;
  readonly parentSessionId: string | undefined;
}

const termsFields: readonly (keyof TaskTermsInput)[] = [
  'agentId',
  'declaredIntent',
  'taskName',
  'authorizedTools',
  'authorizedCredentials',
  'timeLimitMs',
  'callBudget',
  'rateLimit',
  'dataSensitivityCeiling',
  'parentSessionId',
];

const callFields: readonly (keyof UseOptions)[] = ['agentId', 'callId', 'sensitivity', 'credentials'];

const listFields: readonly (keyof ListOptions)[] = ['agentId', 'status', 'limit', 'cursor'];

/**
 * Checks the terms of a new session. A field it does not know is an error as well: a typing mistake must not quietly
 * give the default.
 *
 * @param alsoKnown fields of the operation beside the terms
 * @throws TypeError for a wrong JavaScript type
 */
export function checkTerms(input: TaskTermsInput, alsoKnown: readonly string[] = []): CheckedTerms | Refused {
  requireObject('the terms of a session', input);
  return checked(() => {
    onlyKnown(input, [...termsFields, ...alsoKnown]);
    return {
      agentId: name('agentId', input.agentId),
      declaredIntent: intent(input.declaredIntent),
      taskName: input.taskName === undefined ? undefined : name('taskName', input.taskName),
      authorizedTools: names('authorizedTools', input.authorizedTools),
      authorizedCredentials: names('authorizedCredentials', input.authorizedCredentials),
      timeLimitMs: whole(
        'timeLimitMs',
        input.timeLimitMs,
        timeLimitMsMin,
        timeLimitMsMax,
        timeLimitMsDefault,
      ),
      timeLimitGiven: input.timeLimitMs !== undefined,
      callBudget: whole('callBudget', input.callBudget, 0, callBudgetMax, callBudgetDefault),
      rateLimit: input.rateLimit === undefined ? undefined : rate(input.rateLimit),
      dataSensitivityCeiling: sensitivity(
        'dataSensitivityCeiling',
        input.dataSensitivityCeiling ?? 'internal',
      ),
      parentSessionId:
        input.parentSessionId === undefined ? undefined : textOf('parentSessionId', input.parentSessionId),
    };
  });
}

/** Checks an agent id that an operation was given. */
export function checkAgentId(agentId: string): Refused | undefined {
  return problemOf(() => name('agentId', agentId));
}

/** Checks what a call brings; cheap where it brings nothing. */
export function checkCall(tools: readonly string[], options: UseOptions | undefined): Refused | undefined {
  if (!Array.isArray(tools)) throw new TypeError('tools must be an array of strings');
  if (tools.length > batchCallsMax)
    return invalidInput('tools', `are more than ${batchCallsMax}; send fewer at once`);
  for (const tool of tools) {
    if (typeof tool !== 'string') throw new TypeError('a tool must be a string');
    const problem = nameProblem(tool, nameCharsMax);
    if (problem) return invalidInput('tool', problem);
  }
  if (options === undefined) return undefined;
  requireObject('the options of a call', options);
  return problemOf(() => {
    // A check that is not made because its name was mistyped would grant too much.
    onlyKnown(options, callFields);
    if (options.agentId !== undefined) textOf('agentId', options.agentId);
    if (options.callId !== undefined) boundedName('callId', options.callId, callIdCharsMax);
    if (options.sensitivity !== undefined) sensitivity('sensitivity', options.sensitivity);
    if (options.credentials !== undefined) names('credentials', options.credentials);
  });
}

/** Checks a positive amount that is to be added, which may also be left out. */
export function checkAmount(field: string, amount: number | undefined): Refused | undefined {
  return amount === undefined
    ? undefined
    : problemOf(() => whole(field, amount, 1, Number.MAX_SAFE_INTEGER, 0));
}

/** Checks the options of a list. */
export function checkListOptions(options: ListOptions): Refused | undefined {
  requireObject('the options of a list', options);
  return problemOf(() => {
    onlyKnown(options, listFields);
    if (options.agentId !== undefined) name('agentId', options.agentId);
    if (options.status !== undefined && !['active', 'closed', 'expired'].includes(options.status)) {
      wrong('status', 'must be one of active, closed, expired');
    }
  });
}

function boundedName(field: string, value: unknown, charsMax: number): string {
  const given = textOf(field, value);
  const problem = nameProblem(given, charsMax);
  if (problem) wrong(field, problem);
  return given;
}

function name(field: string, value: unknown): string {
  return boundedName(field, value, nameCharsMax);
}

function intent(value: unknown): string {
  const given = textOf('declaredIntent', value);
  if (given.trim() === '') wrong('declaredIntent', 'is blank; say what the session is for');
  if (utf8Bytes(given) > intentBytesMax) wrong('declaredIntent', `is longer than ${intentBytesMax} bytes`);
  const problem = characterProblem(given);
  if (problem) wrong('declaredIntent', problem);
  return given;
}

function names(field: string, value: unknown): readonly string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new TypeError(`${field} must be an array of strings`);
  if (value.length > authorizationsMax) wrong(field, `are more than ${authorizationsMax}`);
  return value.map((one) => boundedName(field, one, authorizationCharsMax));
}

function whole(field: string, value: unknown, min: number, max: number, fallback: number): number {
  return value === undefined ? fallback : wholeOf(field, value, min, max);
}

function sensitivity(field: string, value: unknown): Sensitivity {
  return oneOf(field, textOf(field, value), sensitivities);
}

function rate(value: unknown): Required<RateLimit> {
  requireObject('rateLimit', value);
  const { calls, perMs, algorithm = 'gcra', ...rest } = value as RateLimit;
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined)
    wrong(`rateLimit.${unknown}`, 'is not a field of a rate limit; check its spelling');
  if (algorithm !== 'gcra' && algorithm !== 'sliding' && algorithm !== 'fixed') {
    wrong('rateLimit.algorithm', 'must be one of gcra, sliding, fixed');
  }
  if (calls === undefined || perMs === undefined) throw new TypeError('rateLimit needs calls and perMs');
  const callsMax = algorithm === 'sliding' ? rateSlidingCallsMax : rateCallsMax;
  return {
    calls: whole('rateLimit.calls', calls, 1, callsMax, 1),
    perMs: whole('rateLimit.perMs', perMs, ratePerMsMin, ratePerMsMax, 1),
    algorithm,
  };
}
