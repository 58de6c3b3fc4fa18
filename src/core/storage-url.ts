import { AmbitError } from './errors.js';
import { networkKinds, type NetworkUrl, parseNetworkUrl, splitOnce } from './network-url.js';

/** The least an acknowledged call must survive, as a URL may say it. */
export type DurabilityAccepted = 'none' | 'bounded-loss' | 'process' | 'power';

/** Where a store is, taken apart. Holds the password, if there is one: show {@link redactStorageUrl} of the text instead. */
export type StorageLocation =
  | { readonly kind: 'memory' }
  | {
      readonly kind: 'sqlite';
      readonly path: string;
      readonly eventLoop: 'fast' | 'free';
      readonly durability: 'power' | 'process';
    }
  | { readonly kind: 'file'; readonly path: string; readonly durability: 'power' | 'process' }
  | {
      readonly kind: 'postgres' | 'redis';
      /** As its client takes it: our own parameters are gone, theirs are still there. */
      readonly url: string;
      readonly namespace?: string;
      /** What is accepted where the server is set to keep less than `power`. */
      readonly durability: DurabilityAccepted;
    };

/**
 * Takes a storage URL apart:
 *
 * - `memory:`
 * - `sqlite:PATH` and `file:PATH`, where PATH is relative to the working directory, or absolute. `?eventLoop=free`
 *   (SQLite) and `?durability=process` may follow.
 * - `postgres://USER:PASSWORD@HOST:PORT/DATABASE` (or `postgresql://`) and `redis://USER:PASSWORD@HOST:PORT/NUMBER` (or
 *   `rediss://` for TLS). `?namespace=NAME` and `?durability=bounded-loss` may follow, and the client's own parameters.
 *
 * @throws AmbitError `INVALID_INPUT`, in one line that never shows a user name, a password or a token
 * @example
 * ```ts
 * import { openAmbit } from 'ambit';
 * const ambit = await openAmbit({ storage: 'sqlite:./ambit.db?eventLoop=free' });
 * await ambit.close();
 * ```
 */
export function parseStorageUrl(text: string): StorageLocation {
  if (typeof text !== 'string') throw new TypeError('a storage URL must be a string');
  const [, given = '', rest = ''] = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/s.exec(text) ?? [];
  const scheme = given.toLowerCase();
  const kind = networkKinds.get(scheme);
  if (kind) return networkLocation(text, scheme, kind, rest);
  const [path, query = ''] = splitOnce(rest, '?');
  switch (scheme) {
    case 'memory':
      if (path !== '') throw invalid(text, 'memory: takes no path; write it as memory:');
      parametersOf(text, query, []);
      return { kind: 'memory' };
    case 'sqlite': {
      const parameters = parametersOf(text, query, ['eventLoop', 'durability']);
      return {
        kind: 'sqlite',
        path: localPath(text, scheme, path),
        eventLoop: oneOf(text, parameters, 'eventLoop', ['fast', 'free']),
        durability: oneOf(text, parameters, 'durability', ['power', 'process']),
      };
    }
    case 'file': {
      const parameters = parametersOf(text, query, ['durability']);
      return {
        kind: 'file',
        path: localPath(text, scheme, path),
        durability: oneOf(text, parameters, 'durability', ['power', 'process']),
      };
    }
    case '':
      throw invalid(text, `it has no scheme; write one of ${forms}`);
    default:
      throw invalid(text, `its scheme is not known; write one of ${forms}`);
  }
}

const forms = 'memory:, sqlite:./ambit.db, file:./ambit, postgres://… or redis://…';

/**
 * A storage URL as it may be shown: user names, passwords and parameters that are none of ours are gone, and so is
 * everything whose place in it is in doubt. Works on any text, also on what is no URL.
 */
export function redactStorageUrl(text: string): string {
  const printable = text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
  const [, scheme = '', rest = ''] = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/.exec(printable) ?? [];
  if (networkKinds.has(scheme.toLowerCase())) return `${scheme}:${redactNetwork(scheme, rest)}`;
  switch (scheme.toLowerCase()) {
    case 'memory':
    case 'sqlite':
    case 'file': {
      const [path, query] = splitOnce(rest, '?');
      // Who takes a file for a server may have put a password anywhere.
      if (rest.includes('@') || /^\/\/(?!\/)/.test(rest)) return `${scheme}:***`;
      return `${scheme}:${path}${query === undefined ? '' : redactQuery(query)}`;
    }
    case '':
      // A bare path, most likely. With any of these in it, it may as well be a URL that lost its head.
      return /[@:?=&]/.test(printable) ? '***' : printable;
    default:
      // `bob:password` looks like a scheme, too.
      return rest.startsWith('//') ? `${scheme}://***` : '***';
  }
}

function redactNetwork(scheme: string, rest: string): string {
  const url = parseNetworkUrl(scheme, rest);
  // What cannot be taken apart may hold a password in any of its parts.
  if (typeof url === 'string') return '//***';
  const user = url.userInfo === undefined ? '' : '***@';
  return `//${user}${url.host}${url.path}${url.query === undefined ? '' : redactQuery(url.query)}`;
}

