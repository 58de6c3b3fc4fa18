import { exportFormats } from './export-rules.js';
import { exportCharsMax } from './scope-limits.js';
import type { CheckedWalk } from './scope-input-rules.js';
import { readPage } from './entry-pages.js';
import { invalidInput, type Refused } from '../core/refusals.js';
import type { ScopeContext } from './scope-context.js';

type Exported = { readonly ok: true; readonly entries: number };

/** Writes a scope out, a page at a time. */
export async function exportScope(
  context: ScopeContext,
  walk: CheckedWalk,
  format: 'json' | 'csv',
  write: (piece: string) => void | Promise<void>,
): Promise<Exported | Refused> {
  const { head, entry, tail } = exportFormats[format];
  let entries = 0;
  let piece = head(walk.scope);
  for (let { cursor } = walk; ;) {
    const page = await readPage(context, { ...walk, cursor });
    if (!page.ok) return page;
    for (const one of page.entries) piece += entry(one, entries++);
    ({ cursor } = page);
    if (cursor === undefined) break;
    await write(piece);
    piece = '';
    await context.breathe();
  }
  await write(piece + tail);
  return { ok: true, entries };
}

/** A scope as one text. */
export async function exportText(
  context: ScopeContext,
  walk: CheckedWalk,
  format: 'json' | 'csv',
): Promise<(Exported & { readonly text: string }) | Refused> {
  let text = '';
  try {
    const done = await exportScope(context, walk, format, (piece) => {
      if (text.length + piece.length > exportCharsMax) throw new TooLong('');
      text += piece;
    });
    return done.ok ? { ...done, text } : done;
  } catch (error) {
    if (!(error instanceof TooLong)) throw error;
    const problem = `holds more than ${exportCharsMax} characters; write it out in pieces with exportTo`;
    return invalidInput('scope', problem);
  }
}

/** Ends an export that has become too long, thrown within this file only. */
class TooLong extends Error {}
