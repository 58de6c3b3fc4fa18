import {
  countKey,
  droppedKey,
  type EntryRecord,
  entryKey,
  expiryKey,
  scopeKey,
  stagingKey,
  totalKey,
} from './scope-records.js';
import type { Body } from '../engine/engine.js';
import { stagingMs } from './scope-limits.js';

/** An entry as an import puts it where nobody looks yet. */
export interface StagedEntry {
  readonly name: string;
  readonly record: EntryRecord;
}

/** `lost`: the import took so long that it was taken for one whose process had ended, and was collected. */
export type Staged = { readonly ok: true; readonly lost: boolean };

/** Writes entries under an incarnation that nobody can reach, and says that the import is alive. */
export const decideStaged =
  (incarnation: string, entries: readonly StagedEntry[], isFirst: boolean): Body<Staged> =>
  (view, now) => {
    const staging = stagingKey(incarnation);
    if (!isFirst && view.get(staging) === undefined) return { ok: true, lost: true };
    view.put(staging, now.latestMs + stagingMs);
    for (const { name, record } of entries) {
      view.insert(entryKey(incarnation, name), record);
      if (record.expiresAtMs !== null)
        view.insert(expiryKey(incarnation, record.expiresAtMs, record.version), name);
    }
    return { ok: true, lost: false };
  };

/** Puts what an import wrote in the place of what a scope holds. */
export const decideSwitch =
  (scope: string, incarnation: string, entries: number, timed: number): Body<Staged> =>
  (view) => {
    const staging = stagingKey(incarnation);
    if (view.get(staging) === undefined) return { ok: true, lost: true };
    const before = view.get(scopeKey(scope));
    view.delete(staging);
    if (before) {
      view.delete(countKey(before.incarnation));
      view.insert(droppedKey(before.incarnation), true);
    }
    const total = (view.get(totalKey) ?? 0) + Number(entries > 0) - Number(before !== undefined);
    view.put(totalKey, total);
    if (entries > 0) {
      view.put(scopeKey(scope), { incarnation });
      view.insert(countKey(incarnation), { scope, entries, timed });
    } else view.delete(scopeKey(scope));
    return { ok: true, lost: false };
  };
