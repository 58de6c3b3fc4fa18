import { createHmac, timingSafeEqual } from 'node:crypto';
import type { CookieShape } from './cookie-rules.js';

/** What a cookie brought: the id, and whether the cookie should be set anew, since an older key signed it. */
export interface FromCookie {
  readonly id: string;
  readonly isStale: boolean;
}

/** What goes into a cookie: the id, and where there are keys, its signature by the first one. */
export function signed({ name, keys }: CookieShape, id: string): string {
  const [key] = keys;
  return key === undefined ? id : `${id}.${signatureOf(key, name, id)}`;
}

/** The id in a cookie's value; undefined for what no key signed, or what is no id of ours. */
export function verified({ name, keys }: CookieShape, value: string): FromCookie | undefined {
  // Looked at first: what is long is not worth a hash.
  const [, id, signature] = (keys.length > 0 ? signedForm : plainForm).exec(value) ?? [];
  if (id === undefined) return undefined;
  if (signature === undefined) return { id, isStale: false };
  const brought = Buffer.from(signature);
  const index = keys.findIndex((key) => timingSafeEqual(brought, Buffer.from(signatureOf(key, name, id))));
  return index < 0 ? undefined : { id, isStale: index > 0 };
}

/** The name is signed, too: a cookie of another purpose, signed with the same key, is none of a session. */
function signatureOf(key: string, name: string, id: string): string {
  return createHmac('sha256', key).update(`${name}=${id}`).digest('base64url');
}

/** Ids and signatures are 256 bits in base64url. */
const plainForm = /^([A-Za-z0-9_-]{43})$/;
const signedForm = /^([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})$/;
