import assert from 'node:assert/strict';
import {
  keysBelow,
  type MaybePromise,
  type Storage,
  StorageUnavailableError,
} from '../../storage/storage.js';
import { type CaseDefinition, casesOf } from './contract-case.js';
import {
  assertRecord,
  check,
  commitOk,
  commitOne,
  fill,
  key,
  keysOf,
  mint,
  put,
  remove,
  transaction,
} from './contract-words.js';

/** How far the clock of a store on this machine may be from that of the test: a busy machine, a step of its clock. */
const skewMsMax = 10_000;

const everyMethod: Record<string, (storage: Storage) => MaybePromise<unknown>> = {
  'read of nothing': (storage) => storage.read([]),
  read: (storage) => storage.read([key('a')]),
  'commit of nothing': (storage) => storage.commit([]),
  commit: (storage) => storage.commit([transaction(put(key('a'), null, 1))]),
  'commit of a check': (storage) => storage.commit([transaction(check(key('a'), null))]),
  locked: (storage) => storage.locked([key('a')], () => assert.fail('run was called on a closed store')),
  range: (storage) => storage.range({ ...keysBelow(['contract']), limit: 1 }),
  sweep: (storage) => storage.sweep(1),
};

/** What a store says of itself, its clock, and what becomes of it at its end. */
export const lifeCases: CaseDefinition[] = [
  ...casesOf('capabilities', {
    'are frozen and of the form the engine reads'({ storage: { capabilities } }) {
      assert.ok(Object.isFrozen(capabilities) && Object.isFrozen(capabilities.durability));
      assert.match(capabilities.name, /^[a-z][a-z0-9-]*$/);
      assert.ok(['none', 'bounded-loss', 'process', 'power'].includes(capabilities.durability.level));
      if (capabilities.durability.level === 'bounded-loss')
        assert.ok(capabilities.durability.lossWindowMs > 0);
      assert.ok(['exclusive', 'host', 'network'].includes(capabilities.sharing));
      assert.ok(['always', 'after-conflict'].includes(capabilities.locking));
      assert.equal(typeof capabilities.immediate, 'boolean');
    },

    'say immediate only if read and commit answer without a promise'({ storage }) {
      if (!storage.capabilities.immediate) return { skipped: 'this store answers by promise' };
      assert.ok(!(storage.read([key('a')]) instanceof Promise), 'read answered a promise');
      const answer = storage.commit([transaction(put(key('a'), null, 1))]);
      assert.ok(!(answer instanceof Promise), 'commit answered a promise');
      assert.equal(answer.outcomes[0]?.status, 'ok');
      return undefined;
    },
  }),

  ...casesOf('description', {
    async 'is of one line a fact, and says nothing of a password'({ storage }) {
      if (!storage.describe) return { skipped: 'this store has nothing to tell of itself' };
      const { server, schemaVersion, facts, warnings } = await storage.describe();
      assert.match(server, /^[A-Z]\w*.* \d+(\.\d+)*/, 'its name and version');
      if (schemaVersion !== undefined) assert.ok(Number.isSafeInteger(schemaVersion) && schemaVersion > 0);
      for (const line of [server, ...Object.entries(facts).flat(), ...warnings]) {
        assert.match(line, /^[^\p{C}]+$/u, 'one line of text');
        assert.doesNotMatch(line, /:\/\/[^/]*@/, 'the user name and password of a URL');
      }
      return undefined;
    },
  }),

  ...casesOf('time', {
    async 'comes with every answer, in milliseconds, and hardly ever runs back'({ storage }) {
      let lastMs = (await storage.read([])).nowMs;
      for (let round = 0; round < 10; round++) {
        const answers = [
          await storage.read([]),
          await storage.read([key('a')]),
          await storage.commit([]),
          await storage.commit([transaction(put(key('n', round), null, 1))]),
          await storage.commit([transaction(check(key('a'), null)), transaction(check(key('b'), mint()))]),
          await storage.locked([key('a')], (_, nowMs) => {
            assert.ok(Number.isFinite(nowMs) && nowMs >= lastMs - skewMsMax);
            return [];
          }),
          await storage.range({ ...keysBelow(['contract']), limit: 1 }),
          await storage.sweep(1),
        ];
        for (const { nowMs } of answers) {
          assert.ok(Number.isFinite(nowMs), `${nowMs} is no time`);
          assert.ok(nowMs >= lastMs - skewMsMax && nowMs < lastMs + 600_000, `${nowMs} after ${lastMs}`);
          lastMs = nowMs;
        }
      }
    },

    async 'is read between the question and the answer'({ storage, clock }) {
      if (storage.capabilities.sharing === 'network' && !clock) {
        return { skipped: "the clock of a server need not agree with this machine's" };
      }
      const host = clock ?? Date.now;
      const slackMs = clock ? 0 : skewMsMax;
      for (let round = 0; round < 5; round++) {
        const askedMs = host();
        const { nowMs } = await storage.read([]);
        assert.ok(nowMs >= askedMs - slackMs && nowMs <= host() + slackMs, `${nowMs} for ${askedMs}`);
        const committed = await storage.commit([transaction(put(key('n', round), null, 1))]);
        assert.ok(committed.nowMs >= askedMs - slackMs && committed.nowMs <= host() + slackMs);
        clock?.advance(1_234);
      }
      return undefined;
    },

    async 'is the time of the clock it shows'({ storage }) {
      if (!storage.clock) return { skipped: 'this store shows no clock' };
      const before = storage.clock();
      const { nowMs } = await storage.read([]);
      const after = storage.clock();
      assert.ok(
        nowMs >= before - skewMsMax && nowMs <= after + skewMsMax,
        `${nowMs} between ${before} and ${after}`,
      );
      return undefined;
    },
  }),

  ...casesOf('close', {
    async 'may be called twice'({ storage }) {
      await storage.close();
      await storage.close();
      await Promise.all([storage.close(), storage.close()]);
    },

    async 'makes every method fail, with nothing written'({ storage }) {
      await commitOk(storage, put(key('a'), null, 1));
      await storage.close();
      for (const [name, call] of Object.entries(everyMethod)) {
        await assert.rejects(
          async () => call(storage),
          (error) => {
            assert.ok(error instanceof StorageUnavailableError, `${name} threw ${String(error)}`);
            assert.equal(error.outcome, 'none', name);
            assert.equal(error.code, 'STORAGE_UNAVAILABLE');
            assert.ok(error.message.length > 0 && !error.message.includes('\n'), 'one clear line');
            return true;
          },
          `${name} of a closed store answered`,
        );
      }
    },

    async 'waits for what is under way'({ storage }) {
      const commits = keysOf('k', 20).map((at) => commitOne(storage, put(at, null, 1)));
      const closing = storage.close();
      for (const outcome of await Promise.all(commits)) assert.equal(outcome.status, 'ok');
      await closing;
    },
  }),

  ...casesOf('reopened', {
    async 'has all that was acknowledged, and nothing else'({ storage, open }) {
      if (storage.capabilities.durability.level === 'none')
        return { skipped: 'nothing survives in this store' };
      const { nowMs } = await storage.read([]);
      const kept = keysOf('kept', 50).map((at, index) =>
        put(
          at,
          null,
          { index, text: '\u0000 漢 👩' },
          index % 2 === 0 ? { expiresAtMs: nowMs + 3_600_000 } : {},
        ),
      );
      for (const write of kept) await commitOk(storage, write);
      const [gone = null] = await fill(storage, [key('gone')]);
      await commitOk(storage, remove(key('gone'), gone));
      await fill(storage, [key('swept')], nowMs - 3_600_000);
      assert.deepEqual((await storage.sweep(10)).keys, [key('swept')]);
      const conflict = await commitOne(storage, put(key('lost'), mint(), 1));
      assert.equal(conflict.status, 'conflict');
      const last = put(key('last'), null, 'acknowledged just before the end');
      await commitOk(storage, last);
      await storage.close();

      const again = await open();
      const { records } = await again.range({ ...keysBelow(['contract']), limit: 1_000 });
      assert.equal(records.length, kept.length + 1);
      [...kept, last].forEach((write, index) => assertRecord(records[index], write));
      await commitOk(again, put(last.key, last.version, 'written after reopening'));
      return undefined;
    },
  }),
];
