import { describe, expect, it } from 'vitest';
import { granted } from '../core/answers.js';
import { openScopeWorld } from './scope-world.js';
import { backends } from '../storage/backends.js';
import { InvalidNamespaceError } from '@langchain/langgraph-checkpoint';
import { langGraphStore } from 'ambit/langgraph';
import { memoryBackend } from '../storage/backends.js';

describe.each(backends)('the LangGraph store on $name', (backend) => {
  it('keeps items by namespace and key, and finds them again', async () => {
    const { scopes } = await openScopeWorld(backend);
    const store = langGraphStore(scopes);
    await store.put(['users', 'anna'], 'likes', { drink: 'tea', cups: 3 });
    await store.put(['users', 'anna', 'pets'], 'cat', { name: 'Tea Leaf' });
    await store.put(['users', 'ann'], 'likes', { drink: 'milk', cups: 1 });
    expect(await store.get(['users', 'anna'], 'likes')).toEqual({
      namespace: ['users', 'anna'],
      key: 'likes',
      value: { drink: 'tea', cups: 3 },
      createdAt: expect.any(Date) as Date,
      updatedAt: expect.any(Date) as Date,
    });
    expect(await store.get(['users'], 'likes')).toBeNull();
    const keys = async (prefix: string[], options = {}): Promise<string[]> =>
      (await store.search(prefix, options)).map(({ namespace, key }) => [...namespace, key].join(' '));
    expect(await keys(['users', 'anna'])).toEqual(['users anna likes', 'users anna pets cat']);
    expect(await keys(['users'])).toEqual(['users ann likes', 'users anna likes', 'users anna pets cat']);
    expect(await keys([], { query: 'TEA' })).toEqual(['users anna likes', 'users anna pets cat']);
    expect(await keys([], { filter: { cups: { $gt: 1 } } })).toEqual(['users anna likes']);
    expect(await keys([], { limit: 1, offset: 1 })).toEqual(['users anna likes']);
    expect(await store.listNamespaces()).toEqual([
      ['users', 'ann'],
      ['users', 'anna'],
      ['users', 'anna', 'pets'],
    ]);
    expect(await store.listNamespaces({ maxDepth: 1 })).toEqual([['users']]);
    expect(await store.listNamespaces({ prefix: ['*', 'anna'] })).toHaveLength(2);
    expect(await store.listNamespaces({ suffix: ['pets'], limit: 5 })).toEqual([['users', 'anna', 'pets']]);
    await store.delete(['users', 'ann'], 'likes');
    expect(await store.get(['users', 'ann'], 'likes')).toBeNull();
    expect(await store.listNamespaces({ limit: 1, offset: 1 })).toEqual([['users', 'anna', 'pets']]);
  });

  it('does a batch in order, and puts that follow each other together', async () => {
    const { scopes } = await openScopeWorld(backend);
    const store = langGraphStore(scopes);
    const namespace = ['n'];
    const results = await store.batch([
      { namespace, key: 'k' },
      { namespace, key: 'k', value: { n: 1 } },
      { namespace, key: 'k', value: { n: 2 } },
      { namespace, key: 'k' },
      { namespace, key: 'k', value: null },
      { namespace, key: 'k' },
      { namespacePrefix: [] },
      { limit: 10, offset: 0 },
    ]);
    expect(results[0]).toBeNull();
    expect(results[3]).toMatchObject({ value: { n: 2 } });
    expect(results[5]).toBeNull();
    expect([results[1], results[6], results[7]]).toEqual([undefined, [], []]);
    const wrong = store.batch([
      { namespace, key: 'written', value: { n: 1 } },
      { namespace: [], key: 'k', value: { n: 1 } },
    ]);
    await expect(wrong).rejects.toThrow(InvalidNamespaceError);
    expect(await store.get(namespace, 'written')).toBeNull();
  });
});

