import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createEnvelopeScan, scanEnvelope } from '../../src/mcp/envelope-scan.js';

const nothing = { id: undefined, kind: undefined };
const scanned = (text: string): unknown => scanEnvelope(Buffer.from(text));

/** Objects with members of these names among others, in any order, nested anywhere. */
const messages = fc
  .uniqueArray(
    fc.tuple(
      fc.oneof(fc.constantFrom('id', 'method', 'result', 'error', 'params'), fc.string({ unit: 'binary' })),
      fc.oneof(
        fc.integer(),
        fc.string({ unit: 'binary' }),
        fc.constantFrom('"id":1}', '\\', '{"id":2'),
        fc.json().map((text) => JSON.parse(text) as unknown),
      ),
    ),
    { selector: ([name]) => name, maxLength: 8 },
  )
  .map((members) => Object.fromEntries(members.filter(([name]) => name !== '__proto__')));

test('of whole messages it finds what a parser finds, wherever the bytes are cut', () => {
  fc.assert(
    fc.property(messages, fc.boolean(), fc.integer({ min: 1, max: 40 }), (message, spaced, size) => {
      const bytes = Buffer.from(JSON.stringify(message, null, spaced ? '\t' : '').replaceAll('\n', ' '));
      const scan = createEnvelopeScan();
      for (let at = 0; at < bytes.length; at += size) scan.push(bytes.subarray(at, at + size));
      const { id } = message;
      const isId = typeof id === 'string' || Number.isSafeInteger(id);
      const isAnswer = Object.hasOwn(message, 'result') || Object.hasOwn(message, 'error');
      expect(scan.end()).toEqual({
        id: isId ? id : undefined,
        kind: Object.hasOwn(message, 'method') ? 'request' : isAnswer ? 'answer' : undefined,
      });
    }),
    { numRuns: 500 },
  );
});

test('names are read as a parser reads them, and an id that stands twice is none', () => {
  expect(scanned('{"\\u0069d":1,"result":0}')).toEqual({ id: 1, kind: 'answer' });
  expect(scanned('{"id":1,"id":2,"result":0}')).toEqual({ id: undefined, kind: 'answer' });
  expect(scanned(`{"id":"${'x'.repeat(2_000)}","result":0}`)).toEqual({ id: undefined, kind: 'answer' });
  expect(scanned('{"id":1.5,"error":0}')).toEqual({ id: undefined, kind: 'answer' });
});

test('in what is no object from end to end it finds nothing', () => {
  for (const text of [
    '',
    'ready',
    '{"id":1,"result":',
    '[{"id":1,"result":0}]',
    '{"id":1,"result":0} x',
    '"id"',
    '}{',
    '{"id":1}}',
  ])
    expect(scanned(text), text).toEqual(nothing);
});
