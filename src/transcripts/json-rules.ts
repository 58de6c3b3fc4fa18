import { copyJson as copy } from '../core/json-copy.js';
import type { Json } from '../core/json.js';
import type { JsonFields } from './transcript-types.js';
import { jsonDepthMax } from './transcript-limits.js';

/**
 * A copy of a JSON value that shares nothing with it.
 *
 * @param where named in the error
 * @throws TypeError for what is no JSON
 */
export function copyJson(where: string, value: unknown): Json {
  return copy(value, { where, depthMax: jsonDepthMax });
}

/** A copy of a JSON object. */
export function copyFields(where: string, value: unknown): JsonFields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`${where} must be an object`);
  return copyJson(where, value) as JsonFields;
}

/** JSON text in which the order of fields says nothing: two values with the same text are the same. */
export function canonicalText(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(canonicalText).join(',')}]`;
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${fields.map(([name, member]) => `${JSON.stringify(name)}:${canonicalText(member)}`).join(',')}}`;
}
