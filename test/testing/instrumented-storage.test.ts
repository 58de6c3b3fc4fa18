import { memoryStorage } from 'ambit/memory';
import { encodeKey, type Key, Value, type Write } from 'ambit/storage';
import { type Change, faultyStorage, findBrokenChains, instrumentedStorage } from 'ambit/testing';
import { describe, expect, test } from 'vitest';

const key: Key = encodeKey(['a']);
const other: Key = encodeKey(['b']);

function put(at: Key, expected: string | null, version: string, expiresAtMs?: number): Write {
  const write = { kind: 'put', key: at, expected, version, value: Value.of(version) } as const;
  return expiresAtMs === undefined ? write : { ...write, expiresAtMs };
}

function change(from: string | null | undefined, to: string | null, certain = true): Change {
  return { key, from, to, certain };
}

describe('an instrumented storage', () => {
  test('counts what was asked of it', () => {
    const storage = instrumentedStorage(memoryStorage());
    void storage.read([key]);
    void storage.commit([{ writes: [put(key, null, 'v1')] }, { writes: [] }]);
    void storage.commit([]);
    void storage.locked([key], () => [{ writes: [] }]);
    void storage.range({ start: key, end: other, limit: 1 });
    void storage.sweep(1);
    void storage.close();
    expect(storage.counts).toEqual({
      read: 1,
      commit: 2,
      locked: 1,
      range: 1,
      sweep: 1,
      close: 1,
      transactions: 3,
      groupTransactionsMax: 2,
    });
  });

  test('notes each change that was acknowledged, and none that was not', () => {
    const storage = instrumentedStorage(memoryStorage());
    void storage.commit([
      { writes: [put(key, null, 'v1'), { kind: 'check', key: other, expected: null }] },
      { writes: [put(other, 'wrong', 'v2')] },
      { writes: [], notAfterMs: 0 },
    ]);
    void storage.locked([key], ([record]) => [{ writes: [put(key, record?.version ?? null, 'v3')] }]);
    void storage.commit([
      {
        writes: [
          { kind: 'delete', key, expected: 'v3' },
          { kind: 'delete', key: other, expected: null },
        ],
      },
    ]);
    void storage.commit([{ writes: [put(other, null, 'v4', 0)] }]);
    void storage.sweep(10);
    expect(storage.changes).toEqual([
      { key, from: null, to: 'v1', certain: true },
      { key, from: 'v1', to: 'v3', certain: true },
      { key, from: 'v3', to: null, certain: true },
      { key: other, from: null, to: 'v4', certain: true },
      { key: other, from: undefined, to: null, certain: true },
    ]);
    expect(findBrokenChains(storage.changes)).toEqual([]);
  });

  test('notes what may have happened as uncertain, and what was refused not at all', async () => {
    const fates = ['reply-lost', 'refused'] as const;
    const faulty = faultyStorage(
      memoryStorage(),
      ({ method, index }) => {
        const fate = method === 'commit' ? fates[index] : undefined;
        return fate && { fate };
      },
      { capabilities: { immediate: false } },
    );
    const storage = instrumentedStorage(faulty);
    await expect(storage.commit([{ writes: [put(key, null, 'v1')] }])).rejects.toThrow('reply-lost');
    await expect(storage.commit([{ writes: [put(key, 'v1', 'v2')] }])).rejects.toThrow('refused');
    expect(storage.changes).toEqual([{ key, from: null, to: 'v1', certain: false }]);
  });
});

describe('findBrokenChains', () => {
  test.each<[string, Change[]]>([
    ['nothing', []],
    ['a life from end to end, in any order', [change('b', null), change(null, 'a'), change('a', 'b')]],
    ['two lives', [change(null, 'a'), change('a', null), change(null, 'b')]],
    ['a life that a sweep ended', [change(null, 'a'), change(undefined, null), change(null, 'b')]],
    ['a change that follows an uncertain one', [change(null, 'a', false), change('a', 'b')]],
    [
      'an uncertain change beside a certain one',
      [change(null, 'a'), change('a', 'b', false), change('a', 'c')],
    ],
    ['the same life of another key', [change(null, 'a'), { ...change(null, 'a'), key: other }]],
  ])('passes %s', (_what, changes) => {
    expect(findBrokenChains(changes)).toEqual([]);
  });

  test.each<[string, Change[], string]>([
    [
      'a lost update',
      [change(null, 'a'), change('a', 'b'), change('a', 'c')],
      'version a was replaced twice',
    ],
    [
      'a version nobody wrote',
      [change(null, 'a'), change('x', 'b')],
      'version x was replaced, and nobody wrote it',
    ],
    [
      'a version used twice',
      [change(null, 'a'), change('a', null), change(null, 'a')],
      'version a was written twice',
    ],
    ['two creations', [change(null, 'a'), change(null, 'b')], 'created 2 times, deleted 0 times'],
  ])('finds %s', (_what, changes, breach) => {
    expect(findBrokenChains(changes)).toEqual([`${key}: ${breach}`]);
  });
});
