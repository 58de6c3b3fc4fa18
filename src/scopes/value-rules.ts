import { copyJson } from '../core/json-copy.js';
import type { Json } from '../core/json.js';
import { valueDepthMax } from './scope-limits.js';

/** A copy of a value that shares nothing with it. */
export function copyValue(value: unknown): Json {
  return copyJson(value, { where: 'a value', depthMax: valueDepthMax });
}

/** Whether a text, in lower case, is in a key or in a string, a number, a constant or a name of a field of a value. */
export function holdsText(key: string, value: Json, needle: string): boolean {
  return key.toLowerCase().includes(needle) || valueHolds(value, needle);
}

function valueHolds(value: Json, needle: string): boolean {
  if (typeof value !== 'object' || value === null) return String(value).toLowerCase().includes(needle);
  if (Array.isArray(value)) return (value as readonly Json[]).some((one) => valueHolds(one, needle));
  return Object.entries(value).some(
    ([name, member]) => name.toLowerCase().includes(needle) || valueHolds(member, needle),
  );
}

/** About how many bytes a value takes: enough to end a page by. */
export function roughBytes(value: Json): number {
  if (typeof value === 'string') return value.length + 2;
  if (typeof value !== 'object' || value === null) return 8;
  let bytes = 2;
  if (Array.isArray(value)) for (const one of value as readonly Json[]) bytes += roughBytes(one) + 1;
  else for (const [name, member] of Object.entries(value)) bytes += name.length + 4 + roughBytes(member);
  return bytes;
}
