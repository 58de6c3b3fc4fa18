import assert from 'node:assert/strict';
import { keysBelow, type Storage } from '../../storage/storage.js';
import { type CaseContext, type CaseDefinition, casesOf, type Skipped } from './contract-case.js';
import {
  assertRecord,
  assertStatus,
  check,
  commitOk,
  commitOne,
  currentOf,
  fill,
  key,
  keysOf,
  mint,
  put,
  readOne,
  remove,
  transaction,
  versionsUnder,
} from './contract-words.js';
import { addOne, lockedAgain } from './locked-cases.js';

/** Gives a case a second handle on the same store, where there can be one. */
function onTwo(run: (one: Storage, two: Storage) => Promise<void>): CaseDefinition['run'] {
  return async ({ storage, open }: CaseContext): Promise<void | Skipped> => {
    if (storage.capabilities.sharing === 'exclusive') {
      return { skipped: 'an exclusive store has one handle at a time' };
    }
    return run(storage, await open());
  };
}

/** Two handles on one store, as two processes would have them. */
export const sharingCases: CaseDefinition[] = casesOf('two handles', {
  'see what the other wrote, at once': onTwo(async (one, two) => {
    let expected: string | null = null;
    for (let round = 0; round < 10; round++) {
      const [writer, reader] = round % 2 === 0 ? [one, two] : [two, one];
      // A handle that keeps what it saw has now something to keep.
      for (const handle of [one, two]) {
        assert.equal((await readOne(handle, key('a')))?.version ?? null, expected);
      }
      const write = put(key('a'), expected, { round });
      await commitOk(writer, write);
      assertRecord(await readOne(reader, key('a')), write);
      assertRecord(currentOf(await commitOne(reader, check(key('a'), mint())))[0], write);
      const { records } = await reader.range({ ...keysBelow(['contract']), limit: 10 });
      assertRecord(records[0], write);
      await lockedAgain(reader, [key('a')], ([record]) => {
        assertRecord(record, write);
        return [];
      });
      expected = write.version;
    }
    await commitOk(two, remove(key('a'), expected));
    assert.equal(await readOne(one, key('a')), undefined);
  }),

  'let exactly one of conflicting commits win': onTwo(async (one, two) => {
    for (let round = 0; round < 20; round++) {
      const [version = null] = await fill(one, [key('a', round)]);
      const puts = [one, two, one, two].map(() => put(key('a', round), version, 1));
      const outcomes = await Promise.all(
        puts.map((write, index) => commitOne(index % 2 === 0 ? one : two, write)),
      );
      const winners = puts.filter((_, index) => outcomes[index]?.status === 'ok');
      assert.equal(winners.length, 1);
      assertRecord(await readOne(two, key('a', round)), winners[0] ?? assert.fail());
    }
  }),

  'let exactly one create what is absent, and never half a transaction': onTwo(async (one, two) => {
    for (let round = 0; round < 20; round++) {
      const keys = keysOf(`k${round}`, 3);
      const attempts = [one, two, one, two].map((handle, index) => ({
        handle,
        puts: (index < 2 ? keys : keys.toReversed()).map((at) => put(at, null, index)),
      }));
      const outcomes = await Promise.all(attempts.map(({ handle, puts }) => commitOne(handle, ...puts)));
      assert.equal(outcomes.filter((outcome) => outcome.status === 'ok').length, 1);
      const winner = outcomes.findIndex((outcome) => outcome.status === 'ok');
      const { records } = await one.read(keys);
      assert.deepEqual(
        records.map((record) => record?.value.text),
        keys.map(() => String(winner)),
      );
    }
  }),

  'keep transactions whole that overlap in opposite orders': onTwo(async (one, two) => {
    const keys = keysOf('k', 4);
    let versions = await fill(one, keys);
    for (let round = 0; round < 20; round++) {
      const [forth, back] = [0, 1].map((side) =>
        keys.map((at, index) => put(at, versions[index] ?? null, { round, side })),
      );
      assert.ok(forth && back);
      const answers = await Promise.all([
        one.commit([transaction(...forth)]),
        two.commit([transaction(...back.toReversed())]),
      ]);
      const won = answers.map((answer) => answer.outcomes[0]?.status === 'ok');
      assert.equal(won.filter(Boolean).length, 1);
      versions = (won[0] ? forth : back).map((write) => write.version);
      assert.deepEqual(await versionsUnder(two, keys), versions);
    }
  }),

  'decide each transaction of overlapping groups by itself': onTwo(async (one, two) => {
    const keys = keysOf('k', 20);
    const groups = [keys, keys.toReversed()].map((order) => order.map((at) => put(at, null, 1)));
    const answers = await Promise.all([
      one.commit((groups[0] ?? []).map((write) => transaction(write))),
      two.commit((groups[1] ?? []).map((write) => transaction(write))),
    ]);
    const winners = groups.flatMap((puts, side) =>
      puts.filter((_, index) => answers[side]?.outcomes[index]?.status === 'ok'),
    );
    assert.equal(winners.length, keys.length);
    assert.deepEqual(new Set(await versionsUnder(one, keys)), new Set(winners.map((write) => write.version)));
  }),

  'queue at the lock of the other': onTwo(async (one, two) => {
    const keys = keysOf('k', 3);
    await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        addOne(index % 2 === 0 ? one : two, index % 3 === 0 ? keys.toReversed() : keys),
      ),
    );
    const { records } = await one.read(keys);
    assert.deepEqual(
      records.map((record) => record?.value.text),
      ['30', '30', '30'],
    );
  }),

  'sweep what the other left, and nothing it renewed': onTwo(async (one, two) => {
    const { nowMs } = await one.read([]);
    const [renewed] = await fill(one, [key('renewed'), key('left')], nowMs - 3_600_000);
    await commitOk(two, put(key('renewed'), renewed ?? null, 1, { expiresAtMs: nowMs + 3_600_000 }));
    assert.deepEqual((await one.sweep(10)).keys, [key('left')]);
    assert.deepEqual((await two.sweep(10)).keys, []);
    assert.notEqual(await readOne(one, key('renewed')), undefined);
  }),

  'are closed one by one': onTwo(async (one, two) => {
    await commitOk(one, put(key('a'), null, 1));
    await one.close();
    assert.notEqual(await readOne(two, key('a')), undefined);
    assertStatus(await commitOne(two, put(key('b'), null, 1)), 'ok');
  }),
});
