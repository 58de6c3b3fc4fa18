import type { Json } from '../../core/json.js';

/** What `listNamespaces` compares a namespace with; `*` is any label. */
export interface NamespaceCondition {
  readonly matchType: 'prefix' | 'suffix';
  readonly path: readonly string[];
}

/**
 * The scope a namespace is kept in: its labels, each ended by a slash, so that the scopes below a namespace are those whose
 * names begin with its own, and no two namespaces share one.
 */
export function scopeOf(root: string, namespace: readonly string[]): string {
  return root + namespace.map((label) => `${label.replace(/[%/]/g, encodeURIComponent)}/`).join('');
}

/** The namespace that is kept in a scope. */
export function namespaceOf(root: string, scope: string): string[] {
  return scope
    .slice(root.length, -1)
    .split('/')
    .map((label) => label.replace(/%2F|%25/g, decodeURIComponent));
}

/** The part of a listing that all namespaces it can find begin with. */
export function commonPrefix(conditions: readonly NamespaceCondition[]): readonly string[] {
  let longest: readonly string[] = [];
  for (const { matchType, path } of conditions) {
    if (matchType !== 'prefix') continue;
    const wildcard = path.indexOf('*');
    const fixed = wildcard === -1 ? path : path.slice(0, wildcard);
    if (fixed.length > longest.length) longest = fixed;
  }
  return longest;
}

/** Whether a namespace is one that was asked for. */
export function isMatch(namespace: readonly string[], { matchType, path }: NamespaceCondition): boolean {
  if (path.length > namespace.length) return false;
  const start = matchType === 'prefix' ? 0 : namespace.length - path.length;
  return path.every((label, index) => label === '*' || label === namespace[start + index]);
}

/** What is wrong with the namespace of a put, in LangGraph's own terms, or nothing. */
export function namespaceProblem(namespace: readonly unknown[]): string | undefined {
  if (namespace.length === 0) return 'Namespace cannot be empty.';
  for (const label of namespace) {
    if (typeof label !== 'string') return `Namespace labels must be strings, and one is a ${typeof label}.`;
    if (label === '') return 'Namespace labels cannot be empty strings.';
    if (label.includes('.')) return "Namespace labels cannot contain periods ('.').";
  }
  return undefined;
}

/** The fields of an item. */
export type ItemValue = Readonly<Record<string, Json>>;
