import { characterProblem, nameProblem, utf8Bytes } from '../core/text-rules.js';
import {
  agentIdCharsMax,
  sessionIdBytesMax,
  sessionIdCharsMax,
  usageAmountMax,
  usageNamesMax,
  usageSumNamesMax,
} from './transcript-limits.js';
import { copyFields } from './json-rules.js';
import { invalidInput } from './transcript-refusals.js';
import { isRefused, type Refused } from '../core/refusals.js';
import type { JsonFields, TranscriptUsage } from './transcript-types.js';

/** What is wrong with what a caller sent. Caught by {@link checked}, and by nobody else. */
class InputProblem extends Error {
  readonly refusal: Refused;

  constructor(field: string, problem: string) {
    super(problem);
    this.refusal = invalidInput(field, problem);
  }
}

/** Ends a check. */
export function wrong(field: string, problem: string): never {
  throw new InputProblem(field, problem);
}

/**
 * What a check answers, or the refusal it ended with.
 *
 * @throws TypeError for a wrong JavaScript type
 */
export function checked<T>(check: () => T): T | Refused {
  try {
    return check();
  } catch (error) {
    if (error instanceof InputProblem) return error.refusal;
    throw error;
  }
}

/** Runs an operation on input that was checked first. */
export async function onChecked<I, T>(
  check: () => I,
  run: (input: I) => Promise<T | Refused>,
): Promise<T | Refused> {
  const input = checked(check);
  return isRefused(input) ? input : run(input);
}

export function text(field: string, value: unknown, charsMax: number): string {
  if (typeof value !== 'string') throw new TypeError(`${field} must be a string`);
  const problem = nameProblem(value, charsMax);
  if (problem !== undefined) wrong(field, problem);
  return value;
}

/** A session's id: any text without control characters. It never becomes the name of a file as it is. */
export function sessionIdOf(field: string, value: unknown): string {
  const id = text(field, value, sessionIdCharsMax);
  const escaped = id.split(/[ !]/).length - 1;
  if (utf8Bytes(id) + escaped > sessionIdBytesMax) wrong(field, `is longer than ${sessionIdBytesMax} bytes`);
  return id;
}

export const agentIdOf = (value: unknown): string => text('agentId', value, agentIdCharsMax);

export function whole(field: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number') throw new TypeError(`${field} must be a number`);
  if (!Number.isSafeInteger(value) || value < min || value > max)
    wrong(field, `must be a whole number from ${min} to ${max}`);
  return value;
}

/** A time in milliseconds since 1970. */
export const timeOf = (field: string, value: unknown): number =>
  whole(field, value, 0, Number.MAX_SAFE_INTEGER);

export function objectOf(field: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`${field} must be an object`);
  return value as Readonly<Record<string, unknown>>;
}

export function oneOf<T extends string>(field: string, value: unknown, names: readonly T[]): T {
  const found = names.find((name) => name === value);
  if (found === undefined) wrong(field, `must be one of ${names.join(', ')}`);
  return found;
}

/** A field that is wrong is an error as well: a typing mistake must not quietly give the default. */
export function onlyFields(what: string, input: object, known: readonly string[]): void {
  const unknown = Object.keys(input).find((name) => !known.includes(name));
  if (unknown !== undefined) wrong(unknown, `is not a field of ${what}; check its spelling`);
}

/** A JSON object of at most so many bytes. */
export function boundedFields(field: string, value: unknown, bytesMax: number): JsonFields {
  const copied = copyFields(field, value);
  if (utf8Bytes(JSON.stringify(copied)) > bytesMax) wrong(field, `is longer than ${bytesMax} bytes of JSON`);
  return copied;
}

/** How many names a usage may have, and how large each amount may be. */
export interface UsageBounds {
  readonly namesMax: number;
  readonly amountMax: number;
}

/** What is sent is bounded, so that sums stay exact for long; sums are saved and imported as well. */
export const sentUsage: UsageBounds = { namesMax: usageNamesMax, amountMax: usageAmountMax };
export const summedUsage: UsageBounds = { namesMax: usageSumNamesMax, amountMax: Number.MAX_SAFE_INTEGER };

export function usageOf(field: string, value: unknown, bounds: UsageBounds = sentUsage): TranscriptUsage {
  const amounts = Object.entries(objectOf(field, value)).filter(([, amount]) => amount !== undefined);
  if (amounts.length > bounds.namesMax) wrong(field, `has more than ${bounds.namesMax} names`);
  return Object.fromEntries(
    amounts.map(([name, amount]) => {
      const problem = name.length > 64 ? 'is longer than 64 characters' : characterProblem(name);
      if (problem !== undefined || name === '' || name === '__proto__')
        wrong(field, 'has a name that is none');
      return [name, whole(`${field}.${name}`, amount, 0, bounds.amountMax)];
    }),
  );
}

/**
 * The sum of two usages. Whatever there is to add: a name too many is left out and an amount stays at the largest, since a
 * sum that was refused would keep its session from being added to.
 */
export function addUsage(a: TranscriptUsage, b: TranscriptUsage | undefined): TranscriptUsage {
  if (b === undefined) return a;
  const { namesMax, amountMax } = summedUsage;
  const sum: Record<string, number> = { ...a };
  let names = Object.keys(sum).length;
  for (const [name, amount] of Object.entries(b)) {
    if (Object.hasOwn(sum, name)) sum[name] = Math.min((sum[name] ?? 0) + amount, amountMax);
    else if (names++ < namesMax) sum[name] = amount;
  }
  return sum;
}
