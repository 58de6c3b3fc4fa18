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
import { checked, onlyKnown, requireObject, textOf, wholeOf, wrong } from '../core/input-rules.js';
import type { Json } from '../core/json.js';
import { invalidInput, type Refused } from '../core/refusals.js';

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

const scopeFields = ['scope'];
const entryFields = ['scope', 'ttlMs', 'sourceStep', 'expectedVersion'];
const noteFields = ['scope', 'ttlMs', 'sourceStep'];
const walkFields = ['scope', 'layer', 'prefix', 'limit', 'cursor'];

/** The scope that options name. */
export function checkScope(
  options: object,
  alsoKnown: readonly string[] = [],
): { readonly ok: true; readonly scope: string } | Refused {
  return checked(() => ({ ok: true, scope: scopeOf(options, [...scopeFields, ...alsoKnown]) }));
}

/** A scope and keys of it. */
export function checkKeys(
  keys: readonly string[],
  options: object,
): { readonly ok: true; readonly scope: string } | Refused {
  if (!Array.isArray(keys)) throw new TypeError('keys must be an array of strings');
  return checked(() => {
    if (keys.length > keysMax) wrong('keys', `are more than ${keysMax}; ask for fewer at once`);
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
  return checked(() => {
    const { kind, key, ...options } = change;
    if (kind !== 'persist' && kind !== 'mutate' && kind !== 'purge')
      wrong('kind', 'must be persist, mutate or purge');
    const known = layer === 'ephemeral' ? noteFields : entryFields;
    const scope = scopeOf(options, kind === 'purge' ? ['scope', 'expectedVersion'] : [...known, 'value']);
    const { expectedVersion } = options;
    if (expectedVersion !== undefined && expectedVersion !== null) textOf('expectedVersion', expectedVersion);
    const common = { kind, scope, key: name('key', key), expectedVersion };
    const keyBytes = utf8Bytes(common.key) + utf8Bytes(scope);
    if (!('value' in change)) {
      if (kind !== 'purge') throw new TypeError('a value must be given; null is one');
      return { ...common, value: null, ttlMs: null, sourceStep: null, bytes: keyBytes };
    }
    const value = copyValue(change.value);
    const valueBytes = utf8Bytes(JSON.stringify(value));
    if (valueBytes > valueBytesMax)
      wrong('value', `is ${valueBytes} bytes of JSON; at most ${valueBytesMax} are possible`);
    const { ttlMs, sourceStep } = change;
    return {
      ...common,
      value,
      ttlMs: ttlMs === undefined ? null : wholeOf('ttlMs', ttlMs, 1, ttlMsMax),
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
  const all: CheckedChange[] = [];
  let bytes = 0;
  for (const change of changes as readonly ScopeChange[]) {
    const one = checkChange(change, valueBytesMax);
    if ('refusal' in one) return one;
    all.push(one);
    bytes += one.bytes;
  }
  if (bytes > changesBytesMax)
    return invalidInput('changes', `are ${bytes} bytes; at most ${changesBytesMax} fit into one transaction`);
  return { ok: true, changes: all };
}

/** Which entries to list or to search. */
export function checkWalk(
  options: EntryQueryOptions,
  alsoKnown: readonly string[] = [],
): (CheckedWalk & { readonly ok: true }) | Refused {
  return checked(() => {
    requireObject('options', options);
    const { layer, limit, prefix, cursor, scanMax } = options;
    const scope = scopeOf(options, [...walkFields, ...alsoKnown]);
    if (layer !== undefined && layer !== 'ephemeral' && layer !== 'persistent')
      wrong('layer', 'must be ephemeral or persistent');
    return {
      ok: true,
      scope,
      layer,
      prefix: prefix === undefined ? '' : name('prefix', prefix),
      limit: limit === undefined ? listLimitDefault : wholeOf('limit', limit, 1, listLimitMax),
      cursor: cursor === undefined ? undefined : textOf('cursor', cursor),
      scanMax: scanMax === undefined ? scanMaxDefault : wholeOf('scanMax', scanMax, 1, scanMaxDefault),
    };
  });
}

/** Which scopes to list. */
export function checkScopeWalk(options: ScopeListOptions): (CheckedWalk & { readonly ok: true }) | Refused {
  return refuseFields(options, ['scope', 'layer', 'scanMax']) ?? checkWalk(options);
}

/** Which entries `purgeWhere` walks: all of the store's, in pages of its own. */
export function checkPurgeWalk(options: ScopeOptions): (CheckedWalk & { readonly ok: true }) | Refused {
  const refused = refuseFields(options, ['layer', 'limit', 'cursor', 'scanMax']);
  return refused ?? checkWalk({ ...options, layer: 'persistent' });
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
  const named = checkScope(options, ['mode']);
  if (!named.ok) return named;
  const { mode = 'merge' } = options;
  if (mode !== 'merge' && mode !== 'replace') return invalidInput('mode', 'must be merge or replace');
  return { ok: true, scope: options.scope === undefined ? undefined : named.scope, mode };
}

/** A field that another operation takes and this one does not. */
function refuseFields(options: object, fields: readonly string[]): Refused | undefined {
  requireObject('options', options);
  const unknown = fields.find((field) => field in options);
  return unknown === undefined ? undefined : invalidInput(unknown, 'is not known here; check its spelling');
}

/** The name of a scope, given by itself. */
export function checkName(scope: string): { readonly ok: true; readonly scope: string } | Refused {
  return checked(() => ({ ok: true, scope: name('scope', scope) }));
}

function scopeOf(options: object, known: readonly string[]): string {
  requireObject('options', options);
  // A mistyped scope must not quietly be the global one.
  onlyKnown(options, known);
  const { scope } = options as { scope?: unknown };
  return scope === undefined ? globalScope : name('scope', scope);
}

/** Any well-formed text, the empty one too: it is kept as it is, and never becomes a path. */
function name(field: string, value: unknown): string {
  const given = textOf(field, value);
  if (given.length * 3 > nameBytesMax && utf8Bytes(given) > nameBytesMax)
    wrong(field, `is longer than ${nameBytesMax} bytes`);
  if (!given.isWellFormed()) wrong(field, 'holds half of a surrogate pair');
  return given;
}

function step(value: unknown): string {
  const given = textOf('sourceStep', value);
  const problem = nameProblem(given, sourceStepCharsMax);
  if (problem) wrong('sourceStep', problem);
  return given;
}
