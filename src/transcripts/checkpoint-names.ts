import { createHash } from 'node:crypto';
import { keyNameCharsMax } from './transcript-limits.js';

/**
 * A name as a part of a key: itself where it is short, else its hash. No name is taken for a hash: a name that begins like
 * one is hashed as well.
 */
export function keyName(name: string): string {
  const isPlain = name.length <= keyNameCharsMax && !name.startsWith('#');
  return isPlain ? name : `#${createHash('sha256').update(name).digest('base64url')}`;
}
