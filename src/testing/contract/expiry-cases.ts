import assert from 'node:assert/strict';
import type { Key, Storage } from '../../storage/storage.js';
import { type CaseDefinition, casesOf } from './contract-case.js';
import {
  assertRecord,
  check,
  commitOk,
  commitOne,
  currentOf,
  fill,
  key,
  keysOf,
  put,
  readOne,
  remove,
  versionsUnder,
} from './contract-words.js';

const hourMs = 3_600_000;

async function nowOf(storage: Storage): Promise<number> {
  return (await storage.read([])).nowMs;
}

async function sweepAll(storage: Storage, limit: number): Promise<Key[]> {
  const swept: Key[] = [];
  for (let round = 0; round < 1_000; round++) {
    const { keys } = await storage.sweep(limit);
    assert.ok(keys.length <= limit, `${keys.length} keys swept, ${limit} allowed`);
    swept.push(...keys);
    if (keys.length < limit) return swept;
  }
  return assert.fail('sweep never answered fewer keys than its limit');
}

/** An expiry is for the sweeper alone: reads and commits never look at it. */
export const expiryCases: CaseDefinition[] = [
  ...casesOf('expiry', {
    async 'hides nothing: an expired record is read, compared, listed and handed over'({ storage }) {
      const expiresAtMs = (await nowOf(storage)) - hourMs;
      const write = put(key('a'), null, 1, { expiresAtMs });
      await commitOk(storage, write);
      assertRecord(await readOne(storage, key('a')), write);
      assertRecord(currentOf(await commitOne(storage, put(key('a'), null, 2)))[0], write);
      const { records } = await storage.range({ start: key(), end: key('b'), limit: 10 });
      assert.equal(records.length, 1);
      assertRecord(records[0], write);
      const locked = await storage.locked([key('a')], (found) => {
        assertRecord(found[0], write);
        return [];
      });
      assert.ok(!locked.busy);
      await commitOk(storage, check(key('a'), write.version));
      await commitOk(storage, remove(key('a'), write.version));
    },

    async 'is set, changed and cleared by each put'({ storage }) {
      const nowMs = await nowOf(storage);
      let expected: string | null = null;
      for (const expiresAtMs of [
        nowMs + hourMs,
        undefined,
        nowMs - hourMs,
        nowMs + 2 * hourMs,
        0,
        undefined,
        2 ** 52,
      ]) {
        const write = put(key('a'), expected, 1, expiresAtMs === undefined ? {} : { expiresAtMs });
        await commitOk(storage, write);
        const record = await readOne(storage, key('a'));
        assertRecord(record, write);
        assert.equal(expiresAtMs !== undefined, record !== undefined && 'expiresAtMs' in record);
        expected = write.version;
      }
    },
  }),

  ...casesOf('sweep', {
    async 'deletes what expired, nothing else, and names it'({ storage }) {
      const nowMs = await nowOf(storage);
      const expired = keysOf('expired', 20);
      const living = keysOf('living', 20);
      const forever = keysOf('forever', 20);
      await fill(storage, expired, nowMs - hourMs);
      const livingVersions = await fill(storage, living, nowMs + hourMs);
      const foreverVersions = await fill(storage, forever);
      const swept = await sweepAll(storage, 1_000);
      assert.deepEqual(new Set(swept), new Set(expired));
      assert.equal(swept.length, expired.length);
      assert.deepEqual(new Set(await versionsUnder(storage, expired)), new Set([null]));
      assert.deepEqual(await versionsUnder(storage, living), livingVersions);
      assert.deepEqual(await versionsUnder(storage, forever), foreverVersions);
      assert.deepEqual((await storage.sweep(1_000)).keys, []);
    },

    async 'deletes no more than it may'({ storage }) {
      const keys = keysOf('k', 25);
      await fill(storage, keys, (await nowOf(storage)) - hourMs);
      const first = (await storage.sweep(10)).keys;
      assert.equal(first.length, 10);
      const left = (await versionsUnder(storage, keys)).filter((version) => version !== null);
      assert.equal(left.length, 15);
      assert.equal((await storage.sweep(1)).keys.length, 1);
      assert.equal((await sweepAll(storage, 5)).length, 14);
    },

    async 'leaves alone what was renewed, kept for ever, or made again'({ storage }) {
      const nowMs = await nowOf(storage);
      const keys = [key('renewed'), key('kept'), key('again'), key('shortened')];
      const [renewed, kept, again, shortened] = keys as [Key, Key, Key, Key];
      const first = await fill(storage, [renewed, kept, again], nowMs - hourMs);
      const [shortenedFirst = null] = await fill(storage, [shortened], nowMs + hourMs);
      await commitOk(
        storage,
        put(renewed, first[0] ?? null, 2, { expiresAtMs: nowMs + hourMs }),
        put(kept, first[1] ?? null, 2),
        remove(again, first[2] ?? null),
        put(shortened, shortenedFirst, 2, { expiresAtMs: nowMs - hourMs }),
      );
      await commitOk(storage, put(again, null, 2, { expiresAtMs: nowMs + hourMs }));
      assert.deepEqual(await sweepAll(storage, 100), [shortened]);
      const left = await versionsUnder(storage, keys);
      assert.deepEqual(
        left.map((version) => version === null),
        [false, false, false, true],
      );
    },

    async 'names nothing that was deleted before it came'({ storage }) {
      const [version = null] = await fill(storage, [key('a')], (await nowOf(storage)) - hourMs);
      await commitOk(storage, remove(key('a'), version));
      assert.deepEqual((await storage.sweep(10)).keys, []);
    },

    async 'leaves a key as if it had never been'({ storage }) {
      await fill(storage, [key('a')], (await nowOf(storage)) - hourMs);
      assert.deepEqual((await storage.sweep(10)).keys, [key('a')]);
      const { records } = await storage.range({ start: key(), end: key('b'), limit: 10 });
      assert.deepEqual(records, []);
      assert.deepEqual(currentOf(await commitOne(storage, check(key('a'), 'stale'))), [undefined]);
      await commitOk(storage, put(key('a'), null, 1));
    },

    async 'may come at the very millisecond, and no earlier'({ storage, clock }) {
      if (!clock)
        return { skipped: 'the clock of this store cannot be set, so no test can hit a millisecond' };
      await fill(storage, [key('a')], clock() + 10);
      clock.advance(9);
      assert.deepEqual((await storage.sweep(10)).keys, []);
      clock.advance(1);
      assert.deepEqual((await storage.sweep(10)).keys, [key('a')]);
      return undefined;
    },
  }),
];
