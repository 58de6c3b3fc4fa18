import {
  changesBytesMax,
  changesMax,
  keysMax,
  listLimitDefault,
  listLimitMax,
  nameBytesMax,
  scanMaxDefault,
  sourceStepCharsMax,
  ttlMsMax,
} from './scope-limits.js';
import { nameProblem, utf8Bytes } from '../core/text-rules.js';
import type {
  EntryQueryOptions,
  ScopeChange,
  ScopeExportOptions,
  ScopeImportOptions,
  ScopeLayer,
  ScopeListOptions,
  ScopeOptions,
} from './scope-types.js';
import { copyValue } from './value-rules.js';
import { globalScope } from './scope-name-rules.js';
import { invalidInput } from './scope-refusals.js';
import type { Json } from '../core/json.js';
import type { Refused } from '../core/refusals.js';

/** A change that was checked: everything it says is there, and its value is a copy. */
export interface CheckedChange {
  readonly kind: ScopeChange['kind'];
  readonly scope: string;
  readonly key: string;
  readonly value: Json;
  readonly ttlMs: number | null;
  readonly sourceStep: string | null;
  /** `undefined` where it is not compared. */
  readonly expectedVersion: string | null | undefined;
  /** Of keys and value, as text. */
  readonly bytes: number;
}

/** Which entries to walk, with every default filled in. */
export interface CheckedWalk {
  readonly scope: string;
  readonly layer: ScopeLayer | undefined;
  readonly prefix: string;
  readonly limit: number;
  readonly cursor: string | undefined;
  readonly scanMax: number;
}

/** What is wrong with a field, thrown within this file only. */
class Wrong extends Error {
  readonly refusal: Refused;

  constructor(field: string, problem: string) {
    super(problem);
    this.refusal = invalidInput(field, problem);
  }
}

const scopeFields = ['scope'];
const entryFields = ['scope', 'ttlMs', 'sourceStep', 'expectedVersion'];
const noteFields = ['scope', 'ttlMs', 'sourceStep'];
const walkFields = ['scope', 'layer', 'prefix', 'limit', 'cursor'];

/** The scope that options name. */
export function checkScope(
  options: object,
  alsoKnown: readonly string[] = [],
): { readonly ok: true; readonly scope: string } | Refused {
  return refusing(() => ({ ok: true, scope: scopeOf(options, [...scopeFields, ...alsoKnown]) }));
}

/** A scope and keys of it. */
export function checkKeys(
  keys: readonly string[],
  options: object,
): { readonly ok: true; readonly scope: string } | Refused {
  if (!Array.isArray(keys)) throw new TypeError('keys must be an array of strings');
  return refusing(() => {
    if (keys.length > keysMax) throw new Wrong('keys', `are more than ${keysMax}; ask for fewer at once`);
    for (const key of keys) name('key', key);
    return { ok: true, scope: scopeOf(options, scopeFields) };
  });
}

/** One write; its value is copied. */
export function checkChange(
  change: ScopeChange,
  valueBytesMax: number,
  layer: ScopeLayer = 'persistent',
): CheckedChange | Refused {
  requireObject('a change', change);
  return refusing(() => {
    const { kind, key, ...options } = change;
    if (kind !== 'persist' && kind !== 'mutate' && kind !== 'purge')
      throw new Wrong('kind', 'must be persist, mutate or purge');
    const known = layer === 'ephemeral' ? noteFields : entryFields;
    const scope = scopeOf(options, kind === 'purge' ? ['scope', 'expectedVersion'] : [...known, 'value']);
    const { expectedVersion } = options;
    if (expectedVersion !== undefined && expectedVersion !== null) text('expectedVersion', expectedVersion);
    const checked = { kind, scope, key: name('key', key), expectedVersion };
    const keyBytes = utf8Bytes(checked.key) + utf8Bytes(scope);
    if (!('value' in change)) {
      if (kind !== 'purge') throw new TypeError('a value must be given; null is one');
      return { ...checked, value: null, ttlMs: null, sourceStep: null, bytes: keyBytes };
    }
    const value = copyValue(change.value);
    const valueBytes = utf8Bytes(JSON.stringify(value));
    if (valueBytes > valueBytesMax)
      throw new Wrong('value', `is ${valueBytes} bytes of JSON; at most ${valueBytesMax} are possible`);
    const { ttlMs, sourceStep } = change;
    return {
      ...checked,
      value,
      ttlMs: ttlMs === undefined ? null : whole('ttlMs', ttlMs, 1, ttlMsMax),
      sourceStep: sourceStep === undefined ? null : step(sourceStep),
      bytes: keyBytes + valueBytes,
    };
  });
}

/** Several writes that happen together. */
export function checkChanges(
  changes: readonly ScopeChange[],
  valueBytesMax: number,
): { readonly ok: true; readonly changes: readonly CheckedChange[] } | Refused {
  if (!Array.isArray(changes)) throw new TypeError('changes must be an array');
  if (changes.length > changesMax)
    return invalidInput('changes', `are more than ${changesMax}; send fewer at once`);
  const checked: CheckedChange[] = [];
  let bytes = 0;
  for (const change of changes as readonly ScopeChange[]) {
    const one = checkChange(change, valueBytesMax);
    if ('refusal' in one) return one;
    checked.push(one);
    bytes += one.bytes;
  }
  if (bytes > changesBytesMax)
    return invalidInput('changes', `are ${bytes} bytes; at most ${changesBytesMax} fit into one transaction`);
  return { ok: true, changes: checked };
}

