import fc from 'fast-check';
import { compareKeys, encodeKey, type Key, type Transaction, Value } from 'ambit/storage';
import { memoryStorage } from 'ambit/memory';
import { fakeClock } from 'ambit/testing';
import { describe, expect, test } from 'vitest';
import { createExpiryQueue, type Expiring } from '../../src/storage/expiry-queue.js';
import { createOrderedKeys } from '../../src/storage/ordered-keys.js';

const first = '' as Key;
const end = '%' as Key;

/** Batches of keys that are added or removed, enough to split and join chunks many times. */
const batches = fc.array(
  fc.record({
    add: fc.boolean(),
    from: fc.nat({ max: 5_000 }),
    count: fc.nat({ max: 1_500 }),
    order: fc.constantFrom('forwards', 'backwards', 'scattered'),
  }),
  { minLength: 1, maxLength: 8, size: 'max' },
);

function numbersOf({ from, count, order }: { from: number; count: number; order: string }): number[] {
  const numbers = Array.from({ length: count }, (_, index) => from + index);
  if (order === 'backwards') return numbers.reverse();
  return order === 'scattered' ? numbers.map((_, index) => from + ((index * 1_009) % count)) : numbers;
}

/** The higher ones are of characters whose order by code point is not that of their UTF-16 units. */
function keyOf(number: number): Key {
  if (number < 4_000) return encodeKey(['n', number]);
  return encodeKey([
    'n',
    String.fromCodePoint(([0xd000, 0xe000, 0x10000][number % 3] as number) + (number % 2_000)),
  ]);
}

describe('ordered keys', () => {
  test('are what a sorted array would be', () => {
    fc.assert(
      fc.property(
        batches,
        fc.nat({ max: 6_500 }),
        fc.nat({ max: 6_500 }),
        fc.nat({ max: 2_000 }),
        fc.boolean(),
        (all, low, high, limit, filled) => {
          const keys = createOrderedKeys();
          const expected = new Set<Key>();
          const [filling] = filled ? all : [];
          if (filling) {
            for (const number of numbersOf(filling)) expected.add(keyOf(number));
            keys.addAll([...expected]);
          }
          for (const batch of filling ? all.slice(1) : all) {
            for (const number of numbersOf(batch)) {
              const key = keyOf(number);
              if (batch.add === expected.has(key)) continue;
              if (batch.add) keys.add(key);
              else keys.remove(key);
              if (batch.add) expected.add(key);
              else expected.delete(key);
            }
          }
          const sorted = [...expected].toSorted(compareKeys);
          expect(keys.collect({ start: first, end, limit: Infinity })).toEqual(sorted);
          expect(keys.collect({ start: first, end, limit: Infinity, reverse: true })).toEqual(
            sorted.toReversed(),
          );
          const [start, stop] = [keyOf(low), keyOf(high)];
          const inside = sorted.filter((key) => compareKeys(key, start) >= 0 && compareKeys(key, stop) < 0);
          expect(keys.collect({ start, end: stop, limit })).toEqual(inside.slice(0, limit));
          expect(keys.collect({ start, end: stop, limit, reverse: true })).toEqual(
            inside.toReversed().slice(0, limit),
          );
        },
      ),
      { numRuns: 60 },
    );
  });
});

interface Item extends Expiring {
  readonly name: number;
}

describe('the expiry queue', () => {
  test('has the first to expire at hand, however often that changed', () => {
    const change = fc.tuple(
      fc.nat({ max: 30 }),
      fc.option(fc.nat({ max: 50 }), { nil: undefined }),
      fc.boolean(),
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 300, size: 'max' }), (changes) => {
        const queue = createExpiryQueue<Item>();
        const items = Array.from({ length: 31 }, (_, name): Item => ({
          name,
          expiresAtMs: undefined,
          queuePosition: -1,
        }));
        for (const [name, expiresAtMs, remove] of changes) {
          const item = items[name] as Item;
          if (remove) {
            item.expiresAtMs = undefined;
            queue.remove(item);
          } else {
            item.expiresAtMs = expiresAtMs;
            queue.update(item);
          }
          const soonest = Math.min(...items.map((one) => one.expiresAtMs ?? Infinity));
          expect(queue.first()?.expiresAtMs ?? Infinity).toBe(soonest);
        }
        const left = items.filter((item) => item.expiresAtMs !== undefined).length;
        const drained: number[] = [];
        for (let item = queue.first(); item; item = queue.first()) {
          drained.push(item.expiresAtMs as number);
          queue.remove(item);
        }
        expect(drained).toEqual(drained.toSorted((a, b) => a - b));
        expect(drained.length).toBe(left);
      }),
      { numRuns: 200 },
    );
  });

  test('touches about what a sweep deletes, not what is stored', () => {
    let touched = 0;
    const queue = createExpiryQueue<Item>();
    const items = Array.from({ length: 100_000 }, (_, name): Item => {
      let expiresAtMs: number | undefined = (name * 7_919) % 100_003;
      return {
        name,
        queuePosition: -1,
        get expiresAtMs() {
          touched++;
          return expiresAtMs;
        },
        set expiresAtMs(ms) {
          expiresAtMs = ms;
        },
      };
    });
    for (const item of items) queue.update(item);
    touched = 0;
    for (let swept = 0; swept < 1_000; swept++) queue.remove(queue.first() as Item);
    // Two looks for each of the 17 levels of the heap, up and down, and not one for each of the 100,000 items.
    expect(touched).toBeLessThan(1_000 * 80);
  });
});

describe('memory storage at size', () => {
  test('sweeps and renews among 50,000 records', async () => {
    const clock = fakeClock(1_000_000);
    const storage = memoryStorage({ clock });
    const keys = Array.from({ length: 50_000 }, (_, index) => encodeKey(['n', (index * 7_919) % 50_000]));
    const write = (key: Key, expected: string | null, inMs: number): Transaction => {
      const put = { kind: 'put', key, expected, version: `${expected}+1`, value: Value.of(0) } as const;
      return { writes: [{ ...put, expiresAtMs: clock() + inMs }] };
    };
    await storage.commit(keys.map((key, index) => write(key, null, 1 + (index % 10))));
    // Of those about to expire, half are renewed.
    await storage.commit(keys.filter((_, index) => index % 20 === 0).map((key) => write(key, 'null+1', 100)));
    clock.advance(1);
    const swept: Key[] = [];
    for (let page = 0; page < 4; page++) swept.push(...(await storage.sweep(999)).keys);
    const expected = keys.filter((_, index) => index % 20 === 10);
    expect(swept.length).toBe(expected.length);
    expect(new Set(swept)).toEqual(new Set(expected));
  });

  test('hands out the very object that was put', async () => {
    const storage = memoryStorage();
    const key = encodeKey(['a']);
    const value = Value.of({ a: 1 });
    await storage.commit([{ writes: [{ kind: 'put', key, expected: null, version: 'a', value }] }]);
    expect((await storage.read([key])).records[0]?.value).toBe(value);
  });
});
