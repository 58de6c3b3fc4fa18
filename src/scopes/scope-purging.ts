import { purgePieceMax, walkRecordsMax } from './scope-limits.js';
import type { CheckedWalk } from './scope-input-rules.js';
import { readPage } from './entry-pages.js';
import type { Refused } from '../core/refusals.js';
import type { ScopeContext } from './scope-context.js';
import type { ScopeEntry } from './scope-types.js';
import { writeChanges } from './scope-writing.js';

/** Deletes the persistent entries that `where` says yes to, each as it was when `where` saw it. */
export async function purgeEntries(
  context: ScopeContext,
  walk: CheckedWalk,
  where: (entry: ScopeEntry) => boolean,
): Promise<{ readonly ok: true; readonly purged: number; readonly scanned: number } | Refused> {
  let purged = 0;
  let scanned = 0;
  for (let { cursor } = walk; ;) {
    const page = await readPage(context, { ...walk, limit: walkRecordsMax, cursor });
    if (!page.ok) return page;
    scanned += page.scanned;
    const chosen = page.entries.filter((entry) => where(entry));
    for (let start = 0; start < chosen.length; start += purgePieceMax) {
      const done = await purgePiece(context, walk.scope, chosen.slice(start, start + purgePieceMax));
      if (!done.ok) return done;
      purged += done.purged;
    }
    ({ cursor } = page);
    if (cursor === undefined) return { ok: true, purged, scanned };
    await context.breathe();
  }
}

/** All in one transaction, unless one of them has changed: then each by itself. */
async function purgePiece(
  context: ScopeContext,
  scope: string,
  entries: readonly ScopeEntry[],
): Promise<{ readonly ok: true; readonly purged: number } | Refused> {
  const done = await writeChanges(
    context,
    entries.map(({ key, version }) => ({
      kind: 'purge' as const,
      scope,
      key,
      value: null,
      ttlMs: null,
      sourceStep: null,
      expectedVersion: version,
      bytes: 0,
    })),
  );
  if (done.ok) return { ok: true, purged: done.changes.filter(({ changed }) => changed).length };
  if (done.refusal.code !== 'VERSION_MISMATCH') return done;
  if (entries.length === 1) return { ok: true, purged: 0 };
  let purged = 0;
  for (const entry of entries) {
    const one = await purgePiece(context, scope, [entry]);
    if (!one.ok) return one;
    purged += one.purged;
  }
  return { ok: true, purged };
}
