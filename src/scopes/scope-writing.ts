import type { CheckedChange } from './scope-input-rules.js';
import { type ChangesDone, decideChanges, type PlannedChange } from './change-rules.js';
import { countKey, entryKey, scopeKey, totalKey } from './scope-records.js';
import { inScopeWords, scopeFull } from './scope-refusals.js';
import type { Key } from '../core/keys.js';
import { readTriesMax } from './scope-limits.js';
import type { Refused } from '../core/refusals.js';
import type { ScopeChanged } from './scope-types.js';
import type { ScopeContext } from './scope-context.js';

type Changed = { readonly ok: true; readonly changes: readonly ScopeChanged[] };

/** Writes changes that were checked, all or none, and takes note of them for `flush`. */
export function writeChanges(
  context: ScopeContext,
  changes: readonly (CheckedChange & Pick<PlannedChange, 'expiresAtMs' | 'createdAtMs'>)[],
): Promise<Changed | Refused> {
  const scopes = new Set(changes.map(({ scope }) => scope));
  const planned = changes.map((change) => ({
    ...change,
    version: context.mint(),
    incarnation: context.mint(),
  }));
  return context.pending.track(scopes, writePlanned(context, planned));
}

async function writePlanned(
  context: ScopeContext,
  planned: readonly PlannedChange[],
): Promise<Changed | Refused> {
  const { engine, known, entriesMax } = context;
  for (let tries = 0; ; tries++) {
    const answer = await engine.transact<ChangesDone | Refused>(keysOf(context, planned), (view, now) =>
      decideChanges(view, now, planned, entriesMax),
    );
    if (!('full' in answer)) {
      if (!answer.ok) return inScopeWords(answer);
      planned.forEach(({ scope }, index) => known.set(scope, answer.incarnations[index]));
      return { ok: true, changes: answer.changes };
    }
    const { scope, incarnation, used, timed } = answer.full;
    // What has expired holds no place: it only was not collected yet.
    const made = timed === 0 ? undefined : await context.collector.expiredOf(incarnation);
    if (made && !made.ok) return made;
    if (!made || made.entries === 0 || tries >= readTriesMax) return scopeFull(scope, entriesMax, used);
  }
}

/** The keys that the changes will touch, as far as they can be known. */
function keysOf({ known }: ScopeContext, planned: readonly PlannedChange[]): Key[] {
  const keys = new Set<Key>();
  for (const { scope, key, kind } of planned) {
    const incarnation = known.get(scope);
    keys.add(scopeKey(scope));
    if (incarnation === undefined) {
      if (kind === 'persist') keys.add(totalKey);
      continue;
    }
    keys.add(entryKey(incarnation, key));
    // Most likely to come or go; a `mutate` never does.
    if (kind !== 'mutate') keys.add(countKey(incarnation));
  }
  return [...keys];
}
