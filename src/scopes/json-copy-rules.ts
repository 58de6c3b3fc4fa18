import type { Json } from '../core/json.js';
import { valueDepthMax } from './scope-limits.js';

/**
 * A copy of a JSON value that shares nothing with it: no caller can change what is kept, nor what others were given.
 *
 * @throws TypeError for what is no JSON
 */
export function copyJson(value: unknown): Json {
  return copy(value, 0);
}

function copy(value: unknown, depth: number): Json {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      if (!Number.isFinite(value))
        throw new TypeError(`a value holds ${value}, which JSON has no number for`);
      // JSON has one zero: kept as it is, -0 would come back from a store of text as 0 and from memory as -0.
      return value === 0 ? 0 : value;
    case 'object':
      if (value === null) return null;
      if (depth >= valueDepthMax)
        throw new TypeError(`a value is nested deeper than ${valueDepthMax}, or holds itself`);
      return Array.isArray(value) ? copyArray(value, depth) : copyObject(value, depth);
    default:
      throw new TypeError(`a value holds a ${typeof value}, which is no JSON`);
  }
}

function copyArray(array: readonly unknown[], depth: number): Json {
  // Not map: it would leave the holes of a sparse array as they are.
  const copied: Json[] = [];
  for (let index = 0; index < array.length; index++) copied.push(copy(array[index], depth + 1));
  return copied;
}

function copyObject(object: object, depth: number): Json {
  const prototype = Object.getPrototypeOf(object) as unknown;
  if (prototype !== Object.prototype && prototype !== null && Object.getPrototypeOf(prototype) !== null)
    throw new TypeError('a value holds an object of a class, which is no JSON; turn it into a plain object');
  const copied: Record<string, Json> = {};
  for (const [name, member] of Object.entries(object)) {
    if (member === undefined) continue;
    const memberCopy = copy(member, depth + 1);
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
