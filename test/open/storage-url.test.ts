import { describe, expect, it } from 'vitest';
import { parseStorageUrl, redactStorageUrl } from '../../src/core/storage-url.js';
import { redactLine } from '../../src/cli/redact-line.js';
import fc from 'fast-check';
import { formatDuration, parseDuration } from '../../src/core/durations.js';
import { AmbitError } from '../../src/core/errors.js';

describe('storage URLs', () => {
  it.each([
    ['memory:', { kind: 'memory' }],
    ['sqlite:./a.db', { kind: 'sqlite', path: './a.db', eventLoop: 'fast', durability: 'power' }],
    ['sqlite:/x/a%20b.db', { kind: 'sqlite', path: '/x/a b.db', eventLoop: 'fast', durability: 'power' }],
    ['sqlite:///x/a.db', { kind: 'sqlite', path: '/x/a.db', eventLoop: 'fast', durability: 'power' }],
    [
      'sqlite:a.db?eventLoop=free&durability=process',
      { kind: 'sqlite', path: 'a.db', eventLoop: 'free', durability: 'process' },
    ],
    ['file:./ambit', { kind: 'file', path: './ambit', durability: 'power' }],
    ['postgres://h/db', { kind: 'postgres', url: 'postgres://h/db', durability: 'power' }],
    [
      'postgresql://u:p%40@h:5433/db?sslmode=require&namespace=team-a&application_name=x',
      {
        kind: 'postgres',
        url: 'postgresql://u:p%40@h:5433/db?sslmode=require&application_name=x',
        namespace: 'team-a',
        durability: 'power',
      },
    ],
    [
      'postgres:///db?host=/run/postgresql&namespace=a',
      { kind: 'postgres', url: 'postgres:///db?host=/run/postgresql', namespace: 'a', durability: 'power' },
    ],
    ['postgres://u:a@b@h/db', { kind: 'postgres', url: 'postgres://u:a@b@h/db', durability: 'power' }],
    [
      'redis://:p@[::1]:6380/2?durability=bounded-loss&namespace=a_1',
      { kind: 'redis', url: 'redis://:p@[::1]:6380/2', namespace: 'a_1', durability: 'bounded-loss' },
    ],
    ['REDISS://h', { kind: 'redis', url: 'rediss://h', durability: 'power' }],
  ])('%s', (url, location) => {
    expect(parseStorageUrl(url)).toEqual(location);
  });

  it.each([
    '',
    'x',
    'sqlite:',
    'sqlite:?',
    'memory:x',
    'memory:?a=1',
    'sqlite://host/a.db',
    'sqlite:a?eventLoop=slow',
    'sqlite:a?b=1',
    'sqlite:a%zz',
    'sqlite:a?eventLoop=fast&eventLoop=free',
    'mysql:x',
    'file:',
    'file://host/a',
    'file:a?eventLoop=fast',
    'postgres:db',
    'postgres://u:hunter2@h/db?sslmod=require',
    'postgres://u:hunter2@h/db?namspace=a',
    'postgres://u:hunter2@h/db?namespace=a&namespace=b',
    'postgres://u:hunter2@h/db?namespace=',
    'postgres://u:hunter2@h/db?namespace=a/hunter2',
    `postgres://u:hunter2@h/db?namespace=${'a'.repeat(41)}`,
    'postgres://u:hunter2@h/db?durability=hunter2',
    'postgres://u:hunter%zz@h/db',
    'postgres://u:hun/ter2@h/db',
    'postgres://u:1?hunter2@h/db',
    'postgres://u:1#hunter2@h/db',
    'postgres://u:hunter2@h:99999/db',
    'postgres://u:hunter2@h/db\n',
    'postgres://u:hunter2',
    'postgres:u:hunter2@h/db',
    'redis://:hunter2',
    'redis://:hunter2@',
    'redis://:hunter2@h/hunter2',
    'redis://:hunter2@h/0?keyPrefix=a',
    'redis://h?hunter2',
    'redis:/:hunter2@h',
    'hunter2:hunter2@h',
    'redis//:hunter2@h',
    'nope://u:hunter2/@x',
    'postgres://u:hun@ter2@h:bad:port/db?password=hunter2',
    ':hunter2@',
    '://u:hunter2@h',
    'redis://u:a?hunter2@h',
    'sqlite:a?password=hunter2',
  ])('%s is refused in one line without its password', (url) => {
    let message = '';
    try {
      parseStorageUrl(url);
    } catch (error) {
      expect(error).toBeInstanceOf(AmbitError);
      message = (error as Error).message;
    }
    expect(message).toMatch(/^storage URL ".*": [^\n]+$/);
    expect(message).not.toContain('ter2');
  });

  it('no password is shown, wherever its own characters tear the text apart', () => {
    const piece = fc.constantFrom(
      '@',
      '/',
      '?',
      '#',
      ':',
      '%',
      '&',
      '=',
      ' ',
      '\\',
      '\n',
      '"',
      '[',
      '+',
      '1',
      'a',
    );
    const password = fc
      .tuple(fc.array(piece, { maxLength: 4 }), fc.array(piece, { maxLength: 4 }))
      .map(([before, after]) => `${before.join('')}hunter2${after.join('')}`);
    const scheme = fc.constantFrom('postgres', 'redis', 'rediss', 'sqlite', 'mysql', 'Redis', '');
    const around = fc.constantFrom(
      ['://bob5:', '@h/0'],
      ['://bob5:', '@h:1/db?namespace=a'],
      ['://:', '@h'],
      [':bob5:', '@h'],
      ['//bob5:', '@h'],
      ['://h/0?password=', '&namespace=a'],
    );
    fc.assert(
      fc.property(scheme, around, password, (name, [before, after], secret) => {
        const url = `${name}${before}${secret}${after}`;
        let shown = redactStorageUrl(url);
        try {
          parseStorageUrl(url);
        } catch (error) {
          shown += (error as Error).message;
        }
        expect(shown).not.toContain('hunter2');
        expect(shown).not.toContain('bob5');
        // In running text only what begins like one of our URLs is known for one; a quote ends what was quoted, and a
        // parameter ends with its word.
        if (!/^(postgres|rediss?):\/\//i.test(url) || secret.includes('"')) return;
        if (before.includes('?') && /[\s&]/.test(secret)) return;
        expect(redactLine(`connecting to ${url} failed`)).not.toContain('hunter2');
      }),
      { numRuns: 5_000 },
    );
  });

  it('shows what can be shown', () => {
    expect(redactStorageUrl('redis://h:1/2?namespace=a&durability=none')).toBe(
      'redis://h:1/2?namespace=a&durability=none',
    );
    expect(redactLine('ambit: redis://127.0.0.1:6379/0: it does not answer')).toBe(
      'ambit: redis://127.0.0.1:6379/0: it does not answer',
    );
    expect(redactStorageUrl('postgres://u:p@h:5432/db?namespace=a&sslkey=s')).toBe(
      'postgres://***@h:5432/db?namespace=a&sslkey=***',
    );
    expect(redactStorageUrl('sqlite:./a.db?eventLoop=free')).toBe('sqlite:./a.db?eventLoop=free');
  });
});

describe('durations', () => {
  it('are a number and a unit, and nothing else', () => {
    expect(['500ms', '30s', '5m', '1.5h', '1d'].map(parseDuration)).toEqual([
      500, 30_000, 300_000, 5_400_000, 86_400_000,
    ]);
    expect(['', '5', 'm', '-5m', '5 m', '5M', '1e3s', '5mm', '1h30m', '٥m'].map(parseDuration)).toEqual(
      Array(10).fill(undefined),
    );
  });

  it('are shown in their two largest units', () => {
    expect([0, 999, 59_600, 5_400_000, 90_061_000].map(formatDuration)).toEqual([
      '0ms',
      '999ms',
      '1m',
      '1h 30m',
      '1d 1h',
    ]);
  });
});
