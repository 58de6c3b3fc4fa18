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
import { checked, textOf, wholeOf, wrong } from '../core/input-rules.js';
import { isRefused, type Refused } from '../core/refusals.js';
import type { JsonFields, TranscriptUsage } from './transcript-types.js';

/** Runs an operation on input that was checked first. */
export async function onChecked<I, T>(
  check: () => I,
  run: (input: I) => Promise<T | Refused>,
): Promise<T | Refused> {
  const input = checked(check);
  return isRefused(input) ? input : run(input);
}

export function text(field: string, value: unknown, charsMax: number): string {
  const given = textOf(field, value);
  const problem = nameProblem(given, charsMax);
  if (problem !== undefined) wrong(field, problem);
  return given;
}

/** A session's id: any text without control characters. It never becomes the name of a file as it is. */
export function sessionIdOf(field: string, value: unknown): string {
  const id = text(field, value, sessionIdCharsMax);
  const escaped = id.split(/[ !]/).length - 1;
  if (utf8Bytes(id) + escaped > sessionIdBytesMax) wrong(field, `is longer than ${sessionIdBytesMax} bytes`);
  return id;
}

export const agentIdOf = (value: unknown): string => text('agentId', value, agentIdCharsMax);

/** A time in milliseconds since 1970. */
export const timeOf = (field: string, value: unknown): number =>
  wholeOf(field, value, 0, Number.MAX_SAFE_INTEGER);

export function objectOf(field: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`${field} must be an object`);
  return value as Readonly<Record<string, unknown>>;
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
      return [name, wholeOf(`${field}.${name}`, amount, 0, bounds.amountMax)];
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
