import {
  countKey,
  type CountRecord,
  scopeKey,
  scopeNameOf,
  type ScopeRecord,
  scopesFrom,
} from './scope-records.js';
import { nameCursor, namePosition } from './scope-cursors.js';
import type { CheckedWalk } from './scope-input-rules.js';
import { compareKeys, keyAfter } from '../core/keys.js';
import { countEntries } from './scope-reading.js';
import { firstAfter } from './sorted-text-rules.js';
import { globalScope } from './scope-name-rules.js';
import { keysMax } from './scope-limits.js';
import { invalidInput, type Refused } from '../core/refusals.js';
import type { ScopeContext } from './scope-context.js';
import type { ScopeSummary } from './scope-types.js';
import { totalKey } from './scope-records.js';

type SummaryPage = { readonly ok: true; readonly scopes: readonly ScopeSummary[]; readonly cursor?: string };

/** A page of scopes that hold anything, with `global`, in order. A scope all of which has expired is not listed. */
export async function listSummaries(
  context: ScopeContext,
  walk: Pick<CheckedWalk, 'prefix' | 'limit' | 'cursor'>,
  exactCounts: boolean,
): Promise<SummaryPage | Refused> {
  const after = walk.cursor === undefined ? undefined : namePosition(walk.cursor, walk.prefix);
  if (walk.cursor !== undefined && after === undefined)
    return invalidInput('cursor', 'is none that this listing gave; start without one');
  const page = await readNames(context, walk, after);
  if (!page.ok) return page;
  const counts = await readCounts(context, page.found);
  if (!counts.ok) return counts;
  const scopes: ScopeSummary[] = [];
  for (const { scope, incarnation } of page.found) {
    const count = counts.of.get(scope);
    // Without a count it was dropped meanwhile. With lifetimes some may be over, or, where all have one, everything.
    const unsure = count ? count.timed > 0 && (exactCounts || count.timed === count.entries) : true;
    const answer =
      incarnation !== undefined && unsure
        ? await countEntries(context, scope)
        : { ok: true as const, entries: count?.entries ?? 0 };
    if (!answer.ok) return answer;
    const ephemeral = context.notes.count(scope);
    if (ephemeral + answer.entries === 0 && scope !== globalScope) continue;
    scopes.push({ scope, ephemeral, persistent: answer.entries, total: ephemeral + answer.entries });
  }
  const last = page.found.at(-1);
  return { ok: true, scopes, ...(page.more && last && { cursor: nameCursor(last.scope) }) };
}

interface FoundScope {
  readonly scope: string;
  /** Where it is in the store. */
  readonly incarnation: string | undefined;
}

/** The next names of both layers, merged. */
async function readNames(
  { engine, notes }: ScopeContext,
  { prefix, limit }: Pick<CheckedWalk, 'prefix' | 'limit'>,
  after: string | undefined,
): Promise<{ readonly ok: true; readonly found: readonly FoundScope[]; readonly more: boolean } | Refused> {
  const range = scopesFrom(prefix);
  const stored = await engine.range<ScopeRecord>({
    start: after === undefined ? range.start : keyAfter(scopeKey(after)),
    end: range.end,
    // One more than wanted tells whether there is a next page. It is a tiny record.
    limit: Math.min(limit + 1, keysMax),
  });
  if (!stored.ok) return stored;
  const found = new Map<string, FoundScope>();
  const noted = [...new Set([globalScope, ...notes.scopes()])].sort(compareKeys);
  const start = after === undefined ? firstAfter(noted, prefix, true) : firstAfter(noted, after, false);
  for (const scope of noted.slice(start, start + limit + 1)) {
    if (scope.startsWith(prefix)) found.set(scope, { scope, incarnation: undefined });
  }
  for (const { key, value } of stored.entries) {
    const scope = scopeNameOf(key);
    found.set(scope, { scope, incarnation: value.incarnation });
  }
  const all = [...found.values()].sort((a, b) => compareKeys(a.scope, b.scope));
  // Names behind the last one that was read from a full page wait: others may come between.
  const lastStored = stored.entries.length > limit ? stored.entries.at(-1) : undefined;
  const known = lastStored
    ? firstAfter(
        all.map(({ scope }) => scope),
        scopeNameOf(lastStored.key),
        true,
      )
    : all.length;
  const shown = Math.min(limit, known);
  return { ok: true, found: all.slice(0, shown), more: all.length > shown };
}

async function readCounts(
  { engine }: ScopeContext,
  found: readonly FoundScope[],
): Promise<{ readonly ok: true; readonly of: ReadonlyMap<string, CountRecord> } | Refused> {
  const of = new Map<string, CountRecord>();
  const stored = found.flatMap(({ scope, incarnation }) =>
    incarnation === undefined ? [] : [{ scope, incarnation }],
  );
  if (stored.length === 0) return { ok: true, of };
  const answer = await engine.read(stored.map(({ incarnation }) => countKey(incarnation)));
  if (!answer.ok) return answer;
  answer.values.forEach((count, index) => {
    const scope = stored[index]?.scope;
    if (count && scope !== undefined) of.set(scope, count);
  });
  return { ok: true, of };
}

/** How many scopes there are, without walking them: their number is kept. What has expired is collected first. */
export async function countScopes(
  context: ScopeContext,
): Promise<{ readonly ok: true; readonly count: number } | Refused> {
  const collected = await context.collector.expired();
  if (!collected.ok) return collected;
  const own = [...new Set([globalScope, ...context.notes.scopes()])];
  let count = 0;
  for (let start = 0; start < own.length; start += keysMax - 1) {
    const keys = own.slice(start, start + keysMax - 1).map(scopeKey);
    // The number and, as of the same instant, which of this process's scopes it has counted already.
    const answer = await context.engine.read<unknown>([totalKey, ...keys]);
    if (!answer.ok) return answer;
    const [total, ...records] = answer.values;
    if (start === 0) count = Number(total ?? 0);
    count += records.filter((record) => record === undefined).length;
  }
  return { ok: true, count };
}
