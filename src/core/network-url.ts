/** The schemes of servers, and the backend that each belongs to. */
export const networkKinds: ReadonlyMap<string, 'postgres' | 'redis'> = new Map([
  ['postgres', 'postgres'],
  ['postgresql', 'postgres'],
  ['redis', 'redis'],
  ['rediss', 'redis'],
]);

/** The URL of a server in its parts, each as it was written. */
export interface NetworkUrl {
  /** User name and password. */
  readonly userInfo: string | undefined;
  /** Host and port. */
  readonly host: string;
  /** The database, with the slash before it, or nothing. */
  readonly path: string;
  readonly query: string | undefined;
}

/**
 * Takes the URL of a server apart, or says what is wrong with it without repeating any of it. Stricter than `URL`, whose
 * errors show the password, and which finds a place for each half of a password that holds a `/`, a `?` or a `#`.
 *
 * @param rest what follows the colon of the scheme
 */
export function parseNetworkUrl(scheme: string, rest: string): NetworkUrl | string {
  const kind = networkKinds.get(scheme.toLowerCase());
  const form =
    kind === 'redis'
      ? `${scheme}://USER:PASSWORD@HOST:6379/0`
      : `${scheme}://USER:PASSWORD@HOST:5432/DATABASE`;
  if (!rest.startsWith('//')) return `write it as ${form}`;
  if (/[\s\p{C}]/u.test(rest)) return 'it holds a space or a control character; write %20 for a space';
  const [, userInfo, host, path = '', query] =
    /^\/\/(?:([^/?#]*)@)?([^@/?#]*)(\/[^@?#]*)?(?:\?([^@#]*))?$/.exec(rest) ?? [];
  const [, name, port] = /^(\[[0-9A-Fa-f:.]+\]|[^:[\]]*)(?::(\d{1,5}))?$/.exec(host ?? '') ?? [];
  if (host === undefined || name === undefined || Number(port ?? 0) > 65_535) {
    return `it cannot be taken apart; write it as ${form}, and in a password %40 for @, %2F for /, %3F for ?, %23 for #`;
  }
  if (kind === 'redis') {
    if (name === '') return `it names no host; write it as ${form}`;
    if (!/^\/?\d{0,5}$/.test(path)) return 'after the host comes the number of a database, such as /0';
  }
  return { userInfo, host, path, query };
}

/** What comes before a separator, and what comes after it, if it is there. */
export function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
