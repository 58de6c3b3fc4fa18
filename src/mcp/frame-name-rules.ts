/**
 * Members the leash decides by. One that only looks like them (`Method`, `ｍethod`, `id` with an invisible character)
 * is a member to one parser, and unknown to the next.
 */
const decisiveNames = [
  'jsonrpc',
  'id',
  'method',
  'params',
  'name',
  'result',
  'error',
  // Read in `params`: what is repeated, polled and cancelled.
  'requestState',
  'taskId',
  'requestId',
];

const decisiveByFold = new Map(decisiveNames.map((name) => [foldName(name), name]));

/**
 * Says why a member of an envelope or of `params` could be read in two ways, or nothing.
 *
 * @param key decoded, as `JSON.parse` gives it
 */
export function memberNameProblem(key: string): string | undefined {
  if (isPlainName(key)) return lookalikeProblem(key, key.toLowerCase());
  // Replaced by one parser, dropped by the next, and a C string ends at NUL.
  if (!key.isWellFormed()) return 'a member whose name holds half of a surrogate pair';
  if (/\p{Cc}/u.test(key)) return 'a member whose name holds a control character';
  // A reader that copies members by assignment would take them from its value instead.
  if (key === '__proto__') return 'a member named __proto__';
  return lookalikeProblem(key, foldName(key));
}

/** Whether a method only looks like `tools/call`: a server that folds names would run it uncounted. */
export function looksLikeToolCall(method: string): boolean {
  return method !== 'tools/call' && foldName(method).trim() === 'tools/call';
}

function lookalikeProblem(key: string, folded: string): string | undefined {
  const decisive = decisiveByFold.get(folded);
  return decisive === undefined || decisive === key
    ? undefined
    : `a member that looks like "${decisive}" and is not`;
}

/** Most keys: nothing to normalise but the case. */
function isPlainName(key: string): boolean {
  return /^[A-Za-z0-9]*$/.test(key);
}

/**
 * NFKC and lower case, and more than that: upper case first (Java compares both ways, and its dotless i becomes I),
 * and no marks and no invisible characters, which comparisons by collation ignore.
 */
function foldName(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}\p{Cc}]/gu, '')
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKC')
    .replace(/\p{M}/gu, '');
}
