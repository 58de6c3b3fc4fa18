import { namesNumericSecret, namesSecret } from './secret-name-rules.js';

/** What stands in the place of a secret. */
export const leftOut = '[left out]';

/**
 * A text with a mark in place of each secret in it. A config may hold a long prompt, so every expression here begins at one
 * place of a run of characters, and never has to look at the run again from the next.
 */
export function textWithoutSecrets(text: string): string {
  // Where such a key ends is not looked for: there is nothing else in a text that holds one.
  if (/-----BEGIN [A-Z ]{0,30}PRIVATE KEY/.test(text)) return leftOut;
  const byForm = text
    .replace(wholeHeader, (_all, name: string) => `${name}${leftOut}`)
    .replace(tokenForm, (token, at: number) => (at === 0 || /\d/.test(token) ? leftOut : token))
    .replace(webToken, leftOut)
    .replace(authScheme, (all: string, scheme: string, value: string) =>
      isWord(scheme, value) ? all : `${scheme}${leftOut}`,
    )
    .replace(unbroken, withoutUrlPassword);
  return withoutNamedSecrets(byForm).replace(flag, (all: string, name: string, space: string) =>
    namesSecret(name) ? `${name}${space}${leftOut}` : all,
  );
}

/** Headers that are secret to the end of their line. */
const wholeHeader = /((?:authorization|cookie)\\?["']?[ \t]{0,4}:[ \t]{0,4}\\?["']?)[^\r\n"']+/gi;

/** Secrets that are known by how they begin. Those without a digit, inside a text, are words such as `hf_hub_download`. */
const tokenForm =
  /(?<![A-Za-z0-9])(?:sk-|sk_|rk_|pk_live|gh[oprsu]_|github_pat_|xox[abeprs]-|AKIA|ASIA|AIza|glpat-|hf_|npm_|ambit_)[\w-]{8,}/g;

const webToken = /(?<![\w-])eyJ[\w-]+\.[\w-]+\.[\w-]*/g;

const authScheme = /(?<![\w-])((?:Bearer|Basic)[ \t]{1,4})([\w.~+/=-]{8,})/gi;

/** `Basic knowledge` is none; of a header `Bearer`, what follows is a word only where it speaks of the scheme. */
function isWord(scheme: string, value: string): boolean {
  if (scheme.startsWith('Bearer')) return /^(?:token|authenti|authori)/i.test(value);
  return /^[A-Za-z]?[a-z-]+\.?$/.test(value);
}

/** What may be a URL. */
const unbroken = /[^\s"'<>`]+/g;

/** Up to the last `@`: a password may hold a `/` or an `@`. Digits before a `/` are a port, and there is no password then. */
function withoutUrlPassword(run: string): string {
  const end = run.lastIndexOf('@');
  if (end < 0) return run;
  const found = /:\/\/[^/:@[]*:(?!\d{1,5}(?:[/?#]|$))/.exec(run);
  const start = found ? found.index + found[0].length : end;
  return start < end ? `${run.slice(0, start)}${leftOut}${run.slice(end)}` : run;
}

/** `name=value`, `"name": "value"`. The value is looked at only where the name says so: it may hold such a pair itself. */
function withoutNamedSecrets(text: string): string {
  const naming = /(?<![\w.-])([\w.-]+)\\?["']?[ \t]{0,4}([=:])[ \t]{0,4}/g;
  const kept: string[] = [];
  let from = 0;
  for (let found = naming.exec(text); found; found = naming.exec(text)) {
    const [, name = '', sign] = found;
    if (!namesSecret(name) || isLeftOut(text, naming.lastIndex)) continue;
    valueForm.lastIndex = naming.lastIndex;
    const value = valueForm.exec(text);
    if (!value || !isSecret(name, sign, value[0])) continue;
    const [all, double, single] = value;
    const quote = double ?? single ?? '';
    kept.push(text.slice(from, naming.lastIndex), quote, leftOut);
    // JSON within JSON: the quote that ends the value has a backslash as the one that begins it has.
    const isEscaped = quote.startsWith('\\') && all.endsWith('\\');
    from = naming.lastIndex + all.length - (isEscaped ? 1 : 0);
    naming.lastIndex = from;
  }
  return from === 0 ? text : [...kept, text.slice(from)].join('');
}

/** A mark, or a quote and a mark. */
const isLeftOut = (text: string, at: number): boolean =>
  /^\\?["']?\[left out\]/.test(text.slice(at, at + 12));

/** Up to the quote that ends it, or to what separates settings. */
const valueForm = /(\\?")[^"\r\n]+|(\\?')[^'\r\n]+|[^\s&;"'=\\][^\s&;"']*/y;

/** A number or a yes is none, as in a field; of a word behind a colon a sentence is more likely to go on with. */
function isSecret(name: string, sign: string | undefined, value: string): boolean {
  if (/^(?:true|false|null|none|undefined)[,.)\]}]*$/i.test(value)) return false;
  if (/^\d+[,.)\]}]*$/.test(value)) return namesNumericSecret(name);
  return sign === '=' || /^\\?["']/.test(value) || !/^[a-z]+[.,!?)]?$/i.test(value);
}

/** A flag of a command, with its value behind a space. */
const flag = /(?<![\w.-])(--[a-z][\w.-]*)([ \t]{1,4})(?![-[])\S+/gi;
