import { AmbitError } from '../core/errors.js';
import { cookieNameCharsMax, sameNameCookiesMax, signingKeysMax } from './web-limits.js';

/** The cookie that carries a session's id. It is always HttpOnly: no script of a page reads it. */
export interface SessionCookieOptions {
  /**
   * `session` unless said. It gets the prefix `__Host-` where the attributes allow it (secure, no domain, path `/`), else
   * `__Secure-` where they allow that: a browser then takes such a cookie from nobody who could not have set it.
   */
  readonly name?: string;
  /**
   * What ids are signed with: 32 bytes of random text or more, or several such, newest first. The first signs, each
   * verifies, so that a new one is put in front and the old one removed later. Ids are not signed unless one is given.
   */
  readonly keys?: string | readonly string[];
  /** Only over HTTPS, and to this machine itself: yes unless said. */
  readonly secure?: boolean;
  /** Which requests of other sites carry it: `lax` unless said. */
  readonly sameSite?: 'strict' | 'lax' | 'none';
  /** Also for every host below this one; the host alone that set it, unless said. */
  readonly domain?: string;
  /** `/` unless said. */
  readonly path?: string;
  /** Apart for each site that embeds this one. */
  readonly partitioned?: boolean;
  /** Whether it outlives the browser, for as long as the session: yes unless said. */
  readonly persistent?: boolean;
}

/** A cookie whose options were checked. */
export interface CookieShape {
  /** With its prefix. */
  readonly name: string;
  readonly keys: readonly string[];
  readonly persistent: boolean;
  /** `; Path=/; HttpOnly; …`, without an age. */
  readonly attributes: string;
}

/**
 * Checks the options of a cookie, and names it.
 *
 * @throws AmbitError `INVALID_INPUT` for what a browser would refuse, or what would not keep the session safe
 */
export function checkCookie(options: SessionCookieOptions = {}): CookieShape {
  const unknown = Object.keys(options).find((field) => !fields.has(field));
  if (unknown !== undefined) throw wrong(unknown, 'is not known here; check its spelling');
  const { name = 'session', secure = true, sameSite = 'lax', domain, path = '/' } = options;
  const { partitioned = false, persistent = true } = options;
  for (const [field, value] of Object.entries({ secure, partitioned, persistent })) {
    if (typeof value !== 'boolean') throw wrong(field, 'must be true or false');
  }
  if (!['strict', 'lax', 'none'].includes(sameSite)) {
    throw wrong('sameSite', 'must be one of strict, lax, none');
  }
  if (sameSite === 'none' && !secure) {
    throw wrong('sameSite', 'may be none only on a secure cookie: browsers drop any other');
  }
  if (partitioned && !secure) throw wrong('partitioned', 'needs a secure cookie: browsers drop any other');
  // RFC 6265, section 4.1.1: nothing that ends an attribute.
  if (!/^\/[\u0020-\u003a\u003c-\u007e]*$/.test(path)) {
    throw wrong('path', 'must begin with / and hold neither ; nor control characters');
  }
  if (domain !== undefined && !/^(?!-)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/.test(domain)) {
    throw wrong('domain', 'must be the name of a host, such as example.org');
  }
  const attributes = [
    `; Path=${path}`,
    domain === undefined ? '' : `; Domain=${domain}`,
    '; HttpOnly',
    secure ? '; Secure' : '',
    `; SameSite=${sameSite.charAt(0).toUpperCase()}${sameSite.slice(1)}`,
    partitioned ? '; Partitioned' : '',
  ].join('');
  const host = secure && domain === undefined && path === '/';
  return { name: prefixed(name, secure, host), keys: checkKeys(options.keys), persistent, attributes };
}

/** The header that sets a cookie for so many seconds, or while the browser runs. */
export function setCookie(shape: CookieShape, value: string, forS: number): string {
  return `${shape.name}=${value}${shape.persistent ? `; Max-Age=${forS}` : ''}${shape.attributes}`;
}

/** The header that removes a cookie. */
export function removeCookie({ name, attributes }: CookieShape): string {
  return `${name}=; Max-Age=0${attributes}`;
}

/** The values of the cookies with a name, as they were sent: a host above this one may have set another. */
export function cookieValues(header: string | undefined, name: string): readonly string[] {
  if (header === undefined || !header.includes(name)) return [];
  const values: string[] = [];
  for (const pair of header.split(';')) {
    const at = pair.indexOf('=');
    if (at < 0 || pair.slice(0, at).trim() !== name) continue;
    values.push(pair.slice(at + 1).trim());
    if (values.length === sameNameCookiesMax) break;
  }
  return values;
}

const fields: ReadonlySet<string> = new Set<keyof SessionCookieOptions>([
  'name',
  'keys',
  'secure',
  'sameSite',
  'domain',
  'path',
  'partitioned',
  'persistent',
]);

/** RFC 6265bis, section 4.1.3: browsers look at the prefix whatever its case. */
function prefixed(name: string, secure: boolean, host: boolean): string {
  if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name) || name.length > cookieNameCharsMax) {
    throw wrong('name', `must be 1 to ${cookieNameCharsMax} letters, digits or !#$%&'*+.^_\`|~-`);
  }
  if (/^__host-/i.test(name)) {
    if (!host) throw wrong('name', 'may begin with __Host- only if secure, without domain, with the path /');
    return name;
  }
  if (/^__secure-/i.test(name)) {
    if (!secure) throw wrong('name', 'may begin with __Secure- only if secure');
    return name;
  }
  if (host) return `__Host-${name}`;
  return secure ? `__Secure-${name}` : name;
}

function checkKeys(given: string | readonly string[] | undefined): readonly string[] {
  if (given === undefined) return [];
  const keys = typeof given === 'string' ? [given] : [...given];
  if (keys.length === 0 || keys.length > signingKeysMax) {
    throw wrong('keys', `must be 1 to ${signingKeysMax} keys; leave it out for ids that are not signed`);
  }
  for (const key of keys) {
    if (typeof key !== 'string') throw new TypeError('a key that signs cookies must be a string');
    // RFC 2104, section 3: shorter than the hash weakens the signature. ASCII at the least is as many bytes.
    if (key.length < signingKeyBytesMin) {
      throw wrong(
        'keys',
        `holds one of less than ${signingKeyBytesMin} characters; make it: openssl rand -base64 32`,
      );
    }
  }
  if (new Set(keys).size < keys.length) throw wrong('keys', 'holds one twice');
  return keys;
}

const signingKeyBytesMin = 32;

function wrong(field: string, problem: string): AmbitError {
  return new AmbitError('INVALID_INPUT', `cookie.${field} ${problem}`);
}
