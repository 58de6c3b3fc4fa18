import type { Json } from './json.js';

/** What a copy is called in errors, and how deep it may be nested. */
export interface CopyBounds {
  readonly where: string;
  readonly depthMax: number;
}

/**
 * A copy of a JSON value that shares nothing with it: nobody can change what is kept, nor what others were given. Members
 * that are `undefined` are left out, as JSON does; in an array one is refused, since JSON would make `null` of it.
 *
 * @throws TypeError for what is no JSON
 */
export function copyJson(value: unknown, bounds: CopyBounds): Json {
  return copy(value, bounds, 0);
}

function copy(value: unknown, bounds: CopyBounds, depth: number): Json {
  const { where, depthMax } = bounds;
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      if (!Number.isFinite(value))
        throw new TypeError(`${where} holds ${value}, which JSON has no number for`);
      // JSON has one zero: kept as it is, -0 would come back from a store of text as 0 and from memory as -0.
      return value === 0 ? 0 : value;
    case 'object':
      if (value === null) return null;
      if (depth >= depthMax)
        throw new TypeError(`${where} is nested deeper than ${depthMax}, or holds itself`);
      return Array.isArray(value) ? copyArray(value, bounds, depth) : copyObject(value, bounds, depth);
    default:
      throw new TypeError(`${where} holds a ${typeof value}, which is no JSON`);
  }
}

function copyArray(array: readonly unknown[], bounds: CopyBounds, depth: number): Json {
  // Not map: it would leave the holes of a sparse array as they are.
  const copied: Json[] = [];
  for (let index = 0; index < array.length; index++) copied.push(copy(array[index], bounds, depth + 1));
  return copied;
}

function copyObject(object: object, bounds: CopyBounds, depth: number): Json {
  const prototype = Object.getPrototypeOf(object) as unknown;
  // An object of another realm has a prototype that is not ours, and has none itself.
  if (prototype !== Object.prototype && prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw new TypeError(
      `${bounds.where} holds an object of a class, which is no JSON; turn it into a plain object`,
    );
  }
  const copied: Record<string, Json> = {};
  for (const [name, member] of Object.entries(object)) {
    if (member === undefined) continue;
    const memberCopy = copy(member, bounds, depth + 1);
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
