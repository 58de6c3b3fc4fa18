import { countKey, entryKey, scopeKey } from './scope-records.js';
import { entryOf, type ScopeContext } from './scope-context.js';
import type { Body } from '../engine/engine.js';
import type { EntryRecord } from './scope-records.js';
import { isLive } from './change-rules.js';
import type { Key } from '../core/keys.js';
import type { Refused } from '../core/refusals.js';
import type { ScopeEntry } from './scope-types.js';

/** Entries of a scope as of one instant; nothing where there is none. */
export async function readEntries(
  { engine, known }: ScopeContext,
  scope: string,
  keys: readonly string[],
): Promise<{ readonly ok: true; readonly entries: readonly (ScopeEntry | undefined)[] } | Refused> {
  const guess = known.get(scope);
  const touched: Key[] = [scopeKey(scope)];
  if (guess !== undefined) for (const key of keys) touched.push(entryKey(guess, key));
  const read: Body<Read> = (view, now) => {
    const incarnation = view.get(scopeKey(scope))?.incarnation;
    if (incarnation === undefined) return { ok: true, incarnation, records: [] };
    const entryKeys = keys.map((key) => entryKey(incarnation, key));
    if (incarnation !== guess) view.need(entryKeys);
    const records = entryKeys.map((key) => {
      const record = view.get(key);
      return isLive(record, now.latestMs) ? record : undefined;
    });
    return { ok: true, incarnation, records };
  };
  const answer = await engine.transact(touched, read);
  if (!answer.ok) return answer;
  known.set(scope, answer.incarnation);
  const entries = keys.map((key, index) => {
    const record = answer.records[index];
    return record && entryOf(key, record);
  });
  return { ok: true, entries };
}

interface Read {
  readonly ok: true;
  readonly incarnation: string | undefined;
  readonly records: readonly (EntryRecord | undefined)[];
}

/** How many persistent entries a scope holds. What has expired is collected first, so that it is not counted. */
export async function countEntries(
  context: ScopeContext,
  scope: string,
): Promise<{ readonly ok: true; readonly entries: number } | Refused> {
  const first = await readCount(context, scope);
  if (!first.ok || first.timed === 0 || first.incarnation === undefined) return first;
  const collected = await context.collector.expiredOf(first.incarnation);
  if (!collected.ok) return collected;
  return collected.entries === 0 ? first : readCount(context, scope);
}

interface Count {
  readonly ok: true;
  readonly incarnation: string | undefined;
  readonly entries: number;
  /** Those of them that have a lifetime. */
  readonly timed: number;
}

async function readCount({ engine, known }: ScopeContext, scope: string): Promise<Count | Refused> {
  const guess = known.get(scope);
  const touched: Key[] = guess === undefined ? [scopeKey(scope)] : [scopeKey(scope), countKey(guess)];
  return engine.transact(touched, (view): Count => {
    const incarnation = view.get(scopeKey(scope))?.incarnation;
    const count = incarnation === undefined ? undefined : view.get(countKey(incarnation));
    return { ok: true, incarnation, entries: count?.entries ?? 0, timed: count?.timed ?? 0 };
  });
}

/** Which incarnation a scope has in the store at this moment. */
export async function readIncarnation(
  { engine, known }: ScopeContext,
  scope: string,
): Promise<{ readonly ok: true; readonly incarnation: string | undefined } | Refused> {
  const answer = await engine.read([scopeKey(scope)]);
  if (!answer.ok) return answer;
  const incarnation = answer.values[0]?.incarnation;
  known.set(scope, incarnation);
  return { ok: true, incarnation };
}
