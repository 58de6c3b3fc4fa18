import { describe, expect, it } from 'vitest';
import { compileGlobs, globContains, matcherOf } from '../../src/tasks/glob-rules.js';
import fc from 'fast-check';

const matches = (pattern: string, name: string): boolean => compileGlobs([pattern]).matches(name);

/** The definition, as a regular expression: what `*` stands for, and every other character for itself. */
function reference(pattern: string): RegExp {
  const escaped = pattern.split('*').map((piece) => piece.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'));
  return new RegExp(`^${escaped.join('[A-Za-z0-9_.:/-]*')}$`, 's');
}

const letters = fc
  .array(fc.constantFrom('a', 'b', '*', '_', '.', ' ', 'é', '?'), { maxLength: 8 })
  .map((all) => all.join(''));

describe('globs', () => {
  it('match what their definition says', () => {
    fc.assert(
      fc.property(letters, letters, (pattern, name) => {
        expect([pattern, name, matches(pattern, name)]).toEqual([
          pattern,
          name,
          reference(pattern).test(name),
        ]);
      }),
      { numRuns: 2_000 },
    );
  });

  it('contain only what they match: no name slips from a child past its parent', () => {
    fc.assert(
      fc.property(letters, letters, letters, (outer, inner, name) => {
        if (globContains(outer, inner) && matches(inner, name)) expect(matches(outer, name)).toBe(true);
      }),
      { numRuns: 5_000 },
    );
    expect(globContains('*', 'read_*')).toBe(true);
    expect(globContains('fs/*', 'fs/read_*')).toBe(true);
    expect(globContains('read_*', '*')).toBe(false);
    expect(globContains('*a*', '*')).toBe(false);
    expect(globContains('*', 'with space')).toBe(false);
    expect(globContains('a', 'a*')).toBe(false);
  });

  it('take linear time on what ruins a backtracking matcher', () => {
    // With backtracking this would not end: 64 stars over a name that almost matches.
    expect(matches('*a'.repeat(63), `${'a'.repeat(254)}b`)).toBe(false);
  });

  it('match nothing where there are none', () => {
    expect(compileGlobs([]).matches('')).toBe(false);
    expect(compileGlobs([]).matches('read_file')).toBe(false);
  });

  it('stand for words: each character of them, and no neighbour of one', () => {
    for (const unit of ['a', 'z', 'A', 'Z', '0', '9', '_', '-', '.', '/', ':'])
      expect([unit, matches('x*', `x${unit}`)]).toEqual([unit, true]);
    for (const unit of ['`', '{', '@', '[', '^', ',', ';', ' ', 'é'])
      expect([unit, matches('x*', `x${unit}`)]).toEqual([unit, false]);
  });

  it.each([
    ['ab*b', 'ab', false],
    ['ab*b', 'abb', true],
    ['a*b*b', 'ab', false],
    ['a*b*c', 'a1b2c', true],
    ['a*b*c', 'a1c', false],
    ['a*b*c', 'a bc', false],
    ['a*bb*b', 'abb', false],
    ['a*bb*b', 'abbb', true],
    ['a* *c', 'a1 2c', true],
    ['*b*', 'bx', true],
    ['*b*', 'b', true],
    ['a**b', 'a1b', true],
    ['*', '', true],
  ])('%s and %s: %s', (pattern, name, expected) => {
    expect(matches(pattern, name)).toBe(expected);
  });

  it('are compiled once for a list, for a thousand lists', () => {
    const first = matcherOf(['read_*', 'list']);
    expect(matcherOf(['write_*']).matches('list')).toBe(false);
    expect(matcherOf(['read_*', 'list'])).toBe(first);
    expect(matcherOf(['read_*list']).matches('list')).toBe(false);
    for (let list = 0; list < 998; list++) matcherOf([`tool-${list}`]);
    // All thousand and one of them are known by now, and too many.
    expect(matcherOf(['read_*', 'list'])).not.toBe(first);
    expect(matcherOf(['read_*', 'list']).matches('list')).toBe(true);
  });
});
