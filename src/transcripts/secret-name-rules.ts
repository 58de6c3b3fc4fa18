/** Whether a field of this name holds a secret, in camelCase, snake_case or kebab-case, one of them or several. */
export function namesSecret(name: string): boolean {
  const words = wordsOf(name);
  if (describing.has(words.at(-1) ?? '')) return false;
  if (secretNames.test(words.join(''))) return true;
  // What passes through are no passwords.
  if (words.some((word) => secretWords.has(word)) || /^(?:pass|pw)$/.test(words.at(-1) ?? '')) return true;
  return namesToken(words);
}

/** Whether even a number under this name is a secret: `maxTokens` and `cookies` count, a password that is all digits does not. */
export function namesNumericSecret(name: string): boolean {
  return /(?:password|passwd|passphrase|pwd|secret)$/i.test(name);
}

/** Tokens authorize, unless they are units of text: these words stand beside the latter. */
function namesToken(words: readonly string[]): boolean {
  if (words.some((word) => besideUnits.has(word))) return false;
  return words.some((word) => /tokens?$/.test(word));
}

/** The words of a name, small. Where one ends is looked for from both sides, so that it takes one pass, however long the name is. */
function wordsOf(name: string): readonly string[] {
  return name
    .split(/(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z]+/)
    .filter((word) => word !== '')
    .map((word) => word.toLowerCase());
}

/** Names that say it wherever in a name they stand: also where its words are not told apart, as in `dbpassword`. */
const secretNames =
  /secret(?!ar)|passw(?:or)?d|passphrase|credential|authorization|cookie|bearer|(?:api|access|private|signing|encryption|master|account|shared)keys?/;

/** Names that are parts of others, such as author and passage, and say it only as a word. */
const secretWords: ReadonlySet<string> = new Set([
  'auth',
  'auths',
  'authentication',
  'jwt',
  'jwts',
  'oauth',
  'pwd',
  'pwds',
]);

/** What ends so tells something about a secret: where or how it is got, of which kind it is. */
const describing: ReadonlySet<string> = new Set([
  'count',
  'endpoint',
  'env',
  'kind',
  'length',
  'limit',
  'method',
  'mode',
  'name',
  'provider',
  'scheme',
  'type',
  'uri',
  'url',
]);

const besideUnits: ReadonlySet<string> = new Set([
  'bos',
  'budget',
  'completion',
  'eos',
  'input',
  'max',
  'min',
  'output',
  'pad',
  'per',
  'prompt',
  'special',
  'stop',
  'total',
  'used',
]);
