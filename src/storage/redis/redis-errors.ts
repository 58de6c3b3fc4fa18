import { AmbitError, StorageUnavailableError, type WriteOutcome } from '../storage.js';
import { schemaVersion } from './redis-scripts.js';

/**
 * What to do about an error that Redis answers, by its first word. Redis gives all of these before a script's first
 * write, so that nothing was written.
 */
const advice: Readonly<Record<string, string>> = {
  READONLY: 'it is a read-only replica; wait for the failover, or name the primary',
  LOADING: 'it is still loading its data; try again',
  MASTERDOWN: 'it is a replica without its primary; try again',
  CLUSTERDOWN: 'the cluster is down, or this slot of it; try again',
  MOVED: 'the slot moved to another node; try again',
  ASK: 'the slot is moving to another node; try again',
  TRYAGAIN: 'the slot is moving to another node; try again',
  BUSY: 'it is busy with a script; try again',
  OOM: 'its memory is full (maxmemory); give it more, or sweep what expired',
  MISCONF: 'it cannot write to its disk and takes no writes; look at its log',
  NOREPLICAS: 'too few of its replicas are there (min-replicas-to-write); look at them',
  NOAUTH: 'it wants a password; put it into the URL',
  WRONGPASS: 'the user name or the password is wrong',
};

/** What to do about an error of the network, by its code. */
const networkAdvice: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there; check host and port, and whether Redis runs',
  ENOTFOUND: 'the host is not known; check its name',
  EAI_AGAIN: 'the host cannot be looked up now; check the network',
  ETIMEDOUT: 'it cannot be reached in time; check the network',
  EHOSTUNREACH: 'it cannot be reached; check the network',
  ENETUNREACH: 'it cannot be reached; check the network',
  EPIPE: 'the connection broke',
  ECONNRESET: 'the connection broke',
};

/** The first word of an error that Redis answered, or undefined for any other error. */
function codeOf(error: unknown): string | undefined {
  const { name, message } = error instanceof Error ? error : { name: '', message: '' };
  return name === 'ReplyError' ? (/^[A-Z]+/.exec(message)?.[0] ?? 'ERR') : undefined;
}

/** Whether Redis has not seen this script yet, or not since its start. */
export function isNoScript(error: unknown): boolean {
  return codeOf(error) === 'NOSCRIPT';
}

/**
 * The error for whoever called a method.
 *
 * The client's own error is not its cause: it carries the command with all arguments, the password of AUTH included.
 *
 * @param sent whether the command may have reached the server
 */
export function unavailable(server: string, error: unknown, sent: boolean): AmbitError {
  if (error instanceof AmbitError) return error;
  const { message, name } = error instanceof Error ? error : { message: String(error), name: '' };
  // An old server repeats the arguments of a command it does not know, and HELLO carries the password.
  const line = (message.split(/\n|, with args/)[0] ?? '').slice(0, 200);
  const schema = /^AMBITSCHEMA (\S*)/.exec(line)?.[1];
  if (schema !== undefined) return wrongSchema(server, schema);
  const lacking = /^AMBITRIGHTS (.*)/.exec(line)?.[1];
  if (lacking !== undefined)
    return refused(server, lackingCommands(lacking.toLowerCase().split(' ')), 'none');
  const code = codeOf(error);
  if (code === 'NOPERM') return refused(server, lackingRight(line), 'none');
  // Somebody took a right away while the store was open: what the script wrote before is not taken back.
  if (/^(?:ERR|NOPERM) .*user executing the script can't/.test(line)) {
    const words = 'this user lacks a right that it had when the store was opened; open it again to see which';
    return refused(server, words, sent ? 'unknown' : 'none');
  }
  if (code === 'WRONGTYPE') return wrongSchema(server, '');
  if (code !== undefined) {
    const known = advice[code];
    const full = /max number of clients/.test(line)
      ? 'it takes no more clients (maxclients); try again'
      : undefined;
    const outcome: WriteOutcome = known !== undefined || full !== undefined || !sent ? 'none' : 'unknown';
    // What Redis says beside the code may name the user.
    const words = known === undefined ? (full ?? `it answered an error: ${line}`) : `${known} (${code})`;
    return refused(server, words, outcome);
  }
  if (name === 'MaxRetriesPerRequestError' || line === 'Connection is closed.')
    return refused(server, 'the connection was lost', sent ? 'unknown' : 'none');
  const networkCode = String((error as { code?: unknown } | null)?.code);
  const advised = networkAdvice[networkCode];
  if (advised !== undefined) return refused(server, `${advised} (${networkCode})`, sent ? 'unknown' : 'none');
  if (line.startsWith('Socket timeout'))
    return refused(server, 'no answer came in time; look whether it hangs', sent ? 'unknown' : 'none');
  // The client did not even try.
  if (line.includes('enableOfflineQueue')) return refused(server, 'the connection is lost', 'none');
  return refused(server, line, sent ? 'unknown' : 'none');
}

/** What NOPERM is about. Its words may name the user, so they are not passed on. */
function lackingRight(line: string): string {
  if (/ access /.test(line)) {
    return 'this user may not read and write the keys of Ambit; allow it with ACL SETUSER NAME ~ambit:* (docs/redis.md has the whole rule)';
  }
  const command = /'([a-z]+(?:\|[a-z]+)?)' command/i.exec(line)?.[1];
  if (command !== undefined) return lackingCommands([command.toLowerCase()]);
  return 'this user may not do what Ambit needs; docs/redis.md has the rule to give it';
}

function lackingCommands(commands: readonly string[]): string {
  const names = commands.map((command) => command.toUpperCase().replace('|', ' ')).join(', ');
  const rules = commands.map((command) => `+${command}`).join(' ');
  return `this user may not run ${names}; allow it with ACL SETUSER NAME ${rules} (docs/redis.md has the whole rule)`;
}

/** The error for whoever called a method of a store that is open. All others but this kind say that nothing was written. */
export function refusalOf(error: AmbitError): StorageUnavailableError {
  if (error instanceof StorageUnavailableError) return error;
  const never = error.code === 'STORE_SCHEMA_TOO_NEW';
  return new StorageUnavailableError(error.message, {
    outcome: 'none',
    ...(never && { retryAfterMs: 'never' as const }),
  });
}

export function refused(server: string, words: string, outcome: WriteOutcome): StorageUnavailableError {
  return new StorageUnavailableError(`redis: ${server}: ${words}`, { outcome });
}

function wrongSchema(server: string, found: string): AmbitError {
  if (/^\d+$/.test(found) && Number(found) > schemaVersion) {
    return new AmbitError(
      'STORE_SCHEMA_TOO_NEW',
      `redis: ${server}: a newer Ambit wrote this namespace (schema ${found}, this one knows ${schemaVersion}); install that version`,
    );
  }
  return new AmbitError(
    'STORE_CORRUPT',
    `redis: ${server}: the namespace holds keys of another program; choose another namespace`,
  );
}