/** Which entries to list or to search. */
export function checkWalk(
  options: EntryQueryOptions,
  alsoKnown: readonly string[] = [],
): (CheckedWalk & { readonly ok: true }) | Refused {
  return refusing(() => {
    requireObject('options', options);
    const { layer, limit, prefix, cursor, scanMax } = options;
    const scope = scopeOf(options, [...walkFields, ...alsoKnown]);
    if (layer !== undefined && layer !== 'ephemeral' && layer !== 'persistent')
      throw new Wrong('layer', 'must be ephemeral or persistent');
    return {
      ok: true,
      scope,
      layer,
      prefix: prefix === undefined ? '' : name('prefix', prefix),
      limit: limit === undefined ? listLimitDefault : whole('limit', limit, 1, listLimitMax),
      cursor: cursor === undefined ? undefined : text('cursor', cursor),
      scanMax: scanMax === undefined ? scanMaxDefault : whole('scanMax', scanMax, 1, scanMaxDefault),
    };
  });
}

/** Which scopes to list. */
export function checkScopeWalk(options: ScopeListOptions): (CheckedWalk & { readonly ok: true }) | Refused {
  return refuseFields(options, ['scope', 'layer', 'scanMax']) ?? checkWalk(options);
}

/** Which entries `purgeWhere` walks: all of the store's, in pages of its own. */
export function checkPurgeWalk(options: ScopeOptions): (CheckedWalk & { readonly ok: true }) | Refused {
  const wrong = refuseFields(options, ['layer', 'limit', 'cursor', 'scanMax']);
  return wrong ?? checkWalk({ ...options, layer: 'persistent' });
}

/** What to write out, and how. */
export function checkExport(
  options: ScopeExportOptions,
): (CheckedWalk & { readonly ok: true; readonly format: 'json' | 'csv' }) | Refused {
  const walk =
    refuseFields(options, ['limit', 'cursor', 'scanMax']) ??
    checkWalk({ ...options, limit: listLimitMax }, ['format']);
  if (!walk.ok) return walk;
  const { format = 'json' } = options;
  return format === 'json' || format === 'csv'
    ? { ...walk, format }
    : invalidInput('format', 'must be json or csv');
}

/** Where an export is read in, and how. */
export function checkImport(
  options: ScopeImportOptions,
): { readonly ok: true; readonly scope: string | undefined; readonly mode: 'merge' | 'replace' } | Refused {
  const checked = checkScope(options, ['mode']);
  if (!checked.ok) return checked;
  const { mode = 'merge' } = options;
  if (mode !== 'merge' && mode !== 'replace') return invalidInput('mode', 'must be merge or replace');
  return { ok: true, scope: options.scope === undefined ? undefined : checked.scope, mode };
}

/** A field that another operation takes and this one does not. */
function refuseFields(options: object, fields: readonly string[]): Refused | undefined {
  requireObject('options', options);
  const wrong = fields.find((field) => field in options);
  return wrong === undefined ? undefined : invalidInput(wrong, 'is not known here; check its spelling');
}

/** The name of a scope, given by itself. */
export function checkName(scope: string): { readonly ok: true; readonly scope: string } | Refused {
  return refusing(() => ({ ok: true, scope: name('scope', scope) }));
}

function scopeOf(options: object, known: readonly string[]): string {
  requireObject('options', options);
  // A field that is not known is an error: a mistyped scope must not quietly be the global one.
  const unknown = Object.keys(options).find((field) => !known.includes(field));
  if (unknown !== undefined) throw new Wrong(unknown, 'is not known here; check its spelling');
  const { scope } = options as { scope?: unknown };
  return scope === undefined ? globalScope : name('scope', scope);
}

function refusing<T>(check: () => T): T | Refused {
  try {
    return check();
  } catch (error) {
    if (error instanceof Wrong) return error.refusal;
    throw error;
  }
}

function requireObject(what: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw new TypeError(`${what} must be an object`);
}

function text(field: string, value: unknown): string {
  if (typeof value !== 'string') throw new TypeError(`${field} must be a string`);
  return value;
}

/** Any well-formed text, the empty one too: it is kept as it is, and never becomes a path. */
function name(field: string, value: unknown): string {
  const checked = text(field, value);
  if (checked.length * 3 > nameBytesMax && utf8Bytes(checked) > nameBytesMax)
    throw new Wrong(field, `is longer than ${nameBytesMax} bytes`);
  if (!checked.isWellFormed()) throw new Wrong(field, 'holds half of a surrogate pair');
  return checked;
}

function step(value: unknown): string {
  const checked = text('sourceStep', value);
  const problem = nameProblem(checked, sourceStepCharsMax);
  if (problem) throw new Wrong('sourceStep', problem);
  return checked;
}

function whole(field: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number') throw new TypeError(`${field} must be a number`);
  if (!Number.isSafeInteger(value) || value < min || value > max)
    throw new Wrong(field, `is ${value}; it must be a whole number from ${min} to ${max}`);
  return value;
}
