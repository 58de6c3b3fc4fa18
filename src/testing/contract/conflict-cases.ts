import assert from 'node:assert/strict';
import { type CaseDefinition, casesOf } from './contract-case.js';
import {
  assertRecord,
  assertStatus,
  check,
  commitOk,
  commitOne,
  currentOf,
  key,
  mint,
  put,
  readOne,
  remove,
  transaction,
} from './contract-words.js';

/** What a conflict hands over, and what comes too late. */
export const conflictCases: CaseDefinition[] = [
  ...casesOf('conflict', {
    async 'hands over the current records of all its writes, in their order'({ storage }) {
      const a = put(key('a'), null, { a: 1 }, { expiresAtMs: Date.now() + 3_600_000 });
      const c = put(key('c'), null, { c: 1 });
      await commitOk(storage, a, c);
      const wrong = [
        put(key('c'), c.version, 2),
        remove(key('absent'), null),
        check(key('a'), mint()),
        put(key('also absent'), mint(), 1),
      ];
      for (const writes of [wrong, wrong.toReversed()]) {
        const current = currentOf(await commitOne(storage, ...writes));
        assert.equal(current.length, writes.length);
        current.forEach((record, index) => {
          const at = writes[index]?.key;
          if (at === a.key) assertRecord(record, a);
          else if (at === c.key) assertRecord(record, c);
          else assert.equal(record, undefined);
        });
      }
    },

    async 'never hands over a stale record'({ storage }) {
      let expected = null as string | null;
      for (let round = 0; round < 20; round++) {
        const write = put(key('a'), expected, { round });
        await commitOk(storage, write);
        assertRecord(currentOf(await commitOne(storage, put(key('a'), mint(), 'lost')))[0], write);
        expected = write.version;
      }
      await commitOk(storage, remove(key('a'), expected));
      assert.deepEqual(currentOf(await commitOne(storage, put(key('a'), mint(), 'lost'))), [undefined]);
    },

    async 'can be resolved with what it handed over'({ storage }) {
      await commitOk(storage, put(key('a'), null, { n: 1 }));
      const lost = await commitOne(storage, put(key('a'), null, { n: 1 }));
      const current = currentOf(lost)[0];
      assert.ok(current);
      const next = put(key('a'), current.version, { n: (current.value.json as { n: number }).n + 1 });
      await commitOk(storage, next);
      assert.equal((await readOne(storage, key('a')))?.value.text, '{"n":2}');
    },
  }),

  ...casesOf('notAfterMs', {
    async 'is late once the clock reads more, and nothing is written'({ storage }) {
      const { nowMs } = await storage.read([]);
      const kept = put(key('kept'), null, 1);
      await commitOk(storage, kept);
      for (const notAfterMs of [nowMs - 3_600_000, 0, -1]) {
        const { outcomes } = await storage.commit([
          { writes: [put(key('new'), null, 1), put(key('kept'), kept.version, 2)], notAfterMs },
        ]);
        assert.deepEqual(outcomes, [{ status: 'late' }]);
        const deleted = await storage.commit([{ writes: [remove(key('kept'), kept.version)], notAfterMs }]);
        assertStatus(deleted.outcomes[0], 'late');
      }
      assert.equal(await readOne(storage, key('new')), undefined);
      assertRecord(await readOne(storage, key('kept')), kept);
    },

    async 'lets through what is in time'({ storage }) {
      const { nowMs } = await storage.read([]);
      const write = put(key('a'), null, 1);
      const answer = await storage.commit([{ writes: [write], notAfterMs: nowMs + 3_600_000 }]);
      assertStatus(answer.outcomes[0], 'ok');
      assertRecord(await readOne(storage, key('a')), write);
    },

    async 'holds for what only checks'({ storage }) {
      const { nowMs } = await storage.read([]);
      const late = await storage.commit([
        { writes: [check(key('a'), null)], notAfterMs: nowMs - 3_600_000 },
        { writes: [check(key('b'), null)], notAfterMs: nowMs + 3_600_000 },
      ]);
      assert.deepEqual(
        late.outcomes.map((outcome) => outcome.status),
        ['late', 'ok'],
      );
    },

    async 'holds inside locked'({ storage }) {
      const answer = await storage.locked([key('a')], (_records, nowMs) => [
        { writes: [put(key('a'), null, 1)], notAfterMs: nowMs - 3_600_000 },
        { writes: [put(key('b'), null, 1)], notAfterMs: nowMs + 3_600_000 },
      ]);
      assert.ok(!answer.busy);
      assert.deepEqual(
        answer.outcomes.map((outcome) => outcome.status),
        ['late', 'ok'],
      );
      assert.equal(await readOne(storage, key('a')), undefined);
    },

    async 'loses to a conflict: what is both is a conflict'({ storage }) {
      const { nowMs } = await storage.read([]);
      const write = put(key('a'), null, 1);
      await commitOk(storage, write);
      const writes = [put(key('b'), null, 1), put(key('a'), null, 2)];
      for (const order of [writes, writes.toReversed()]) {
        const { outcomes } = await storage.commit([{ writes: order, notAfterMs: nowMs - 3_600_000 }]);
        const current = currentOf(outcomes[0]);
        assertRecord(
          current.find((record) => record !== undefined),
          write,
        );
      }
    },

    async 'is in time at the very millisecond, and late one later'({ storage, clock }) {
      if (!clock)
        return { skipped: 'the clock of this store cannot be set, so no test can hit a millisecond' };
      const notAfterMs = clock();
      const exact = await storage.commit([{ writes: [put(key('a'), null, 1)], notAfterMs }]);
      assertStatus(exact.outcomes[0], 'ok');
      clock.advance(1);
      const after = await storage.commit([
        { writes: [put(key('b'), null, 1)], notAfterMs },
        transaction(put(key('c'), null, 1)),
      ]);
      assert.deepEqual(
        after.outcomes.map((outcome) => outcome.status),
        ['late', 'ok'],
      );
      clock.advance(-1);
      const back = await storage.commit([{ writes: [put(key('b'), null, 1)], notAfterMs }]);
      assertStatus(back.outcomes[0], 'ok');
      return undefined;
    },
  }),
];
