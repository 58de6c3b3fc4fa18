/** The scope that every operation means unless it names another. It always exists. */
export const globalScope = 'global';

/**
 * The name of a flow's scope, `flow:<name>`.
 *
 * @example
 * ```ts
 * import { flowScope } from 'ambit';
 * flowScope('analyze'); // 'flow:analyze'
 * ```
 */
export function flowScope(name: string): string {
  return `flow:${name}`;
}

/**
 * The name of a daemon's scope, `daemon:<name>`.
 *
 * @example
 * ```ts
 * import { daemonScope } from 'ambit';
 * daemonScope('worker'); // 'daemon:worker'
 * ```
 */
export function daemonScope(name: string): string {
  return `daemon:${name}`;
}
