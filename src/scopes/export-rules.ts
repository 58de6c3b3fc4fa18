import type { Json } from '../core/json.js';
import type { ScopeEntry } from './scope-types.js';

/** What a JSON export says it is, so that nothing else is taken for one. */
export const exportKind = 'ambit-scope';
export const exportVersion = 1;

/** How entries become text: what comes first, each entry, what comes last. */
export interface ExportFormat {
  readonly head: (scope: string) => string;
  readonly entry: (entry: ScopeEntry, index: number) => string;
  readonly tail: string;
}

/** One document; an entry a line, so that two exports can be compared line by line. */
const json: ExportFormat = {
  head: (scope) =>
    `{"kind":${JSON.stringify(exportKind)},"version":${exportVersion},"scope":${JSON.stringify(scope)},"entries":[`,
  entry: (entry, index) => `${index === 0 ? '' : ','}\n${JSON.stringify(entry)}`,
  tail: '\n]}\n',
};

const columns = ['key', 'layer', 'value', 'createdAt', 'updatedAt', 'expiresAt', 'sourceStep'] as const;

/** RFC 4180: every field in quotes, lines end with CR LF. */
const csv: ExportFormat = {
  head: () => csvLine(columns),
  entry: (entry) =>
    csvLine([
      entry.key,
      entry.layer,
      cellText(entry.value),
      isoTime(entry.createdAtMs),
      isoTime(entry.updatedAtMs),
      entry.expiresAtMs === undefined ? '' : isoTime(entry.expiresAtMs),
      entry.sourceStep ?? '',
    ]),
  tail: '',
};

export const exportFormats: Readonly<Record<'json' | 'csv', ExportFormat>> = { json, csv };

/** A text as it is, anything else as JSON. */
function cellText(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

function csvLine(fields: readonly string[]): string {
  return `${fields.map((field) => `"${harmless(field).replaceAll('"', '""')}"`).join(',')}\r\n`;
}

/**
 * A field that no spreadsheet runs as a formula (OWASP, CSV injection): where it begins with a character that starts one,
 * also behind blanks, and also in its full-width form, an apostrophe is put before it. A plain number stays one.
 */
function harmless(field: string): string {
  if (/^-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?$/.test(field)) return field;
  return /^[\s\p{C}]*[=+\-@＝＋－＠]|^[\t\r\n]/u.test(field) ? `'${field}` : field;
}
