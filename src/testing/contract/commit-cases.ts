import assert from 'node:assert/strict';
import type { Write } from '../../storage/storage.js';
import { type CaseDefinition, casesOf } from './contract-case.js';
import {
  assertRecord,
  assertStatus,
  check,
  commitOk,
  commitOne,
  currentOf,
  key,
  keysOf,
  mint,
  put,
  readOne,
  remove,
  statusesOf,
  transaction,
  versionsUnder,
} from './contract-words.js';

/** What one transaction does, and what a group of them does. */
export const commitCases: CaseDefinition[] = [
  ...casesOf('commit', {
    async 'creates what was absent'({ storage }) {
      const write = put(key('a'), null, { n: 1 });
      await commitOk(storage, write);
      assertRecord(await readOne(storage, key('a')), write);
    },

    async 'replaces what has the expected version'({ storage }) {
      const first = put(key('a'), null, { n: 1 });
      const second = put(key('a'), first.version, { n: 2 });
      await commitOk(storage, first);
      await commitOk(storage, second);
      assertRecord(await readOne(storage, key('a')), second);
    },

    async 'deletes what has the expected version'({ storage }) {
      const write = put(key('a'), null, 1);
      await commitOk(storage, write);
      await commitOk(storage, remove(key('a'), write.version));
      assert.equal(await readOne(storage, key('a')), undefined);
    },

    async 'takes a delete of what is expected absent as a check'({ storage }) {
      await commitOk(storage, remove(key('a'), null));
      await commitOk(storage, put(key('a'), null, 1));
      assertStatus(await commitOne(storage, remove(key('a'), null)), 'conflict');
      assert.notEqual(await readOne(storage, key('a')), undefined);
    },

    async 'changes nothing by checks that hold'({ storage }) {
      const write = put(key('a'), null, 1);
      await commitOk(storage, write);
      await commitOk(storage, check(key('a'), write.version), check(key('b'), null));
      assertRecord(await readOne(storage, key('a')), write);
      assert.equal(await readOne(storage, key('b')), undefined);
    },

    async 'compares the version of every kind of write'({ storage }) {
      const write = put(key('a'), null, 1);
      await commitOk(storage, write);
      for (const expected of [null, mint(), `${write.version.slice(0, -1)}x`, write.version.toLowerCase()]) {
        for (const wrong of [
          put(key('a'), expected, 2),
          remove(key('a'), expected),
          check(key('a'), expected),
        ]) {
          assertStatus(await commitOne(storage, wrong), 'conflict');
        }
      }
      for (const wrong of [put(key('b'), mint(), 2), remove(key('b'), mint()), check(key('b'), mint())]) {
        assertStatus(await commitOne(storage, wrong), 'conflict');
      }
      assertRecord(await readOne(storage, key('a')), write);
      assert.equal(await readOne(storage, key('b')), undefined);
    },

    async 'writes all of a transaction or nothing, wherever the wrong version is'({ storage }) {
      const kept = put(key('kept'), null, 1);
      await commitOk(storage, kept);
      for (const place of [0, 1, 2, 3]) {
        const writes: Write[] = [
          put(key('new'), null, 1),
          put(key('kept'), kept.version, 2),
          remove(key('gone'), null),
        ];
        for (const wrong of [
          check(key('wrong'), mint()),
          put(key('wrong'), mint(), 1),
          remove(key('wrong'), mint()),
        ]) {
          const outcome = await commitOne(storage, ...writes.toSpliced(place, 0, wrong));
          assertStatus(outcome, 'conflict');
        }
      }
      assertRecord(await readOne(storage, key('kept')), kept);
      assert.deepEqual(await versionsUnder(storage, [key('new'), key('wrong')]), [null, null]);
    },

    async 'does not take a record that was deleted and created again for the old one'({ storage }) {
      const first = put(key('a'), null, { n: 1 });
      await commitOk(storage, first);
      await commitOk(storage, remove(key('a'), first.version));
      const again = put(key('a'), null, { n: 1 });
      await commitOk(storage, again);
      for (const stale of [
        put(key('a'), first.version, { n: 2 }),
        remove(key('a'), first.version),
        check(key('a'), first.version),
      ]) {
        assertStatus(await commitOne(storage, stale), 'conflict');
      }
      assertRecord(await readOne(storage, key('a')), again);
    },

    async 'answers a group that was sent twice as a conflict that carries its own versions'({ storage }) {
      const writes = [put(key('a'), null, 1), put(key('b'), null, 2)];
      await commitOk(storage, ...writes);
      const current = currentOf(await commitOne(storage, ...writes));
      assert.deepEqual(
        current.map((record) => record?.version),
        writes.map((write) => write.version),
      );
    },

    async 'takes an empty group and an empty transaction'({ storage }) {
      assert.deepEqual((await storage.commit([])).outcomes, []);
      const answer = await storage.commit([
        transaction(),
        transaction(put(key('a'), null, 1)),
        transaction(),
      ]);
      assert.deepEqual(statusesOf(answer), ['ok', 'ok', 'ok']);
      assert.notEqual(await readOne(storage, key('a')), undefined);
    },

    async 'leaves records that were handed out as they were'({ storage }) {
      const first = put(key('a'), null, { n: 1 }, { expiresAtMs: Date.now() + 3_600_000 });
      await commitOk(storage, first);
      const read = await readOne(storage, key('a'));
      const conflict = currentOf(await commitOne(storage, check(key('a'), null)))[0];
      const second = put(key('a'), first.version, { n: 2 });
      await commitOk(storage, second);
      assertRecord(read, first);
      assertRecord(conflict, first);
      await commitOk(storage, remove(key('a'), second.version));
      assertRecord(read, first);
    },
  }),

  ...casesOf('group', {
    async 'tries each transaction by itself, and answers in order'({ storage }) {
      const old = put(key('old'), null, 1);
      await commitOk(storage, old);
      const { nowMs } = await storage.read([]);
      const past = nowMs - 3_600_000;
      const fresh = put(key('fresh'), null, 1);
      const replaced = put(key('old'), old.version, 2);
      const answer = await storage.commit([
        transaction(fresh),
        transaction(put(key('wrong'), mint(), 1), put(key('beside'), null, 1)),
        { writes: [put(key('late'), null, 1)], notAfterMs: past },
        transaction(replaced),
        transaction(check(key('absent'), null)),
        transaction(check(key('not there'), mint())),
      ]);
      assert.deepEqual(statusesOf(answer), ['ok', 'conflict', 'late', 'ok', 'ok', 'conflict']);
      assertRecord(await readOne(storage, key('fresh')), fresh);
      assertRecord(await readOne(storage, key('old')), replaced);
      assert.deepEqual(await versionsUnder(storage, [key('wrong'), key('beside'), key('late')]), [
        null,
        null,
        null,
      ]);
    },

    async 'lets no conflict or lateness of one reach another, in any order'({ storage }) {
      const { nowMs } = await storage.read([]);
      const kinds = ['ok', 'conflict', 'late'];
      const expected = kinds.flatMap((a) => kinds.flatMap((b) => kinds.flatMap((c) => [a, b, c])));
      const puts = expected.map((status, index) =>
        put(key('n', index), status === 'conflict' ? mint() : null, index),
      );
      const answer = await storage.commit(
        puts.map((write, index) =>
          expected[index] === 'late'
            ? { writes: [write], notAfterMs: nowMs - 3_600_000 }
            : transaction(write),
        ),
      );
      assert.deepEqual(statusesOf(answer), expected);
      assert.deepEqual(
        await versionsUnder(storage, keysOf('n', expected.length)),
        puts.map((write, index) => (expected[index] === 'ok' ? write.version : null)),
      );
    },

    async 'mixes puts, deletes and checks of many keys'({ storage }) {
      const keys = keysOf('k', 9);
      const first = keys.map((at) => put(at, null, at));
      await commitOk(storage, ...first);
      const versions = first.map((write) => write.version);
      const writesOf = (from: number) => {
        const [a, b, c] = keys.slice(from, from + 3);
        const [va, vb, vc] = versions.slice(from, from + 3);
        assert.ok(a && b && c && va && vb && vc);
        return [put(a, va, 'new'), remove(b, vb), check(c, vc)] as const;
      };
      const all = [0, 3, 6].map(writesOf);
      const answer = await storage.commit(all.map((writes) => transaction(...writes)));
      assert.deepEqual(statusesOf(answer), ['ok', 'ok', 'ok']);
      assert.deepEqual(
        await versionsUnder(storage, keys),
        all.flatMap(([written], index) => [written.version, null, versions[index * 3 + 2] ?? null]),
      );
    },

    async 'of checks alone answers each of them'({ storage }) {
      const write = put(key('a'), null, 1);
      await commitOk(storage, write);
      const answer = await storage.commit([
        transaction(check(key('a'), write.version), check(key('b'), null)),
        transaction(check(key('c'), mint())),
        transaction(check(key('d'), null)),
      ]);
      assert.deepEqual(statusesOf(answer), ['ok', 'conflict', 'ok']);
    },
  }),
];
