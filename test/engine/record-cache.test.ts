import { describe, expect, it } from 'vitest';
import { createEngine } from '../../src/engine/create-engine.js';
import { createRecordCache } from '../../src/engine/record-cache.js';
import { encodeKey, type Key } from '../../src/core/keys.js';
import fc from 'fast-check';
import { isRefused } from '../../src/core/refusals.js';
import { networkStorage } from './network-storage.js';
import { Value } from '../../src/core/json.js';

const keyOf = (number: number): Key => encodeKey(['k', number]);
const recordOf = (key: Key, value: number) => ({ key, version: `v${value}`, value: Value.of(value) });

describe('the record cache', () => {
  it('stays within its bytes and never answers what was not set last', () => {
    const command = fc.record({
      kind: fc.constantFrom('get', 'set', 'drop', 'absent'),
      key: fc.integer({ min: 0, max: 20 }),
      bytes: fc.integer({ min: 0, max: 2_000 }),
    });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 300 }), (commands) => {
        const cache = createRecordCache(4_000);
        const truth = new Map<number, number | undefined>();
        commands.forEach(({ kind, key, bytes }, index) => {
          const name = keyOf(key);
          if (kind === 'set') {
            cache.set(name, recordOf(name, index), bytes);
            truth.set(key, index);
          } else if (kind === 'absent') {
            cache.set(name, undefined);
            truth.set(key, undefined);
          } else if (kind === 'drop') {
            cache.drop(name);
            expect(cache.get(name)).toBeUndefined();
          } else {
            const found = cache.get(name);
            if (found) expect(found.record?.value.json).toBe(truth.get(key));
          }
          expect(cache.bytes).toBeLessThanOrEqual(4_000);
          expect(cache.bytes).toBeGreaterThanOrEqual(0);
        });
      }),
    );
  });

  it('keeps what is asked for, and lets go of what is not', () => {
    const cache = createRecordCache(10 * 260);
    const asked = keyOf(0);
    cache.set(asked, recordOf(asked, 0));
    for (let number = 1; number < 200; number++) {
      expect(cache.get(asked)?.record?.version).toBe('v0');
      cache.set(keyOf(number), recordOf(keyOf(number), number));
    }
    expect(cache.get(keyOf(5))).toBeUndefined();
  });
});

describe('evicting at random changes no answer', () => {
  it.each([0, 300, 700, 2_000, 1_000_000])('with a cache of %i bytes', async (cacheBytesMax) => {
    const storage = networkStorage({});
    const engines = ['x', 'y'].map((instanceId) =>
      createEngine(networkStorage({ shared: storage.inner }), { instanceId, cacheBytesMax }),
    );
    const key = (name: number): Key<number> => encodeKey<number>(['n', name]);
    let granted = 0;
    const calls = Array.from({ length: 600 }, async (_, index) => {
      const target = key(index % 7);
      const answer = await engines[index % 2]?.transact([target], (view) => {
        const count = view.get(target) ?? 0;
        if (count >= 40) return { ok: false as const };
        view.put(target, count + 1);
        return { ok: true as const };
      });
      if (answer && !isRefused(answer)) granted++;
    });
    await Promise.all(calls);
    expect(granted).toBe(7 * 40);
    await Promise.all(engines.map((engine) => engine.close()));
  });
});
