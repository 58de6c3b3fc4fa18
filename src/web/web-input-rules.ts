import {
  absoluteMsDefault,
  absoluteMsMax,
  besideBytesMax,
  dataBytesDefault,
  dataBytesMax,
  flashBytesMax,
  foreignIdCharsMax,
  idleMsDefault,
  idleMsMin,
  listLimitMax,
  nameCharsMax,
  touchAfterPartDefault,
  userCharsMax,
} from './web-limits.js';
import type { ConflictPolicy, Flash, ListWebOptions, WebSettings, WebUser } from './web-types.js';
import { AmbitError } from '../core/errors.js';
import type { Json } from '../core/json.js';
import { invalidInput, type Refused } from '../core/refusals.js';
import { requireObject } from '../core/input-rules.js';

/**
 * Settings with nothing left out.
 *
 * @throws AmbitError `INVALID_INPUT` for what is unknown or out of bounds
 */
export function checkSettings(settings: WebSettings): Required<WebSettings> {
  requireObject('the settings of web sessions', settings);
  const unknown = Object.keys(settings).find((field) => !settingFields.has(field));
  if (unknown !== undefined) throw wrongSetting(unknown, 'is not known here; check its spelling');
  const whole = (field: keyof WebSettings, fallback: number, min: number, max: number): number => {
    const value = (settings[field] as number | undefined) ?? fallback;
    if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
    throw wrongSetting(field, `is ${value}; it must be a whole number from ${min} to ${max}`);
  };
  const { touchAfterPart = touchAfterPartDefault, conflict = 'last-commit-wins' } = settings;
  // Written the other way round, NaN would pass.
  if (!(touchAfterPart >= 0 && touchAfterPart <= 0.5)) {
    throw wrongSetting('touchAfterPart', `is ${touchAfterPart}; it must be a number from 0 to 0.5`);
  }
  if (!isPolicy(conflict)) throw wrongSetting('conflict', `must be one of ${policies.join(', ')}`);
  return {
    idleMs: whole('idleMs', idleMsDefault, idleMsMin, absoluteMsMax),
    absoluteMs: whole('absoluteMs', absoluteMsDefault, idleMsMin, absoluteMsMax),
    dataBytesMax: whole('dataBytesMax', dataBytesDefault, 1, dataBytesMax),
    touchAfterPart,
    conflict,
  };
}

const settingFields: ReadonlySet<string> = new Set<keyof WebSettings>([
  'idleMs',
  'absoluteMs',
  'touchAfterPart',
  'dataBytesMax',
  'conflict',
]);

/** @throws AmbitError `INVALID_INPUT` for a name that is no part of a key */
export function checkName(name: string): string {
  if (typeof name !== 'string') throw new TypeError('the name of web sessions must be a string');
  if (/^[A-Za-z0-9_.:-]+$/.test(name) && name.length <= nameCharsMax) return name;
  throw new AmbitError(
    'INVALID_INPUT',
    `the name of web sessions must be 1 to ${nameCharsMax} letters, digits or _ . : -`,
  );
}

/** @throws TypeError for what is no string; no id that anybody was given is refused here */
export function checkId(id: string): boolean {
  if (typeof id !== 'string') throw new TypeError('the id of a session must be a string');
  return id !== '' && id.length <= foreignIdCharsMax;
}

export function checkUserId(userId: string): Refused | undefined {
  return textProblem('userId', userId);
}

export function checkUser(user: WebUser): Refused | undefined {
  requireObject('a user', user);
  const { userName } = user;
  return (
    textProblem('userId', user.userId) ??
    (userName === undefined ? undefined : textProblem('userName', userName))
  );
}

export function checkPolicy(policy: ConflictPolicy): Refused | undefined {
  return isPolicy(policy) ? undefined : invalidInput('conflict', `must be one of ${policies.join(', ')}`);
}

export function checkListOptions({ limit }: ListWebOptions): Refused | undefined {
  if (limit === undefined || (Number.isSafeInteger(limit) && limit >= 1 && limit <= listLimitMax))
    return undefined;
  return invalidInput('limit', `must be a whole number from 1 to ${listLimitMax}`);
}

/** The flash as it will be stored, or why it will not be. */
export function checkFlash(input: Flash): { readonly ok: true; readonly flash: Flash } | Refused {
  requireObject('a flash', input);
  const { level, message, title } = input;
  if (typeof message !== 'string') throw new TypeError('the message of a flash must be a string');
  if (title !== undefined && typeof title !== 'string') {
    throw new TypeError('the title of a flash must be a string');
  }
  if (!levels.includes(level)) return invalidInput('level', `must be one of ${levels.join(', ')}`);
  const flash: Flash = title === undefined ? { level, message } : { level, message, title };
  const bytes = jsonBytesOver(flashBytesMax, flash as unknown as Json);
  if (bytes === undefined) return { ok: true, flash };
  return invalidInput('message', `and title are ${bytes} bytes of JSON; they may be ${flashBytesMax}`);
}

export function checkBeside(beside: Json): Refused | undefined {
  const bytes = jsonBytesOver(besideBytesMax, beside);
  return bytes === undefined
    ? undefined
    : invalidInput('cookie', `is ${bytes} bytes of JSON; it may be ${besideBytesMax}`);
}

/** Bytes of UTF-8 in the JSON text of a value, where they are more than `limit`. */
export function jsonBytesOver(limit: number, value: Json): number | undefined {
  // Nearly always far below it: then the text, which costs more than the rest of a save, is not made.
  if (jsonBytesAtMost(value) <= limit) return undefined;
  const bytes = jsonBytes(value);
  return bytes > limit ? bytes : undefined;
}

/** No JSON text of this value is longer. */
function jsonBytesAtMost(value: Json): number {
  // An escaped unit is six bytes.
  if (typeof value === 'string') return 2 + 6 * value.length;
  // The longest number, -2.2250738585072014e-308, is 24 characters.
  if (typeof value !== 'object' || value === null) return 24;
  let bytes = 2;
  if (Array.isArray(value)) {
    for (const inner of value as readonly Json[]) bytes += 1 + jsonBytesAtMost(inner);
    return bytes;
  }
  const fields = value as { readonly [name: string]: Json };
  for (const key of Object.keys(fields)) bytes += 4 + 6 * key.length + jsonBytesAtMost(fields[key] as Json);
  return bytes;
}

/** Bytes of UTF-8 in the JSON text of a value. */
function jsonBytes(value: Json): number {
  const text = JSON.stringify(value);
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    // JSON escapes lone surrogates, so each half here stands for two of the pair's four bytes.
    if (unit >= 0x80) bytes += unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 1 : 2;
  }
  return bytes;
}

const levels: readonly Flash['level'][] = ['success', 'info', 'warning', 'error'];
const policies: readonly ConflictPolicy[] = ['last-commit-wins', 'refuse'];

function isPolicy(policy: unknown): policy is ConflictPolicy {
  return policies.some((one) => one === policy);
}

function textProblem(field: string, text: string): Refused | undefined {
  if (typeof text !== 'string') throw new TypeError(`${field} must be a string`);
  if (text === '') return invalidInput(field, 'is empty');
  if (text.length > userCharsMax) return invalidInput(field, `is longer than ${userCharsMax} characters`);
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(text)) {
    return invalidInput(field, 'holds a control character');
  }
  return text.isWellFormed() ? undefined : invalidInput(field, 'holds half of a surrogate pair');
}

function wrongSetting(field: string, problem: string): AmbitError {
  return new AmbitError('INVALID_INPUT', `web.${field} ${problem}`);
}
