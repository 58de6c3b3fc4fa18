import { ephemeralBytesDefault, ephemeralEntriesDefault, valueBytesDefault } from './scope-limits.js';
import { AmbitError } from '../core/errors.js';
import type { ScopeSettings } from './scope-types.js';

/** Settings with every default filled in. */
export interface CheckedSettings {
  readonly entriesMax: number;
  readonly valueBytesMax: number;
  readonly notesMax: number;
  readonly noteBytesMax: number;
}

/** What each setting may be; bounds that are not given here are those of the numbers themselves. */
const bounds: Readonly<Record<keyof ScopeSettings, { readonly max: number; readonly unlessSaid: number }>> = {
  entriesPerScopeMax: { max: 1_000_000_000, unlessSaid: Number.POSITIVE_INFINITY },
  valueBytesMax: { max: valueBytesDefault, unlessSaid: valueBytesDefault },
  ephemeralEntriesMax: { max: 10_000_000, unlessSaid: ephemeralEntriesDefault },
  ephemeralBytesMax: { max: 4 * 1_024 ** 3, unlessSaid: ephemeralBytesDefault },
};

/** @throws AmbitError `INVALID_INPUT` */
export function checkedSettings(settings: ScopeSettings = {}): CheckedSettings {
  const unknown = Object.keys(settings).find((name) => !Object.hasOwn(bounds, name));
  if (unknown !== undefined) {
    const known = Object.keys(bounds).join(', ');
    throw new AmbitError('INVALID_INPUT', `scopes.${unknown} is no setting; there are ${known}`);
  }
  return {
    entriesMax: bounded(settings, 'entriesPerScopeMax'),
    valueBytesMax: bounded(settings, 'valueBytesMax'),
    notesMax: bounded(settings, 'ephemeralEntriesMax'),
    noteBytesMax: bounded(settings, 'ephemeralBytesMax'),
  };
}

function bounded(settings: ScopeSettings, name: keyof ScopeSettings): number {
  const { max, unlessSaid } = bounds[name];
  const value = settings[name] ?? unlessSaid;
  if (settings[name] === undefined || (Number.isSafeInteger(value) && value >= 1 && value <= max))
    return value;
  throw new AmbitError(
    'INVALID_INPUT',
    `scopes.${name} is ${value}; it must be a whole number from 1 to ${max}`,
  );
}
