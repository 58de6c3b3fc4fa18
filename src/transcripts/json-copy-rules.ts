import type { Json } from '../core/json.js';
import type { JsonFields } from './transcript-types.js';
import { jsonDepthMax } from './transcript-limits.js';

/**
 * A copy of a JSON value that shares nothing with it: nobody can change what is kept, nor what others were given.
 *
 * @param where named in the error
 * @throws TypeError for what is no JSON
 */
export function copyJson(where: string, value: unknown): Json {
  return copy(where, value, 0);
}

/** A copy of a JSON object. */
export function copyFields(where: string, value: unknown): JsonFields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`${where} must be an object`);
  return copy(where, value, 0) as JsonFields;
}

function copy(where: string, value: unknown, depth: number): Json {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      if (!Number.isFinite(value))
        throw new TypeError(`${where} holds ${value}, which JSON has no number for`);
      return value;
    case 'object':
      if (value === null) return null;
      if (depth >= jsonDepthMax)
        throw new TypeError(`${where} is nested deeper than ${jsonDepthMax}, or holds itself`);
      return Array.isArray(value)
        ? Array.from(value as readonly unknown[], (one) => copy(where, one ?? null, depth + 1))
        : copyObject(where, value, depth);
    default:
      throw new TypeError(`${where} holds a ${typeof value}, which is no JSON`);
  }
}

function copyObject(where: string, object: object, depth: number): Json {
  const prototype = Object.getPrototypeOf(object) as unknown;
  // An object of another realm has a prototype that is not ours, and has none itself.
  if (prototype !== Object.prototype && prototype !== null && Object.getPrototypeOf(prototype) !== null)
    throw new TypeError(`${where} holds an object of a class, which is no JSON; turn it into a plain object`);
  const copied: Record<string, Json> = {};
  for (const [name, member] of Object.entries(object)) {
    if (member === undefined) continue;
    const memberCopy = copy(where, member, depth + 1);
    // Assigned, a field of this name would become the prototype.
    if (name === '__proto__') {
      Object.defineProperty(copied, name, {
        value: memberCopy,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    } else copied[name] = memberCopy;
  }
  return copied;
}

/** JSON text in which the order of fields says nothing: two values with the same text are the same. */
export function canonicalText(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(canonicalText).join(',')}]`;
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${fields.map(([name, member]) => `${JSON.stringify(name)}:${canonicalText(member)}`).join(',')}}`;
}
