import { Value } from 'ambit/storage';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

describe('Value', () => {
  test('says the same as text and as JSON, wherever it came from', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        const text = JSON.stringify(json);
        expect(Value.of(json).text).toBe(text);
        expect(Value.of(json).json).toBe(json);
        expect(Value.fromText(text).json).toEqual(JSON.parse(text));
        expect(Value.fromText(text).text).toBe(text);
      }),
    );
  });

  test('keeps its text once it was parsed, and its JSON once it was written', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        const text = JSON.stringify(json);
        const parsed = Value.fromText(text);
        expect(parsed.json).toEqual(JSON.parse(text));
        expect(parsed.text).toBe(text);
        expect(parsed.json).toEqual(JSON.parse(text));
        const written = Value.of(json);
        expect(written.text).toBe(text);
        expect(written.json).toBe(json);
        expect(written.text).toBe(text);
      }),
    );
  });

  test('writes no raw line feed, NUL or lone surrogate: values can be joined by a line feed and sent as UTF-8', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ stringUnit: fc.constantFrom('\n', '\r', '\u0000', '\ud800', '\udc00', '"', 'a') }),
        (json) => {
          const { text } = Value.of(json);
          expect(text).not.toMatch(/[\n\r\u0000]/);
          expect(text.isWellFormed()).toBe(true);
        },
      ),
    );
  });

  test('parses when somebody looks, and not before', () => {
    const broken = Value.fromText('{"a":');
    expect(broken.text).toBe('{"a":');
    expect(() => broken.json).toThrow(SyntaxError);
    expect(() => broken.json).toThrow(SyntaxError);
    expect(broken.text).toBe('{"a":');
  });

  test('parses once', () => {
    const value = Value.fromText('{"a":[1]}');
    expect(value.json).toBe(value.json);
  });

  test('keeps a member called __proto__ as a member', () => {
    const text = '{"__proto__":{"polluted":true}}';
    expect(Value.fromText(text).json).not.toHaveProperty('polluted');
    const value = Value.fromText(text);
    expect(Object.keys(value.json as object)).toEqual(['__proto__']);
    expect(value.text).toBe(text);
  });
});
