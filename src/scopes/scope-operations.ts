import { checkImport, checkName, checkScope, checkScopeWalk } from './scope-input-rules.js';
import { countScopes, listSummaries } from './scope-listing.js';
import { countKey, droppedKey, scopeKey, totalKey } from './scope-records.js';
import type { Key } from '../core/keys.js';
import type { Scopes, ScopeSummary } from './scope-types.js';
import { countEntries } from './scope-reading.js';
import { decideDrop } from './change-rules.js';
import { importEntriesOf } from './scope-importing.js';
import { inScopeWords } from './scope-refusals.js';
import { listLimitMax } from './scope-limits.js';
import { parseImport } from './import-rules.js';
import type { Refused } from '../core/refusals.js';
import type { ScopeContext } from './scope-context.js';

/** What is about whole scopes. */
export function scopeOperations(
  context: ScopeContext,
): Pick<
  Scopes,
  'listScopes' | 'summary' | 'scopeCount' | 'count' | 'countAll' | 'dropScope' | 'import' | 'sweep'
> {
  return {
    async listScopes(options = {}) {
      const walk = checkScopeWalk(options);
      if (!walk.ok) return walk;
      const page = await listSummaries(context, walk, false);
      return page.ok ? { ...page, scopes: page.scopes.map(({ scope }) => scope) } : page;
    },

    async summary(options = {}) {
      const walk = checkScopeWalk(options);
      return walk.ok ? listSummaries(context, walk, true) : walk;
    },

    scopeCount: () => countScopes(context),

    async count(options = {}) {
      const checked = checkScope(options);
      if (!checked.ok) return checked;
      const answer = await countEntries(context, checked.scope);
      return answer.ok
        ? { ok: true, ...layerCounts(context.notes.count(checked.scope), answer.entries) }
        : answer;
    },

    countAll: () => countEverything(context),

    async dropScope(scope) {
      const checked = checkName(scope);
      return checked.ok ? dropScope(context, checked.scope) : checked;
    },

    async import(text, options = {}) {
      if (typeof text !== 'string') throw new TypeError('what is imported must be a string');
      const checked = checkImport(options);
      if (!checked.ok) return checked;
      const parsed = parseImport(text, checked.scope, context.valueBytesMax);
      return parsed.ok ? importEntriesOf(context, parsed, checked.mode) : parsed;
    },

    async sweep() {
      // Looked at, notes that are over are forgotten.
      context.notes.scopes();
      return context.collector.sweep();
    },
  };
}

async function dropScope(context: ScopeContext, scope: string): ReturnType<Scopes['dropScope']> {
  const { engine, known, notes, pending, collector } = context;
  const guess = known.get(scope);
  const keys: Key[] = [scopeKey(scope), totalKey];
  if (guess !== undefined) keys.push(countKey(guess), droppedKey(guess));
  const done = await pending.track(new Set([scope]), engine.transact(keys, decideDrop(scope)));
  if (!done.ok) return inScopeWords(done);
  known.set(scope, undefined);
  const dropped = layerCounts(notes.drop(scope), done.entries);
  // In the background; what fails of it, a sweep makes good.
  void collector.dropped();
  return { ok: true, dropped };
}

/** The sum of a walk of all scopes. */
async function countEverything(context: ScopeContext): ReturnType<Scopes['countAll']> {
  let scopes = 0;
  const sum = { ephemeral: 0, persistent: 0, total: 0 };
  for (let cursor: string | undefined; ;) {
    const page: Page = await listSummaries(context, { prefix: '', limit: listLimitMax, cursor }, true);
    if (!page.ok) return page;
    for (const one of page.scopes) {
      scopes++;
      sum.ephemeral += one.ephemeral;
      sum.persistent += one.persistent;
      sum.total += one.total;
    }
    ({ cursor } = page);
    if (cursor === undefined) return { ok: true, scopes, ...sum };
    await context.breathe();
  }
}

type Page =
  { readonly ok: true; readonly scopes: readonly ScopeSummary[]; readonly cursor?: string } | Refused;

function layerCounts(
  ephemeral: number,
  persistent: number,
): {
  ephemeral: number;
  persistent: number;
  total: number;
} {
  return { ephemeral, persistent, total: ephemeral + persistent };
}
