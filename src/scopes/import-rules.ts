import { exportKind, exportVersion } from './export-rules.js';
import type { CheckedChange } from './scope-input-rules.js';
import { invalidInput, type Refused } from '../core/refusals.js';
import type { ScopeLayer } from './scope-types.js';
import { checkChange } from './scope-input-rules.js';

/** An entry of an export, checked. */
export interface ImportedEntry extends CheckedChange {
  readonly layer: ScopeLayer;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
}

/** What an export says, checked as a whole before anything is written. */
export interface ParsedImport {
  readonly ok: true;
  readonly scope: string;
  readonly entries: readonly ImportedEntry[];
}

/**
 * Reads an export.
 *
 * @param scope where its entries go; where the export says, unless given
 */
export function parseImport(
  text: string,
  scope: string | undefined,
  valueBytesMax: number,
): ParsedImport | Refused {
  const document = parsed(text);
  if (!isObject(document) || document.kind !== exportKind || document.version !== exportVersion)
    return invalidInput('text', `is no export of a scope as JSON, version ${exportVersion}`);
  const { entries } = document;
  const into = scope ?? document.scope;
  if (typeof into !== 'string' || !Array.isArray(entries))
    return invalidInput('text', 'is an export without a scope or without entries');
  const checked: ImportedEntry[] = [];
  for (const [index, entry] of (entries as readonly unknown[]).entries()) {
    const one = checkEntry(entry, into, valueBytesMax);
    if (one === undefined) return invalidInput(`entries[${index}]`, 'is no entry of an export');
    if ('refusal' in one) {
      const { field, message } = one.refusal;
      return invalidInput(`entries[${index}].${field}`, message.slice((field ?? '').length + 1));
    }
    checked.push(one);
  }
  return { ok: true, scope: into, entries: checked };
}

function checkEntry(
  entry: unknown,
  scope: string,
  valueBytesMax: number,
): ImportedEntry | Refused | undefined {
  if (!isObject(entry)) return undefined;
  const { key, value, layer, sourceStep, createdAtMs, expiresAtMs = null } = entry;
  if (layer !== 'ephemeral' && layer !== 'persistent') return undefined;
  if (typeof key !== 'string' || value === undefined || !isTime(createdAtMs)) return undefined;
  if (expiresAtMs !== null && !isTime(expiresAtMs)) return undefined;
  if (sourceStep !== undefined && typeof sourceStep !== 'string') return undefined;
  const change = checkChange(
    { kind: 'persist', scope, key, value: value as never, ...(sourceStep !== undefined && { sourceStep }) },
    valueBytesMax,
  );
  return 'refusal' in change ? change : { ...change, layer, createdAtMs, expiresAtMs };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A time that a date can hold. */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= 8.64e15;
}
