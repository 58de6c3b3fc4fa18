import {
  checked,
  oneOf,
  onlyKnown,
  problemOf,
  requireObject,
  textOf,
  wholeOf,
  wrong,
} from '../../src/core/input-rules.js';
import { expect, test } from 'vitest';
import { invalidInput } from '../../src/core/refusals.js';

const refused = (message: string): unknown => expect.objectContaining({ code: 'INVALID_INPUT', message });

test('a check answers what it found, or the first thing that is wrong', () => {
  expect(checked(() => 7)).toBe(7);
  expect(
    checked(() => {
      wrong('name', 'is empty');
      return wrong('other', 'is not reached');
    }),
  ).toEqual(invalidInput('name', 'is empty'));
  expect(problemOf(() => 'an answer nobody wants')).toBeUndefined();
  expect(problemOf(() => wrong('name', 'is empty'))).toEqual(invalidInput('name', 'is empty'));
});

test('a mistake of the program goes through', () => {
  const bug = new Error('a bug');
  expect(() =>
    checked(() => {
      throw bug;
    }),
  ).toThrow(bug);
});

test.each([
  [() => requireObject('the options', null), 'the options must be an object'],
  [() => requireObject('the options', 'a text'), 'the options must be an object'],
  [() => textOf('name', 7), 'name must be a string'],
  [() => wholeOf('limit', '7', 1, 9), 'limit must be a number'],
])('a wrong type is thrown (%#)', (check, message) => {
  expect(() => checked(check)).toThrow(new TypeError(message));
});

test('what has the right type passes as it is', () => {
  expect(() => requireObject('the options', {})).not.toThrow();
  expect(textOf('name', '')).toBe('');
});

test.each([1, 9])('a bound of a whole number is possible itself: %d', (value) => {
  expect(wholeOf('limit', value, 1, 9)).toBe(value);
});

test.each([0, 10, 1.5, Number.NaN])('%d is no whole number from 1 to 9', (value) => {
  expect(problemOf(() => wholeOf('limit', value, 1, 9))?.refusal).toEqual(
    refused(`limit is ${value}; it must be a whole number from 1 to 9`),
  );
});

test('one of several names', () => {
  expect(oneOf('format', 'csv', ['json', 'csv'])).toBe('csv');
  expect(problemOf(() => oneOf('format', 'xml', ['json', 'csv']))?.refusal).toEqual(
    refused('format must be one of json, csv'),
  );
});

test('a field that is not known', () => {
  expect(problemOf(() => onlyKnown({ limit: 1 }, ['limit', 'cursor']))).toBeUndefined();
  expect(problemOf(() => onlyKnown({ limit: 1, limt: 2 }, ['limit']))?.refusal).toEqual(
    refused('limt is not known here; check its spelling'),
  );
});
