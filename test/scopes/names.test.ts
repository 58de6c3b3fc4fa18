import { codeOf, granted } from '../core/answers.js';
import { allEntries, openScopeWorld } from './scope-world.js';
import { compareKeys, encodeKey, keysBelow } from '../../src/core/keys.js';
import { describe, expect, it } from 'vitest';
import { textOfParts, textParts, textsFrom } from '../../src/scopes/ordered-text-rules.js';
import { backends } from '../storage/backends.js';
import fc from 'fast-check';

/** Names that other stores took for one another, for a path, or could not keep. */
const names: readonly string[] = [
  'flow:a',
  'flow_a',
  'flow-a',
  'flow:v1.2',
  'flow:v1.3',
  'flow:v1',
  '../x',
  '..',
  '/x',
  'x',
  'X',
  'x ',
  ' x',
  'a/b',
  'a//b',
  'a/',
  '',
  '\u0000',
  '\n',
  '!',
  '$',
  '%2F',
  'é',
  // The same letter, written as two code points.
  'e\u0301',
  '\uFFFF',
  '\u{1F600}',
  '\u{10FFFF}',
  '\u{1F600}'.repeat(256),
  ' '.repeat(1_024),
  ' '.repeat(1_023),
  'n'.repeat(1_024),
  `${'n'.repeat(1_023)}m`,
  'n'.repeat(256),
  'n'.repeat(257),
  '__proto__',
  'constructor',
];

describe.each(backends)('on $name', (backend) => {
  it('names stay apart, as scopes and as keys', async () => {
    const { scopes } = await openScopeWorld(backend);
    expect(new Set(names).size).toBe(names.length);
    for (const piece of [names.slice(0, 20), names.slice(20)]) {
      await granted(
        scopes.change(piece.map((scope) => ({ kind: 'persist', scope, key: 'k', value: scope }))),
      );
      await granted(
        scopes.change(piece.map((key) => ({ kind: 'persist', scope: 'keys', key, value: `of ${key}` }))),
      );
    }
    for (const name of names) {
      const { entry } = await granted(scopes.retrieve('k', { scope: name }));
      expect(entry?.value).toBe(name);
    }
    const { entries } = await granted(scopes.retrieveMany(names, { scope: 'keys' }));
    expect(entries.map((entry) => entry?.value)).toEqual(names.map((name) => `of ${name}`));

    const sorted = [...names].sort(compareKeys);
    expect((await allEntries(scopes, { scope: 'keys', limit: 10 })).map(({ key }) => key)).toEqual(sorted);
    const { scopes: listed } = await granted(scopes.listScopes());
    expect(listed).toEqual([...names, 'keys', 'global'].sort(compareKeys));

    const dropped = '\u{1F600}'.repeat(256);
    await granted(scopes.dropScope(dropped));
    await granted(scopes.purge('x', { scope: 'x' }));
    for (const name of names) {
      const { entry } = await granted(scopes.retrieve('k', { scope: name }));
      expect(entry?.value).toBe(name === dropped ? undefined : name);
    }
  });
});

it('a name or a key that cannot be kept is refused by name', async () => {
  const [backend] = backends;
  if (!backend) throw new Error('no backend');
  const { scopes } = await openScopeWorld(backend);
  for (const bad of ['n'.repeat(1_025), 'é'.repeat(513), '\uD800', 'a\uDC00']) {
    expect(await scopes.persist('k', 1, { scope: bad })).toMatchObject({
      refusal: { code: 'INVALID_INPUT', field: 'scope' },
    });
    expect(await scopes.persist(bad, 1)).toMatchObject({ refusal: { code: 'INVALID_INPUT', field: 'key' } });
    expect(codeOf(scopes.remember('k', 1, { scope: bad }))).toBe('INVALID_INPUT');
    expect(await codeOf(scopes.dropScope(bad))).toBe('INVALID_INPUT');
  }
  for (const options of [{ scop: 'x' }, { Scope: 'x' }, { ttlMS: 5 }])
    expect(await codeOf(scopes.persist('k', 1, options as never))).toBe('INVALID_INPUT');
  await expect(scopes.persist(7 as never, 1)).rejects.toThrow(TypeError);
  await expect(scopes.retrieve('k', { scope: 7 as never })).rejects.toThrow(TypeError);
});

describe('text as parts of a key', () => {
  // Around the length at which text is packed, and with characters that encode to more than one.
  const text = fc
    .array(fc.constantFrom('a', 'b', ' ', '!', '\u0000', 'é', '\uFFFD', '\u{1F600}', 'a'.repeat(200)), {
      maxLength: 12,
    })
    .map((pieces) => pieces.join(''))
    .filter((one) => Buffer.byteLength(one) <= 1_024);

  it('text becomes key parts, and back', () => {
    fc.assert(
      fc.property(text, (one) => {
        expect(textOfParts(textParts(one))).toBe(one);
      }),
    );
  });

  it('the longest names fit, whatever they hold', () => {
    for (const character of [' ', '\u0000', 'a', 'é', '\uFFFD', '\u{1F600}']) {
      const longest = character.repeat(1_024 / Buffer.byteLength(character));
      const key = encodeKey(['scope-expiry', 'x'.repeat(32), Number.MAX_SAFE_INTEGER, ...textParts(longest)]);
      expect(Buffer.byteLength(key)).toBeLessThanOrEqual(2_048);
      expect(textOfParts(textParts(longest))).toBe(longest);
    }
  });

  it('keys sort as the texts do', () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        const order = compareKeys(encodeKey(textParts(a)), encodeKey(textParts(b)));
        expect(Math.sign(order)).toBe(Math.sign(compareKeys(a, b)));
      }),
    );
  });

  it('a prefix finds exactly the texts that begin with it', () => {
    fc.assert(
      fc.property(text, text, fc.nat(300), (a, b, length) => {
        const points = Array.from(b);
        for (const prefix of [a, points.slice(0, length).join('')]) {
          const { start, end } = textsFrom(['s'], prefix);
          const key = encodeKey(['s', ...textParts(b)]);
          const found = compareKeys(start, key) <= 0 && compareKeys(key, end) < 0;
          expect(found).toBe(b.startsWith(prefix));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('a prefix leaves no range of its parent', () => {
    const all = keysBelow(['s']);
    for (const prefix of ['', '\u{10FFFF}', '\u{10FFFF}\u{10FFFF}', '\u{10FFFF}'.repeat(256), '\uD7FF']) {
      const { start, end } = textsFrom(['s'], prefix);
      expect(compareKeys(all.start, start)).toBeLessThanOrEqual(0);
      expect(compareKeys(end, all.end)).toBeLessThanOrEqual(0);
    }
  });
});
