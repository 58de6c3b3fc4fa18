import {
  checkCookie,
  cookieValues,
  type SessionCookieOptions,
  setCookie,
} from '../../src/web/cookie-rules.js';
import { describe, expect, it, test } from 'vitest';

const key = 'k'.repeat(32);

describe('the name of a cookie', () => {
  test.each<[SessionCookieOptions, string]>([
    [{}, '__Host-session'],
    [{ name: 'sid', keys: key }, '__Host-sid'],
    [{ path: '/app' }, '__Secure-session'],
    [{ domain: 'example.org' }, '__Secure-session'],
    [{ secure: false }, 'session'],
    [{ name: '__Host-sid' }, '__Host-sid'],
    [{ name: '__Secure-sid', domain: 'example.org' }, '__Secure-sid'],
    [{ name: '__Secure-sid' }, '__Secure-sid'],
  ])('%o is %s', (options, name) => {
    expect(checkCookie(options).name).toBe(name);
  });
});

describe('what is not safe, or no browser takes, is refused by name', () => {
  test.each<[unknown, string]>([
    [{ sameSite: 'none', secure: false }, 'sameSite'],
    [{ sameSite: 'Lax' }, 'sameSite'],
    [{ partitioned: true, secure: false }, 'partitioned'],
    [{ name: '__Host-sid', domain: 'example.org' }, 'name'],
    [{ name: '__Host-sid', path: '/app' }, 'name'],
    [{ name: '__host-sid', secure: false }, 'name'],
    [{ name: '__Secure-sid', secure: false }, 'name'],
    [{ name: 'a b' }, 'name'],
    [{ name: 'a;b' }, 'name'],
    [{ name: '' }, 'name'],
    [{ name: 'x'.repeat(65) }, 'name'],
    [{ path: '/; Secure' }, 'path'],
    [{ path: 'app' }, 'path'],
    [{ path: '/\r\nSet-Cookie: a=b' }, 'path'],
    [{ domain: 'org' }, 'domain'],
    [{ domain: 'example.org; Path=/' }, 'domain'],
    [{ domain: '.example.org' }, 'domain'],
    [{ keys: [] }, 'keys'],
    [{ keys: '' }, 'keys'],
    [{ keys: 'k'.repeat(31) }, 'keys'],
    [{ keys: [key, key] }, 'keys'],
    [{ keys: Array.from({ length: 17 }, (_none, index) => `${key}${index}`) }, 'keys'],
    [{ secure: 'yes' }, 'secure'],
    [{ httpOnly: false }, 'httpOnly'],
  ])('%o', (options, field) => {
    expect(() => checkCookie(options as SessionCookieOptions)).toThrow(`cookie.${field}`);
  });

  it('and no message shows a key', () => {
    expect(() => checkCookie({ keys: 'secret' })).toThrow(/^(?!.*secret)/);
  });
});

describe('headers', () => {
  it('a cookie that lasts as long as the browser has no age', () => {
    const shape = checkCookie({ persistent: false, sameSite: 'none', partitioned: true });
    expect(setCookie(shape, 'v', 60)).toBe(
      '__Host-session=v; Path=/; HttpOnly; Secure; SameSite=None; Partitioned',
    );
  });

  test.each<[string | undefined, string[]]>([
    [undefined, []],
    ['', []],
    ['a=1', ['1']],
    ['aa=1; a=2', ['2']],
    ['b=a=1; a=2', ['2']],
    ['a=1;a=2 ; a = 3', ['1', '2', '3']],
    [Array.from({ length: 9 }, (_none, index) => `a=${index}`).join('; '), ['0', '1', '2', '3']],
    ['a', []],
    ['A=1', []],
    ['a=', ['']],
    ['a="1"', ['"1"']],
  ])('%s', (header, values) => {
    expect(cookieValues(header, 'a')).toEqual(values);
  });
});
