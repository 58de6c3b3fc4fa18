import { invalidInput, type Refused } from './refusals.js';

/** What is wrong with what a caller sent. Caught by {@link checked}, and by nobody else. */
class InputProblem extends Error {
  readonly refusal: Refused;

  constructor(field: string, problem: string) {
    super(problem);
    this.refusal = invalidInput(field, problem);
  }
}

/** Ends a check, however deep it stands. */
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

/** The refusal that a check ended with, of one whose answer nobody wants. */
export function problemOf(check: () => unknown): Refused | undefined {
  return checked(() => {
    check();
    return undefined;
  });
}

/** Checks that there is an object; `what` names it. */
export function requireObject(what: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw new TypeError(`${what} must be an object`);
}

/** Any text. */
export function textOf(field: string, value: unknown): string {
  if (typeof value !== 'string') throw new TypeError(`${field} must be a string`);
  return value;
}

/** A whole number within bounds that are both possible. */
export function wholeOf(field: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number') throw new TypeError(`${field} must be a number`);
  if (!Number.isSafeInteger(value) || value < min || value > max)
    wrong(field, `is ${value}; it must be a whole number from ${min} to ${max}`);
  return value;
}

/** One of several names. */
export function oneOf<T extends string>(field: string, value: unknown, names: readonly T[]): T {
  const found = names.find((name) => name === value);
  if (found === undefined) wrong(field, `must be one of ${names.join(', ')}`);
  return found;
}

/** Checks that there are no other fields: a typing mistake must not quietly give the default. */
export function onlyKnown(input: object, known: readonly string[]): void {
  const unknown = Object.keys(input).find((field) => !known.includes(field));
  if (unknown !== undefined) wrong(unknown, 'is not known here; check its spelling');
}
