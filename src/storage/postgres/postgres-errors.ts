import { AmbitError, StorageUnavailableError, type WriteOutcome } from '../storage.js';

/** The code of an error of the server (five characters, SQLSTATE) or of the network (`ECONNREFUSED`). */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

/** Whether the server chose this transaction to give way to another: it is as if it had never been. */
export function gaveWay(error: unknown): boolean {
  return ['40001', '40P01'].includes(codeOf(error));
}

/** Whether a lock was not to be had within the bound. */
export function isLockTimeout(error: unknown): boolean {
  return codeOf(error) === '55P03';
}

/** Raised by the functions of the store: the caller is of another version of the schema. */
export const otherSchemaCode = 'AMB01';

/** Whether a table or a function is not what it was: the namespace was dropped, or a newer Ambit changed it. */
export function isSchemaGone(error: unknown): boolean {
  return [otherSchemaCode, '42P01', '42883', '3F000'].includes(codeOf(error));
}

/** Raised here when an answer does not come within the bound. */
export const noAnswerCode = 'AMBIT_NO_ANSWER';

/**
 * Errors that the server sends instead of committing, by the beginning of their code: nothing was written. All others
 * come, or may come, with the end of the connection, and then nobody can say: a disk that is full, for instance, is an
 * error of one statement or the end of the server.
 */
const nothingWritten: readonly string[] = [
  '08P01', // what we sent was not understood
  '0A', // not supported
  '22', // data
  '23', // constraints
  '25', // state of the transaction: read-only, idle for too long
  '26', // a prepared statement that is unknown
  '28', // not let in
  '3D', // no such database
  '3F', // no such schema
  '40001',
  '40P01',
  '42', // no such table or function, no privilege
  '53300', // too many connections
  '54', // limits of a program
  '55', // locks
  '57014', // cancelled, by statement_timeout as well
  '57P03', // it does not accept connections now
  otherSchemaCode,
];

/** What an error says of a write that was sent before it came. */
export function outcomeAfterSending(error: unknown): WriteOutcome {
  const code = codeOf(error);
  return nothingWritten.some((beginning) => code.startsWith(beginning)) ? 'none' : 'unknown';
}

/** What to tell of an error, by the beginning of its code: the words of a server may hold what users wrote. */
const advice: readonly (readonly [code: string, words: string])[] = [
  ['ECONNREFUSED', 'nobody listens there; check host and port, and whether PostgreSQL runs'],
  ['ENOTFOUND', 'the host is not known; check its name'],
  ['EAI_AGAIN', 'the host cannot be looked up now; check the network'],
  ['ENOENT', 'there is no such socket; check the host, and whether PostgreSQL runs'],
  ['EACCES', 'the socket may not be opened; check its permissions'],
  ['ETIMEDOUT', 'it cannot be reached in time; check the network'],
  ['EHOSTUNREACH', 'it cannot be reached; check the network'],
  ['ENETUNREACH', 'it cannot be reached; check the network'],
  ['ECONNRESET', 'the connection broke'],
  ['EPIPE', 'the connection broke'],
  [noAnswerCode, 'no answer came in time; look whether the server hangs or is overloaded'],
  ['28P01', 'the user name or password is wrong'],
  ['28', 'the server does not let this user in; look at pg_hba.conf'],
  ['3D000', 'there is no such database; create it, or name another'],
  ['3F000', 'the namespace is gone; was it dropped?'],
  ['42P01', 'the tables of the namespace are gone; were they dropped?'],
  ['42883', 'the functions of the namespace are gone; were they dropped?'],
  ['42501', 'this user lacks a privilege; look at docs/postgres.md for those that are needed'],
  ['53300', 'the server has no connection left; raise max_connections or close some'],
  ['53100', 'its disk is full; free some space'],
  ['53', 'the server is out of resources'],
  ['25006', 'the server is read-only: a standby, or set so; connect to the primary'],
  ['25P03', 'the transaction was idle for too long, and the server ended it'],
  [otherSchemaCode, 'a newer Ambit has changed its tables; update this program and start it anew'],
  ['40', 'the transaction gave way to others'],
  ['55P03', 'rows were kept locked by others for too long; look for a process that hangs'],
  ['57014', 'the statement was cancelled, or took longer than statement_timeout'],
  ['57P01', 'the server is shutting down'],
  ['57P02', 'the server crashed and restarts'],
  ['57P03', 'the server is starting or stopping'],
  ['57P', 'the connection was ended by the server'],
  ['58', "the server's disk failed; look at its log"],
  ['XX', 'the server failed; look at its log'],
];

/** One line on an error, which names the place and holds no secret. */
export function lineOf(place: string, error: unknown): string {
  const code = codeOf(error);
  if ((error as { syscall?: unknown } | null)?.syscall === 'open') {
    return `postgres: ${place}: a file that its URL names cannot be read (${code}); look at sslrootcert, sslcert and sslkey`;
  }
  const words = advice.find(([beginning]) => code.startsWith(beginning))?.[1] ?? wordsOf(error);
  return `postgres: ${place}: ${words}${code === '' ? '' : ` (${code})`}`;
}

/** Errors of the client library itself, which have no code. */
function wordsOf(error: unknown): string {
  const said = error instanceof Error ? error.message : '';
  if (/password|SASL|SCRAM/.test(said))
    return 'the password is missing, or the server asks for it in an unknown way';
  if (/SSL|TLS|certificate/i.test(said))
    return 'TLS cannot be agreed on; look at sslmode and the certificates';
  if (/timeout/i.test(said)) return 'no connection was to be had in time';
  if (/terminated|not queryable|closed|ended|end on the pool/i.test(said)) return 'the connection broke';
  return 'the server answered with an error';
}

/** The error for whoever called a method. What is neither the server's, the network's nor the client's is a bug, and passed on. */
export function unavailable(place: string, error: unknown, outcome: WriteOutcome): unknown {
  const bug = (error instanceof TypeError || error instanceof RangeError) && codeOf(error) === '';
  if (error instanceof AmbitError || bug) return error;
  // Without the cause: a client's error may carry the settings of its connection.
  const never = codeOf(error) === otherSchemaCode;
  return new StorageUnavailableError(lineOf(place, error), {
    outcome,
    ...(never && { retryAfterMs: 'never' }),
  });
}
