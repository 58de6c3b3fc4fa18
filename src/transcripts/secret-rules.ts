import type { Json } from '../core/json.js';
import type { JsonFields } from './transcript-types.js';
import { leftOut, textWithoutSecrets } from './secret-text-rules.js';
import { namesNumericSecret, namesSecret } from './secret-name-rules.js';

/**
 * A config without what looks like a secret: a transcript is read, shared and exported by people who may not have it. What is
 * given twice is as what was given once, since what was loaded is saved again.
 */
export function withoutSecrets(config: JsonFields): JsonFields {
  return cleaned(config) as JsonFields;
}

function cleaned(value: Json): Json {
  if (typeof value === 'string') return textWithoutSecrets(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return cleanedList(value as readonly Json[]);
  const fields = value as JsonFields;
  // Environments and headers are often lists of `{ name, value }`.
  const named = fields['name'] ?? fields['key'];
  return Object.fromEntries(
    Object.entries(fields).map(([name, member]) => {
      const isNamed = name === 'value' && typeof named === 'string' && hides(named, member);
      return [name, isNamed || hides(name, member) ? leftOut : cleaned(member)];
    }),
  );
}

/** Arguments of a command: what comes after `--password` is one. */
function cleanedList(list: readonly Json[]): Json {
  return list.map((member, index) => {
    const before = list[index - 1];
    const isFlag = typeof before === 'string' && /^--?[a-z][\w.-]*$/i.test(before) && namesSecret(before);
    const isArgument = typeof member === 'string' && !member.startsWith('-');
    return isFlag && isArgument ? leftOut : cleaned(member);
  });
}

/** Whether a field of this name holds a secret: all of it, however it is built. */
function hides(name: string, value: Json): boolean {
  if (value === null || typeof value === 'boolean') return false;
  return typeof value === 'number' ? namesNumericSecret(name) : namesSecret(name);
}
