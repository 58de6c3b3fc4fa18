import { AmbitError } from './errors.js';

/** Where a store is, taken apart. Holds the password, if there is one: show {@link redactStorageUrl} of the text instead. */
export type StorageLocation =
  | { readonly kind: 'memory' }
  | {
      readonly kind: 'sqlite';
      readonly path: string;
      readonly eventLoop: 'fast' | 'free';
      readonly durability: 'power' | 'process';
    };

/** A scheme this version has no backend for is not a typing mistake: say so. */
const schemesToCome: readonly string[] = ['file', 'postgres', 'postgresql', 'redis', 'rediss'];

/**
 * Takes a storage URL apart: `memory:` or `sqlite:PATH`, where PATH is relative to the working directory, or absolute,
 * and may be followed by `?eventLoop=free` and `?durability=process`.
 *
 * @throws AmbitError `INVALID_INPUT`, in one line that never shows a password
 * @example
 * ```ts
 * import { openAmbit } from 'ambit';
 * const ambit = await openAmbit({ storage: 'sqlite:./ambit.db?eventLoop=free' });
 * await ambit.close();
 * ```
 */
export function parseStorageUrl(text: string): StorageLocation {
  if (typeof text !== 'string') throw new TypeError('a storage URL must be a string');
  const [, scheme = '', rest = ''] = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/s.exec(text) ?? [];
  const [path, query = ''] = splitOnce(rest, '?');
  const parameters = parametersOf(text, query);
  switch (scheme.toLowerCase()) {
    case 'memory':
      if (path !== '') throw invalid(text, 'memory: takes no path; write it as memory:');
      allowOnly(text, parameters, []);
      return { kind: 'memory' };
    case 'sqlite':
      allowOnly(text, parameters, ['eventLoop', 'durability']);
      return {
        kind: 'sqlite',
        path: sqlitePath(text, path),
        eventLoop: oneOf(text, parameters, 'eventLoop', ['fast', 'free']),
        durability: oneOf(text, parameters, 'durability', ['power', 'process']),
      };
    case '':
      throw invalid(text, 'it has no scheme; write memory: or sqlite:./ambit.db');
    default:
      if (schemesToCome.includes(scheme.toLowerCase())) {
        throw invalid(text, `this version of Ambit has no ${scheme} backend; use memory: or sqlite:`);
      }
      throw invalid(text, 'its scheme is not known; use memory: or sqlite:');
  }
}

/**
 * A storage URL as it may be shown: user names, passwords and parameters that are none of ours are gone. Works on any
 * text, also on what is no URL.
 */
export function redactStorageUrl(text: string): string {
  const printable = text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?');
  // Up to the last @ of all: a password may hold any character, an @, a / or a ? too, and the scheme may be missing.
  return printable
    .replace(/^([A-Za-z][A-Za-z0-9+.-]*:(?:\/\/)?)?.*@/, '$1***@')
    .replace(/([?&](?!eventLoop=|durability=|namespace=)[^=&]*=)[^&]*/g, '$1***');
}

function sqlitePath(text: string, path: string): string {
  // sqlite:///abs/path is a file URL's way of writing it; sqlite://host/path would name a host.
  const local = path.startsWith('///') ? path.slice(2) : path;
  if (local.startsWith('//'))
    throw invalid(text, 'a SQLite file is on this machine; write sqlite:/path or sqlite:./path');
  const decoded = decoding(text, local);
  if (decoded === '' || decoded.includes('\0'))
    throw invalid(text, 'it names no file; write sqlite:./ambit.db');
  return decoded;
}

function parametersOf(text: string, query: string): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const pair of query === '' ? [] : query.split('&')) {
    const [name, value = ''] = splitOnce(pair, '=');
    if (parameters.has(name)) throw invalid(text, `it gives ${JSON.stringify(name)} twice`);
    parameters.set(name, decoding(text, value));
  }
  return parameters;
}

function allowOnly(text: string, parameters: Map<string, string>, known: readonly string[]): void {
  const unknown = [...parameters.keys()].find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const advice = known.length === 0 ? 'it takes none' : `it takes ${known.join(' and ')}`;
  throw invalid(text, `the parameter ${JSON.stringify(unknown)} is not known; ${advice}`);
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

function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function invalid(text: string, problem: string): AmbitError {
  return new AmbitError('INVALID_INPUT', `storage URL ${JSON.stringify(redactStorageUrl(text))}: ${problem}`);
}
