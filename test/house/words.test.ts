import { expect, test } from 'vitest';
import { projectFiles, readProjectFile } from './project-files.js';

/**
 * What belongs to one machine or one workplace and means nothing to a reader of the project. Written in pieces, or this
 * file would be the first to be found.
 */
const foreignWords: readonly [what: string, pattern: RegExp][] = [
  ['a path of one machine', new RegExp(['/wo', 'rk/|/ro', 'ot/|/ho', 'me/[a-z]+/|/Us', 'ers/'].join(''))],
  [
    'a folder outside the project',
    new RegExp(['\\.\\./sha', 'red|design', '\\.md|engine-', 'trial'].join('')),
  ],
  [
    'a host of a package registry',
    new RegExp(['registry\\.npm', 'js|registry\\.ya', 'rn|:48', '73/'].join('')),
  ],
  ['a download address in a lock file', new RegExp(['"reso', 'lved": "http'].join(''))],
  ['a number of a tracker nobody can see', new RegExp(['\\biss', 'ue #?\\d'].join(''), 'i')],
];

/** What of it is in a text, by line. */
function foreignWordsIn(path: string, text: string): string[] {
  return text.split('\n').flatMap((line, index) =>
    foreignWords.flatMap(([what, pattern]) => {
      const found = pattern.exec(line)?.[0];
      return found === undefined ? [] : [`${path}:${index + 1}: ${what}: ${found}`];
    }),
  );
}

test('the project speaks of itself alone', () => {
  const files = projectFiles((path) => !/\.(png|gz|db)$/.test(path));
  expect(files.length).toBeGreaterThan(50);
  expect(files.flatMap((path) => foreignWordsIn(path, readProjectFile(path)))).toEqual([]);
});

/** The linter would write two literals in one. */
function joined(...pieces: string[]): string {
  return pieces.join('');
}

test.each([
  [joined('/wo', 'rk/main/src'), 'a path of one machine'],
  [joined('/ro', 'ot/.npmrc'), 'a path of one machine'],
  [joined('see ../sha', 'red/a.md'), 'a folder outside the project'],
  [joined('https://registry.npm', 'js.org/'), 'a host of a package registry'],
  [joined('"reso', 'lved": "https://a/b.tgz"'), 'a download address in a lock file'],
  [joined('fixes iss', 'ue 12'), 'a number of a tracker nobody can see'],
])('%s is found', (text, what) => {
  expect(foreignWordsIn('a.ts', `first\n${text}`)).toEqual([expect.stringMatching(`^a.ts:2: ${what}: `)]);
});
