/** How records and groups travel to the scripts and back; the forms are described in `redis-scripts.ts`. */
import {
  absent,
  AmbitError,
  type Key,
  type Outcome,
  type StoredRecord,
  type Transaction,
  Value,
} from '../storage.js';

/** Characters of the expiry, at the beginning of what is stored: of fixed width, so that a script finds it at once. */
const expiryChars = 16;
const never = '-'.repeat(expiryChars);

/** What a script answered for one key. */
export type Stored = string | null;

/** A record as it is stored: expiry, version, a space, the value's text. */
export function storedText(version: string, text: string, expiresAtMs: number | undefined): string {
  return `${expiresAtMs === undefined ? never : expiryText(expiresAtMs)}${version} ${text}`;
}

export function recordOf(key: Key, stored: Stored | undefined): StoredRecord | undefined {
  if (stored === null || stored === undefined) return undefined;
  const space = stored.indexOf(' ', expiryChars);
  if (space < 0) {
    throw new AmbitError(
      'STORE_CORRUPT',
      `redis: the record ${JSON.stringify(key)} was not written by this program`,
    );
  }
  const version = stored.slice(expiryChars, space);
  const value = Value.fromText(stored.slice(space + 1));
  if (stored.startsWith(never)) return { key, version, value };
  return { key, version, value, expiresAtMs: Number(stored.slice(0, expiryChars)) };
}

export function recordsOf(keys: readonly Key[], stored: readonly Stored[]): (StoredRecord | undefined)[] {
  return keys.map((key, index) => recordOf(key, stored[index]));
}

/**
 * A group as the one argument of the script `commit`.
 *
 * @param token whose locks are heeded as their own, and the keys that it locked
 */
export function groupArgument(
  transactions: readonly Transaction[],
  { token, keys: lockedKeys }: { readonly token: string; readonly keys: readonly Key[] },
): string {
  const keys: string[] = [];
  const pairs: string[] = [];
  let counts = '';
  let deadlines = '';
  let firstDeadline = Number.POSITIVE_INFINITY;
  for (const { writes, notAfterMs } of transactions) {
    for (const write of writes) {
      keys.push(write.key);
      pairs.push(write.expected === absent ? '' : `${write.expected} `);
      if (write.kind === 'put') pairs.push(storedText(write.version, write.value.text, write.expiresAtMs));
      else pairs.push(write.kind === 'delete' ? '-' : '');
    }
    counts += `${writes.length},`;
    deadlines += `${notAfterMs ?? ''},`;
    if (notAfterMs !== undefined && notAfterMs < firstDeadline) firstDeadline = notAfterMs;
  }
  if (keys.length === transactions.length && transactions.every(({ writes }) => writes.length === 1))
    counts = '';
  const first = firstDeadline === Number.POSITIVE_INFINITY ? '' : String(firstDeadline);
  const head = [
    token,
    lockedKeys.length,
    ...lockedKeys,
    transactions.length,
    keys.length,
    counts,
    first,
    deadlines,
  ];
  return `${[head.join('\n'), ...keys, ...pairs].join('\n')}\n`;
}

/** What the script `commit` answered: a letter for each transaction, and records for those in conflict. */
export function outcomesOf(
  transactions: readonly Transaction[],
  letters: string,
  stored: readonly Stored[],
): (Outcome | 'busy')[] {
  let at = 0;
  return transactions.map(({ writes }, index) => {
    switch (letters[index]) {
      case 'o':
        return ok;
      case 'l':
        return late;
      case 'b':
        return 'busy';
      case 'c': {
        const current = writes.map((write) => recordOf(write.key, stored[at++]));
        return { status: 'conflict', current };
      }
      default:
        throw new Error('redis: an answer without an outcome: a bug');
    }
  });
}

const ok: Outcome = Object.freeze({ status: 'ok' });
const late: Outcome = Object.freeze({ status: 'late' });

function expiryText(expiresAtMs: number): string {
  const digits = String(Math.abs(expiresAtMs));
  const text =
    expiresAtMs < 0 ? `-${digits.padStart(expiryChars - 1, '0')}` : digits.padStart(expiryChars, '0');
  if (text.length === expiryChars && Number.isFinite(expiresAtMs)) return text;
  throw new AmbitError(
    'INVALID_INPUT',
    `redis: ${expiresAtMs} is no time to expire at; give milliseconds since 1970`,
  );
}
