import type { Json } from '../core/json.js';
import { quoted } from '../core/text-rules.js';
import type { ScopeEntry } from '../scopes/scope-types.js';
import Table from 'cli-table3';

/** A table of scopes, in order as they come. */
export function summaryTable(
  scopes: readonly { readonly scope: string; readonly entries: number }[],
): string {
  const table = new Table({
    head: ['SCOPE', 'ENTRIES'],
    style: { head: [], border: [], compact: true },
  });
  for (const { scope, entries } of scopes) table.push([shown(scope), String(entries)]);
  return `${table.toString()}\n`;
}

/** A table of entries, in order as they come. */
export function entryTable(entries: readonly ScopeEntry[]): string {
  if (entries.length === 0) return 'no entries\n';
  const table = new Table({
    head: ['KEY', 'VALUE', 'STEP', 'CHANGED', 'EXPIRES'],
    style: { head: [], border: [], compact: true },
  });
  for (const { key, value, sourceStep, updatedAtMs, expiresAtMs } of entries) {
    table.push([
      shown(key),
      shown(shownValue(value)),
      sourceStep === undefined ? '-' : shown(sourceStep),
      new Date(updatedAtMs).toISOString(),
      expiresAtMs === undefined ? '-' : new Date(expiresAtMs).toISOString(),
    ]);
  }
  return `${table.toString()}\n`;
}

/** A text as it is, anything else as JSON. */
export function shownValue(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A text in a cell: cut, and with everything escaped that a terminal would obey. */
function shown(text: string): string {
  return quoted(text).slice(1, -1);
}