describe('the LangGraph store', () => {
  it('keeps namespaces apart whatever their labels hold', async () => {
    const { scopes } = await openScopeWorld(memoryBackend);
    const store = langGraphStore(scopes);
    const namespaces = [
      ['a', 'b'],
      ['a/b'],
      ['a%2Fb'],
      ['a', 'b/'],
      ['a:b'],
      ['*'],
      ['é', '\u0000'],
      ['A', 'b'],
    ];
    for (const namespace of namespaces) await store.put(namespace, 'k', { namespace });
    for (const namespace of namespaces)
      expect((await store.get(namespace, 'k'))?.value).toEqual({ namespace });
    const listed = await store.listNamespaces();
    expect(listed).toHaveLength(namespaces.length);
    expect(listed).toEqual(expect.arrayContaining(namespaces));
    expect(await store.search(['a'])).toHaveLength(2);
  });

  it('of another root sees nothing of it, and scopes of other names are not its', async () => {
    const { scopes } = await openScopeWorld(memoryBackend);
    const [one, other] = [langGraphStore(scopes), langGraphStore(scopes, { root: 'g' })];
    await one.put(['n'], 'k', { v: 1 });
    await granted(scopes.persist('k', 1));
    expect(await other.search([])).toEqual([]);
    expect(await other.listNamespaces()).toEqual([]);
    expect(await scopes.retrieve('k', { scope: 'langgraph:n/' })).toMatchObject({
      entry: { value: { v: 1 } },
    });
  });

  it('forgets items past their lifetime', async () => {
    const { scopes, clock } = await openScopeWorld(memoryBackend);
    const store = langGraphStore(scopes, { ttlMs: 1_000 });
    await store.put(['n'], 'k', { at: new Date(0), none: undefined });
    expect((await store.get(['n'], 'k'))?.value).toEqual({ at: '1970-01-01T00:00:00.000Z' });
    clock.advance(1_000);
    expect(await store.get(['n'], 'k')).toBeNull();
    expect(await store.listNamespaces()).toEqual([]);
  });

  it('filters by every operator, by paths and by whole values', async () => {
    const { scopes } = await openScopeWorld(memoryBackend);
    const store = langGraphStore(scopes);
    const items = {
      a: { n: 1, s: '2026-01-01', tags: ['x', 'y'], deep: { n: 1 } },
      b: { n: 2, s: '2026-02-01', tags: ['x'], deep: { n: 2 }, more: null },
      c: { n: '3', s: 'text' },
    };
    for (const [key, value] of Object.entries(items)) await store.put(['n'], key, value);
    const found = async (filter: Record<string, unknown>): Promise<string> =>
      (await store.search(['n'], { filter })).map(({ key }) => key).join('');
    const cases: [Record<string, unknown>, string][] = [
      [{ n: 1 }, 'a'],
      [{ n: { $eq: 2 } }, 'b'],
      [{ n: { $ne: 1 } }, 'bc'],
      [{ n: { $gt: 1 } }, 'bc'],
      [{ n: { $gte: 2, $lt: 3 } }, 'b'],
      [{ n: { $lte: 1 } }, 'a'],
      [{ n: { $in: [1, '3'] } }, 'ac'],
      [{ n: { $nin: [1] } }, 'bc'],
      [{ s: { $gte: '2026-01-15', $lt: '2026-12-31' } }, 'b'],
      [{ more: { $exists: true } }, 'b'],
      [{ more: { $exists: false } }, 'ac'],
      [{ more: null }, 'b'],
      [{ tags: ['x', 'y'] }, 'a'],
      [{ deep: { n: 2 } }, 'b'],
      [{ 'deep.n': { $gt: 1 } }, 'b'],
      [{ missing: { $gt: 0 } }, ''],
      [{}, 'abc'],
    ];
    for (const [filter, keys] of cases) expect([filter, await found(filter)]).toEqual([filter, keys]);
    await expect(store.search([], { filter: { n: { $regex: 'x' } } })).rejects.toThrow(
      /\$regex is no operator/,
    );
  });

  it('rejects with the refusal where Ambit refuses', async () => {
    const { scopes } = await openScopeWorld(memoryBackend, { entriesPerScopeMax: 1 });
    const store = langGraphStore(scopes);
    await store.put(['n'], 'k', { v: 1 });
    await expect(store.put(['n'], 'l', { v: 1 })).rejects.toMatchObject({ refusal: { code: 'SCOPE_FULL' } });
    await expect(store.put(['x'.repeat(1_100)], 'l', { v: 1 })).rejects.toMatchObject({
      refusal: { code: 'INVALID_INPUT' },
    });
    await expect(store.put(['n'], 'l', 7 as never)).rejects.toThrow(TypeError);
    expect(() => langGraphStore({} as never)).toThrow(TypeError);
    expect(() => langGraphStore(scopes, { root: '' })).toThrow(RangeError);
    expect(() => langGraphStore(scopes, { rot: 'x' } as never)).toThrow(RangeError);
  });

  it('puts many items at once, in as few transactions as they need', async () => {
    const { scopes } = await openScopeWorld(memoryBackend);
    const store = langGraphStore(scopes);
    const puts = Array.from({ length: 1_200 }, (_, n) => ({
      namespace: ['many', String(n % 3)],
      key: `k${n}`,
      value: { n, text: 'x'.repeat(n % 100 === 0 ? 300_000 : 10) },
    }));
    await store.batch(puts);
    expect(await store.search(['many'], { limit: 2_000 })).toHaveLength(1_200);
    const gets = puts.map(({ namespace, key }) => ({ namespace, key }));
    const got = await store.batch(gets);
    expect(got.map((item) => item?.value['n'] as number)).toEqual(puts.map(({ value }) => value.n));
  });
});
