import type { Json } from '../../core/json.js';
import type { ItemValue } from './namespace-rules.js';

type Operator = (actual: Json | undefined, wanted: unknown) => boolean;

/** The operators of LangGraph's stores. A field that is missing equals nothing and is ordered beside nothing. */
const operators: Readonly<Record<string, Operator>> = {
  $eq: isSame,
  $ne: (actual, wanted) => !isSame(actual, wanted),
  $gt: (actual, wanted) => order(actual, wanted) > 0,
  $gte: (actual, wanted) => order(actual, wanted) >= 0,
  $lt: (actual, wanted) => order(actual, wanted) < 0,
  $lte: (actual, wanted) => order(actual, wanted) <= 0,
  $in: (actual, wanted) => Array.isArray(wanted) && wanted.some((one) => isSame(actual, one)),
  $nin: (actual, wanted) => !Array.isArray(wanted) || !wanted.some((one) => isSame(actual, one)),
  $exists: (actual, wanted) => (actual !== undefined) === Boolean(wanted),
};

/** What is wrong with a filter, or nothing: an operator that is mistyped must not quietly find nothing. */
export function filterProblem(filter: Readonly<Record<string, unknown>>): string | undefined {
  for (const wanted of Object.values(filter)) {
    const unknown = operatorsOf(wanted)?.find(([name]) => !Object.hasOwn(operators, name));
    if (unknown)
      return `the filter's ${unknown[0]} is no operator; there are ${Object.keys(operators).join(', ')}`;
  }
  return undefined;
}

/** Whether an item has every field as the filter wants it. */
export function isFiltered(value: ItemValue, filter: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(filter).every(([field, wanted]) => {
    const actual = fieldOf(value, field);
    const conditions = operatorsOf(wanted);
    if (!conditions) return isSame(actual, wanted);
    return conditions.every(([name, operand]) => operators[name]?.(actual, operand) ?? false);
  });
}

/** The conditions of a field, where it is given as operators and not as what it should be. */
function operatorsOf(wanted: unknown): [name: string, operand: unknown][] | undefined {
  if (typeof wanted !== 'object' || wanted === null || Array.isArray(wanted)) return undefined;
  const conditions = Object.entries(wanted);
  return conditions.length > 0 && conditions.every(([name]) => name.startsWith('$')) ? conditions : undefined;
}

/** A field by its name, or by its path where it has no such name: `specs.ram`. */
function fieldOf(value: ItemValue, field: string): Json | undefined {
  if (Object.hasOwn(value, field)) return value[field];
  let at: Json | undefined = value;
  for (const name of field.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as ItemValue)[name];
  }
  return at;
}

/** Negative, zero or positive; NaN where the two have no order. Numbers as LangGraph compares them, other texts as text. */
function order(actual: Json | undefined, wanted: unknown): number {
  if (actual === undefined || actual === null || typeof actual === 'object') return Number.NaN;
  const difference = Number(actual) - Number(wanted);
  if (!Number.isNaN(difference) || typeof actual !== 'string' || typeof wanted !== 'string')
    return difference;
  return actual === wanted ? 0 : actual < wanted ? -1 : 1;
}

function isSame(actual: Json | undefined, wanted: unknown): boolean {
  if (actual === wanted) return true;
  if (typeof actual !== 'object' || typeof wanted !== 'object' || actual === null || wanted === null)
    return false;
  if (Array.isArray(actual) !== Array.isArray(wanted)) return false;
  const fields = Object.keys(actual);
  return (
    fields.length === Object.keys(wanted).length &&
    fields.every(
      (field) =>
        Object.hasOwn(wanted, field) &&
        isSame((actual as ItemValue)[field], (wanted as Record<string, unknown>)[field]),
    )
  );
}
