import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import type { JsonFields } from '../../src/transcripts/transcript-types.js';
import { withoutSecrets } from '../../src/transcripts/secret-rules.js';

const mark = '[left out]';
const cleaned = (value: unknown): unknown => withoutSecrets({ value } as JsonFields)['value'];

describe('what stands under the name of a secret is left out as a whole', () => {
  test.each(
    (
      'apiKey apiKeys api_key API_KEY api-keys openaiApiKey OPENAI_API_KEY x-api-key apikey accessKey privateKeys ' +
      'secret secrets clientSecret client_secret_v2 clientSecretValue password passwords dbPassword dbpassword passwordHash ' +
      'passwd passphrase credential credentials credentialsJson authorization Authorization cookie cookies Set-Cookie ' +
      'token tokens accessToken accessTokens refresh_token authtoken tokenValue bearerToken auth basicAuth auth_data httpAuth ' +
      'oauth2 authentication pwd dbPwd db_pwd pwdFile pass smtpPass jwt'
    ).split(' '),
  )('%s', (name) => {
    for (const value of ['hunter2', ['a', 'b'], { user: 'u', value: 'hunter2', port: 5 }])
      expect(withoutSecrets({ model: 'm', [name]: value })).toEqual({ model: 'm', [name]: mark });
    for (const value of [null, true, false])
      expect(withoutSecrets({ [name]: value })).toEqual({ [name]: value });
  });
});

test('what only looks like the name of a secret stays', () => {
  const kept = {
    maxTokens: 100,
    max_tokens: '100',
    tokensUsed: 5,
    tokens: 7,
    totalTokens: 9,
    stopTokens: ['</s>'],
    eos_token: '</s>',
    tokenizer: 'cl100k',
    tokenLimit: '4k',
    author: 'Ada',
    authority: 'x',
    authType: 'oauth',
    authUrl: 'https://h/authorize',
    secretary: 'Bob',
    keyboard: 'qwerty',
    key: 'value',
    primaryKey: 'id',
    passage: 'text',
    passThrough: 'yes',
    compass: 'north',
    apiKeyEnv: 'OPENAI_API_KEY',
    useAuth: true,
    cookies: 3,
  };
  expect(withoutSecrets(kept)).toEqual(kept);
  expect(withoutSecrets({ password: 123_456, clientSecret: 1 })).toEqual({
    password: mark,
    clientSecret: mark,
  });
});

test.each([
  ['--api-key=sk-proj-abcdefgh12345678', `--api-key=${mark}`],
  ['run --api-key hunter2 --verbose', `run --api-key ${mark} --verbose`],
  ['https://h/x?api_key=abcdefgh12345&page=2', `https://h/x?api_key=${mark}&page=2`],
  ['url=https://h/x?token=a1&y=2', `url=https://h/x?token=${mark}&y=2`],
  ['host=h password=hunter2 port=5', `host=h password=${mark} port=5`],
  ['Server=h;Pwd=hunter2;Database=d', `Server=h;Pwd=${mark};Database=d`],
  ["host=h password='a b&c' port=5", `host=h password='${mark}' port=5`],
  ['X: Bearer abcdefghijk', `X: Bearer ${mark}`],
  ['Bearer abcdefghijk', `Bearer ${mark}`],
  ['curl -H "Authorization: Token abc def" https://h', `curl -H "Authorization: ${mark}" https://h`],
  ['Cookie: sid=1; theme=dark\nHost: h', `Cookie: ${mark}\nHost: h`],
  ['use Basic dXNlcjpwYXNz for it', `use Basic ${mark} for it`],
  ['postgres://u:p%40ss/w@h/db', `postgres://u:${mark}@h/db`],
  ['postgres://u:p@ss/w@h/db', `postgres://u:${mark}@h/db`],
  ['redis://:1234@h:6379', `redis://:${mark}@h:6379`],
  [
    'from mongodb://u:p@h,h2/db and https://v:q@h2',
    `from mongodb://u:${mark}@h,h2/db and https://v:${mark}@h2`,
  ],
  ['sk-abcdefghijkl', mark],
  ['the key sk-proj-abc_DEF-123456 works', `the key ${mark} works`],
  ['ghp_abcdefgh1234, then', `${mark}, then`],
  ['https://ghp_abcdefgh1234@github.com/a/b', `https://${mark}@github.com/a/b`],
  ['see eyJhbGciOi.eyJzdWIi.sig-n_ed here', `see ${mark} here`],
  ['{"password":"hun ter2","user":"u"}', `{"password":"${mark}","user":"u"}`],
  ['{\\"apiKey\\":\\"hunter2\\",\\"a\\":1}', `{\\"apiKey\\":\\"${mark}\\",\\"a\\":1}`],
  ['password: hunter2\nuser: u', `password: ${mark}\nuser: u`],
  ['export OPENAI_API_KEY=abc', `export OPENAI_API_KEY=${mark}`],
  ['x\n-----BEGIN RSA PRIVATE KEY-----\nabc', mark],
])('in a text, the secret alone is left out: %s', (text, expected) => {
  expect(cleaned(text)).toBe(expected);
  expect(cleaned([{ deep: text }])).toEqual([{ deep: expected }]);
});

