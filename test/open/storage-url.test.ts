import { describe, expect, it } from 'vitest';
import { parseStorageUrl, redactStorageUrl } from '../../src/core/storage-url.js';
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
    'postgres://u:hunter2@h/db',
    'redis://:hunter2@h',
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

  it('shows what can be shown', () => {
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
