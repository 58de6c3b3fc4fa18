import type { Json } from '../core/json.js';
import type { JsonFields } from './transcript-types.js';

/** What stands in the place of a secret. */
export const leftOut = '[left out]';

/** Names of fields that hold secrets. `maxTokens` and its like count, they do not authorize: hence the ending. */
const secretName =
  /(api[-_]?key|access[-_]?key|private[-_]?key|secret|password|passwd|passphrase|authorization|credential|cookie|bearer|(^|[-_a-z])token)$/i;
/** Forms of secrets that are known by how they look, whatever their field is called. */
const secretText =
  /^(sk-|sk_|rk_|pk_live|ghp_|gho_|ghs_|github_pat_|xox[abprs]-|AKIA|ASIA|AIza|glpat-|hf_|ambit_)[\w-]{8,}|^(Bearer|Basic)\s+\S{8,}|^eyJ[\w-]+\.[\w-]+\.|-----BEGIN [A-Z ]*PRIVATE KEY/;
const passwordInUrl = /^([a-z][a-z0-9+.-]*:\/\/[^/\s:@]*):[^/\s@]+@/i;

/** A config without what looks like a secret: a transcript is read, shared and exported by people who may not have it. */
export function withoutSecrets(config: JsonFields): JsonFields {
  return cleaned(config) as JsonFields;
}

function cleaned(value: Json): Json {
  if (typeof value === 'string') {
    if (secretText.test(value)) return leftOut;
    return value.replace(passwordInUrl, (_all, before: string) => `${before}:${leftOut}@`);
  }
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as readonly Json[]).map(cleaned);
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => {
      const holdsSecret =
        secretName.test(name) && typeof member !== 'number' && typeof member !== 'boolean' && member !== null;
      return [name, holdsSecret ? leftOut : cleaned(member)];
    }),
  );
}
