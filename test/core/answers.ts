import type { Refused } from '../../src/core/refusals.js';

type Answer = { readonly ok: true } | Refused;

/** An answer that must be no refusal: one fails the test. */
export function good<T extends { readonly ok: true }>(answer: T | Refused): T {
  if (answer.ok) return answer;
  throw new Error(`refused: ${answer.refusal.code}: ${answer.refusal.message}`);
}

/** An answer to come that must be no refusal. */
export const granted = async <T extends { readonly ok: true }>(
  answer: T | Refused | Promise<T | Refused>,
): Promise<T> => good(await answer);

/** The code of a refusal, or `ok`. */
export function codeOf(answer: Promise<Answer>): Promise<string>;
export function codeOf(answer: Answer): string;
export function codeOf(answer: Answer | Promise<Answer>): string | Promise<string> {
  if (answer instanceof Promise) return answer.then((settled) => codeOf(settled));
  return answer.ok ? 'ok' : answer.refusal.code;
}