/** Of a query, what is ours and looks like it, and the names of what is known to be its client's. */
function redactQuery(query: string): string {
  const shown: string[] = [];
  for (const pair of query.split('&')) {
    const [name, value = ''] = splitOnce(pair, '=');
    const own = ownParameters.get(name);
    // A value that holds an & goes on after it: past an unknown name nothing is certain.
    if (!own && !knownToClients.has(name)) {
      shown.push('***');
      break;
    }
    shown.push(`${name}=${own?.test(value) ? value : '***'}`);
    if (own && !own.test(value)) break;
  }
  return `?${shown.join('&')}`;
}

const plainName = /^[A-Za-z0-9_-]{0,64}$/;

/** Our parameters, and what their values look like. */
const ownParameters: ReadonlyMap<string, RegExp> = new Map([
  ['eventLoop', /^(?:fast|free)$/],
  ['durability', /^(?:none|bounded-loss|process|power)$/],
  ['namespace', plainName],
]);

/** Past 40 characters a namespace would not fit into the names that backends make of it: PostgreSQL's end at 63. */
const namespaceCharsMax = 40;

function networkLocation(
  text: string,
  scheme: string,
  kind: 'postgres' | 'redis',
  rest: string,
): StorageLocation {
  const url = parseNetworkUrl(scheme, rest);
  if (typeof url === 'string') throw invalid(text, url);
  const own = ['namespace', 'durability'];
  const parameters = parametersOf(text, url.query ?? '', [...own, ...clientParameters[kind]]);
  for (const part of [url.userInfo ?? '', url.path]) decoding(text, part);
  const durability = oneOf(text, parameters, 'durability', ['power', 'process', 'bounded-loss', 'none']);
  const namespace = parameters.get('namespace');
  if (
    namespace !== undefined &&
    (!plainName.test(namespace) || namespace.length > namespaceCharsMax || !namespace)
  ) {
    throw invalid(text, `namespace must be 1 to ${namespaceCharsMax} letters, digits, _ and -`);
  }
  return {
    kind,
    url: clientUrl(scheme, url, own),
    ...(namespace !== undefined && { namespace }),
    durability,
  };
}

/**
 * What the clients understand of a URL. Anything else is refused rather than passed on: they ignore what they do not
 * know, so that a misspelt `namespace` would open another store, and a misspelt `sslmode` an open line.
 */
const clientParameters: Readonly<Record<'postgres' | 'redis', readonly string[]>> = {
  postgres: [
    'application_name',
    'host',
    'options',
    'sslcert',
    'sslkey',
    'sslmode',
    'sslnegotiation',
    'sslrootcert',
    'uselibpqcompat',
  ],
  redis: ['family'],
};

const knownToClients: ReadonlySet<string> = new Set(Object.values(clientParameters).flat());

/** The text as it was, without our parameters: nothing of it is encoded anew. */
function clientUrl(scheme: string, url: NetworkUrl, own: readonly string[]): string {
  const theirs = (url.query ?? '')
    .split('&')
    .filter((pair) => pair !== '' && !own.includes(splitOnce(pair, '=')[0]));
  const user = url.userInfo === undefined ? '' : `${url.userInfo}@`;
  return `${scheme}://${user}${url.host}${url.path}${theirs.length > 0 ? `?${theirs.join('&')}` : ''}`;
}

function localPath(text: string, scheme: string, path: string): string {
  // sqlite:///abs/path is a file URL's way of writing it; sqlite://host/path would name a host.
  const local = path.startsWith('///') ? path.slice(2) : path;
  if (local.startsWith('//'))
    throw invalid(text, `it must be on this machine; write ${scheme}:/path or ${scheme}:./path`);
  const decoded = decoding(text, local);
  if (decoded === '' || decoded.includes('\0'))
    throw invalid(text, `it names no file; write ${scheme}:./ambit${scheme === 'sqlite' ? '.db' : ''}`);
  return decoded;
}

function parametersOf(text: string, query: string, known: readonly string[]): Map<string, string> {
  const parameters = new Map<string, string>();
  const advice = known.length === 0 ? 'it takes none' : `it takes ${known.join(', ')}`;
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const [name, value] = splitOnce(pair, '=');
    // Shown only where it reads like a name: the end of a password may have come here.
    const shown = value !== undefined && /^[A-Za-z_.]{1,40}$/.test(name) ? ` ${JSON.stringify(name)}` : '';
    if (!known.includes(name)) throw invalid(text, `a parameter${shown} of it is not known; ${advice}`);
    if (parameters.has(name)) throw invalid(text, `it gives${shown} twice`);
    parameters.set(name, decoding(text, value ?? ''));
  }
  return parameters;
}

function oneOf<T extends string>(
  text: string,
  parameters: Map<string, string>,
  name: string,
  choices: readonly [T, ...T[]],
): T {
  const given = parameters.get(name);
  const chosen = choices.find((choice) => choice === (given ?? choices[0]));
  if (chosen === undefined) throw invalid(text, `${name} must be ${choices.join(' or ')}`);
  return chosen;
}

function decoding(text: string, part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalid(text, 'a % in it begins no escape; write %25 for the character itself');
  }
}

function invalid(text: string, problem: string): AmbitError {
  return new AmbitError('INVALID_INPUT', `storage URL ${JSON.stringify(redactStorageUrl(text))}: ${problem}`);
}
