import { afterEach, expect, test } from 'vitest';
import { createEngine } from '../../src/engine/create-engine.js';
import type { Engine, View } from '../../src/engine/engine.js';
import { encodeKey, type Key } from '../../src/core/keys.js';
import { isRefused, refuse } from '../../src/core/refusals.js';
import { memoryStorage } from '../../src/storage/memory/memory-storage.js';
import { networkStorage } from '../engine/network-storage.js';
import type { Storage } from '../../src/storage/storage.js';

const engines: Engine[] = [];

afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

function engineOn(shared: Storage): Engine {
  const engine = createEngine(networkStorage({ shared }), { instanceId: `engine${engines.length}` });
  engines.push(engine);
  return engine;
}

const account = (name: string): Key<number> => encodeKey<number>(['account', name]);
const empty = refuse({ code: 'BUDGET_EXCEEDED', message: 'empty', retryable: false });

function add(engine: Engine, key: Key<number>, amount: number) {
  return engine.transact([key], (view) => {
    view.put(key, (view.get(key) ?? 0) + amount);
    return { ok: true as const };
  });
}

function move(view: View, from: Key<number>, to: Key<number>) {
  const left = view.get(from) ?? 0;
  if (left === 0 || from === to) return empty;
  view.put(from, left - 1);
  view.put(to, (view.get(to) ?? 0) + 1);
  return { ok: true as const };
}

async function sumIn(shared: Storage, keys: readonly Key<number>[]): Promise<number> {
  const { records } = await shared.read(keys);
  return records.reduce((sum, record) => sum + Number(record?.value.json ?? 0), 0);
}

test('a record that was lost to another process shares the fate of all that one call touched', async () => {
  const shared = memoryStorage();
  const [engine, other] = [engineOn(shared), engineOn(shared)];
  const [a, b] = [account('a'), account('b')];
  await add(engine, a, 10);
  await add(engine, b, 10);
  await add(other, b, 100);
  // Two calls that have nothing in common, until the third ties them together; what it knows of b is out of date.
  const answers = await Promise.all([
    add(engine, a, 1),
    add(engine, b, 1),
    engine.transact([a, b], (view) => move(view, a, b)),
  ]);
  expect(answers.filter((answer) => !answer.ok)).toEqual([]);
  const { records } = await shared.read([a, b]);
  expect(records.map((record) => record?.value.json)).toEqual([10, 112]);
});

test('three processes that move between the same records neither create nor lose anything', async () => {
  const shared = memoryStorage();
  const movers = [engineOn(shared), engineOn(shared), engineOn(shared)];
  const accounts = ['a', 'b', 'c', 'd', 'e'].map(account);
  for (const key of accounts) await add(movers[0] as Engine, key, 20);
  const moves = Array.from({ length: 900 }, (_, index) => {
    const from = accounts[index % 5] as Key<number>;
    const to = accounts[(index * 7 + 3) % 5] as Key<number>;
    return (movers[index % 3] as Engine).transact([from, to], (view) => move(view, from, to));
  });
  const answers = await Promise.all(moves);
  expect(answers.filter((answer) => isRefused(answer) && answer !== empty)).toEqual([]);
  expect(await sumIn(shared, accounts)).toBe(100);
});