test.each([
  'You have Basic knowledge of chemistry. The password must be long.',
  'token: a unit of text; max_tokens=100, tokens=5, auth=false',
  'task-management-tool-2000 and hf_hub_download',
  'https://h:8080/x?email=a@b.c',
  'https://h/users/@me',
  'http://[::1]:80/@x',
  'author=Ada, tokenizer=cl100k',
  'Bearer authentication is used',
  'mail ada@example.org',
  'password=',
  '',
])('a text without secrets stays: %s', (text) => {
  expect(cleaned(text)).toBe(text);
});

test('what names a secret beside it is looked at', () => {
  expect(cleaned(['serve', '--password', 'hunter2', '--port', '80', '--token', '--x'])).toEqual([
    'serve',
    '--password',
    mark,
    '--port',
    '80',
    '--token',
    '--x',
  ]);
  expect(cleaned([{ name: 'API_KEY', value: 'abc' }])).toEqual([{ name: 'API_KEY', value: mark }]);
  expect(cleaned([{ name: 'REGION', value: 'abc' }])).toEqual([{ name: 'REGION', value: 'abc' }]);
});

test('what is cleaned once more stays as it is', () => {
  const part = fc.constantFrom(
    'password',
    'token',
    'auth',
    '=',
    ':',
    '://',
    '@',
    '"',
    "'",
    '\\',
    ' ',
    '&',
    ';',
    '--',
    '/',
    'Bearer ',
    'Cookie',
    'sk-',
    'abcdefgh1',
    'hunter2',
    mark,
    '\n',
    'eyJ',
    '.',
    '12',
  );
  const text = fc.array(part, { maxLength: 20 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, (given) => {
      const once = cleaned(given);
      expect(cleaned(once)).toBe(once);
    }),
    { numRuns: 3_000 },
  );
});

test('a megabyte of anything takes one pass', () => {
  const parts = [
    'a',
    ' ',
    '=',
    ':',
    '"',
    "'",
    '@',
    '-',
    '/',
    '\\',
    'A',
    '\n',
    'sk-',
    'eyJ',
    'eyJ.',
    'eyJ-',
    '://a:',
    '://u:p@',
    'password=',
    'password="',
    "password='",
    'password: ',
    '--token ',
    'Bearer ',
    'Basic\t',
    'cookie:',
    'a=',
    'a =',
    '-----BEGIN ',
    '-----BEGIN PRIVATE',
    'aA',
    'token',
    'max_token_',
    'x.y-',
    '12',
    '[left out]',
    '&',
    ';',
    '%',
  ];
  for (const part of parts) {
    const text = part.repeat(Math.ceil(1_000_000 / part.length));
    expect(typeof cleaned(text)).toBe('string');
    expect(Object.keys(withoutSecrets({ [text]: 'x' }))).toEqual([text]);
  }
  // About a second; were one of the passes quadratic, it would be hours.
}, 120_000);
