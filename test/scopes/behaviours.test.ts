import { codeOf, granted } from '../core/answers.js';
import { allEntries, openScopeWorld, recordsOf } from './scope-world.js';
import { daemonScope, flowScope } from '../../src/scopes/scope-name-rules.js';
import { describe, expect, it } from 'vitest';
import { backends } from '../storage/backends.js';
import type { Json } from '../../src/core/json.js';

/** What users of scopes were promised, on every backend. */
describe.each(backends)('scopes on $name', (backend) => {
  it('global exists from the start, and alone', async () => {
    const { scopes } = await openScopeWorld(backend);
    expect(await scopes.listScopes()).toEqual({ ok: true, scopes: ['global'] });
    expect(await scopes.scopeCount()).toEqual({ ok: true, count: 1 });
    expect(await scopes.summary()).toEqual({
      ok: true,
      scopes: [{ scope: 'global', ephemeral: 0, persistent: 0, total: 0 }],
    });
  });

  it('what is remembered or persisted in a scope is found there, and in no other', async () => {
    const { scopes } = await openScopeWorld(backend);
    const analyze = { scope: flowScope('analyze') };
    const worker = { scope: daemonScope('worker') };
    await granted(scopes.remember('note', 'warm', analyze));
    await granted(scopes.persist('note', { cold: true }, worker));
    expect(scopes.recall('note', analyze)).toMatchObject({ entry: { value: 'warm', layer: 'ephemeral' } });
    for (const options of [{}, worker, { scope: 'flow:other' }])
      expect(scopes.recall('note', options)).toEqual({ ok: true, entry: undefined });
    expect(await scopes.retrieve('note', worker)).toMatchObject({
      entry: { key: 'note', value: { cold: true }, layer: 'persistent' },
    });
    for (const options of [{}, analyze, { scope: 'daemon:other' }])
      expect(await scopes.retrieve('note', options)).toEqual({ ok: true, entry: undefined });
    expect(scopes.forget('note', worker)).toEqual({ ok: true, forgotten: false });
    expect(scopes.forget('note', analyze)).toEqual({ ok: true, forgotten: true });
    expect(scopes.recall('note', analyze)).toEqual({ ok: true, entry: undefined });
  });

  it('mutate changes what exists and answers true; in another scope false, and creates nothing', async () => {
    const { scopes } = await openScopeWorld(backend);
    const { version } = await granted(scopes.persist('fact', 1, { scope: 'a', sourceStep: 'step-1' }));
    const mutated = await granted(scopes.mutate('fact', 2, { scope: 'a', sourceStep: 'step-2' }));
    expect(mutated).toMatchObject({ mutated: true });
    expect(mutated.version).not.toBe(version);
    expect(await scopes.mutate('fact', 3, { scope: 'b' })).toEqual({ ok: true, mutated: false });
    expect(await scopes.mutate('other', 3, { scope: 'a' })).toEqual({ ok: true, mutated: false });
    expect(await scopes.retrieve('fact', { scope: 'a' })).toMatchObject({
      entry: { value: 2, sourceStep: 'step-2', version: mutated.version },
    });
    expect(await scopes.listScopes()).toMatchObject({ scopes: ['a', 'global'] });
    expect(await scopes.count({ scope: 'a' })).toMatchObject({ persistent: 1 });
  });

  it('purge removes and answers true; in another scope false, and what is elsewhere stays', async () => {
    const { scopes } = await openScopeWorld(backend);
    for (const scope of ['a', 'b']) await granted(scopes.persist('k', scope, { scope }));
    expect(await scopes.purge('k', { scope: 'c' })).toEqual({ ok: true, purged: false });
    expect(await scopes.purge('k', { scope: 'a' })).toEqual({ ok: true, purged: true });
    expect(await scopes.purge('k', { scope: 'a' })).toEqual({ ok: true, purged: false });
    expect(await scopes.retrieve('k', { scope: 'b' })).toMatchObject({ entry: { value: 'b' } });
    expect(await scopes.listScopes()).toMatchObject({ scopes: ['b', 'global'] });
  });

  it('purgeWhere removes what it is told to, and nothing else', async () => {
    const { scopes } = await openScopeWorld(backend);
    const changes = Array.from({ length: 300 }, (_, n) => ({
      kind: 'persist' as const,
      key: `${n % 2 ? 'odd' : 'even'}/${n}`,
      value: n,
      scope: 's',
    }));
    await granted(scopes.change(changes));
    const done = await granted(
      scopes.purgeWhere(({ value }) => Number(value) >= 100, { scope: 's', prefix: 'odd/' }),
    );
    expect(done).toEqual({ ok: true, purged: 100, scanned: 150 });
    expect(await scopes.count({ scope: 's' })).toMatchObject({ persistent: 200 });
    const left = await allEntries(scopes, { scope: 's', prefix: 'odd/' });
    expect(left.map(({ value }) => value).sort((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 50 }, (_, n) => 2 * n + 1),
    );
  });

  it('a query finds what holds the text in key or value, in any case, in one scope', async () => {
    const { scopes } = await openScopeWorld(backend);
    await granted(scopes.persist('Analysis-1', 'x', { scope: 'one' }));
    await granted(scopes.persist('k', { deep: [{ ANALYSIS: null }] }, { scope: 'one' }));
    await granted(scopes.persist('z', 'nothing', { scope: 'one' }));
    await granted(scopes.remember('m', 'an analysis', { scope: 'two' }));
    const found = async (scope: string, text: string): Promise<readonly string[]> =>
      (await granted(scopes.query(text, { scope }))).entries.map(({ key }) => key);
    expect(await found('one', 'analysis')).toEqual(['Analysis-1', 'k']);
    expect(await found('two', 'analysis')).toEqual(['m']);
    expect(await found('one', '')).toEqual(['Analysis-1', 'k', 'z']);
    expect(await found('three', '')).toEqual([]);
    // The structure of JSON is no text of anybody's.
    expect(await found('one', '{"deep"')).toEqual([]);
    expect(await granted(scopes.query('NULL', { scope: 'one' }))).toMatchObject({ scanned: 3 });
  });

  it('counts per layer and in total are right, and the same key in three scopes keeps three values', async () => {
    const { scopes } = await openScopeWorld(backend);
    for (const scope of ['a', 'b', 'c']) {
      await granted(scopes.persist('k', scope, { scope }));
      await granted(scopes.remember('k', `note of ${scope}`, { scope }));
    }
    await granted(scopes.remember('other', 1, { scope: 'c' }));
    for (const scope of ['a', 'b', 'c']) {
      expect(await scopes.retrieve('k', { scope })).toMatchObject({ entry: { value: scope } });
      expect(scopes.recall('k', { scope })).toMatchObject({ entry: { value: `note of ${scope}` } });
    }
    expect(await scopes.count({ scope: 'c' })).toEqual({ ok: true, ephemeral: 2, persistent: 1, total: 3 });
    expect(await scopes.countAll()).toEqual({ ok: true, scopes: 4, ephemeral: 4, persistent: 3, total: 7 });
    expect(await scopes.scopeCount()).toEqual({ ok: true, count: 4 });
  });

  it('scopes and summaries are sorted by code point, with those of this process merged in', async () => {
    const { scopes } = await openScopeWorld(backend);
    const names = ['\u{1F600}', '\uE000', 'b', 'a', 'Z', 'flow:x', 'é'];
    for (const [index, scope] of names.entries()) {
      if (index % 2) await granted(scopes.remember('k', 1, { scope }));
      else await granted(scopes.persist('k', 1, { scope }));
    }
    const sorted = ['Z', 'a', 'b', 'flow:x', 'global', 'é', '\uE000', '\u{1F600}'];
    expect(await scopes.listScopes()).toEqual({ ok: true, scopes: sorted });
    const { scopes: summaries } = await granted(scopes.summary());
    expect(summaries.map(({ scope }) => scope)).toEqual(sorted);
    expect(summaries[0]).toEqual({ scope: 'Z', ephemeral: 0, persistent: 1, total: 1 });
    const paged: string[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await granted(scopes.listScopes({ limit: 3, ...(cursor !== undefined && { cursor }) }));
      paged.push(...page.scopes);
      ({ cursor } = page);
      if (cursor === undefined) break;
    }
    expect(paged).toEqual(sorted);
    expect(await scopes.listScopes({ prefix: 'flow:' })).toEqual({ ok: true, scopes: ['flow:x'] });
  });

  it('a read never creates a scope', async () => {
    const { scopes, engine } = await openScopeWorld(backend);
    const scope = 'never';
    scopes.recall('k', { scope });
    scopes.forget('k', { scope });
    await granted(scopes.retrieve('k', { scope }));
    await granted(scopes.retrieveMany(['k', 'l'], { scope }));
    await granted(scopes.list({ scope }));
    await granted(scopes.query('x', { scope }));
    await granted(scopes.purge('k', { scope }));
    await granted(scopes.purgeWhere(() => true, { scope }));
    await granted(scopes.mutate('k', 1, { scope }));
    await granted(scopes.change([]));
    await granted(scopes.export({ scope }));
    await granted(scopes.flush({ scope }));
    expect(await scopes.count({ scope })).toEqual({ ok: true, ephemeral: 0, persistent: 0, total: 0 });
    expect(await scopes.dropScope(scope)).toEqual({
      ok: true,
      dropped: { ephemeral: 0, persistent: 0, total: 0 },
    });
    expect(await scopes.scopeCount()).toEqual({ ok: true, count: 1 });
    for (const kind of ['scope', 'scope-count', 'scope-entry', 'scope-dropped'])
      expect([kind, await recordsOf(engine, kind)]).toEqual([kind, 0]);
  });

  it('a scope goes with its last entry', async () => {
    const { scopes, engine } = await openScopeWorld(backend);
    await granted(scopes.persist('a', 1, { scope: 's' }));
    await granted(scopes.persist('b', 1, { scope: 's', ttlMs: 60_000 }));
    await granted(scopes.purge('a', { scope: 's' }));
    expect(await scopes.listScopes()).toMatchObject({ scopes: ['global', 's'] });
    await granted(scopes.purge('b', { scope: 's' }));
    expect(await scopes.listScopes()).toMatchObject({ scopes: ['global'] });
    for (const kind of ['scope', 'scope-count', 'scope-entry', 'scope-expiry'])
      expect([kind, await recordsOf(engine, kind)]).toEqual([kind, 0]);
    expect(await granted(scopes.persist('a', 2, { scope: 's' }))).toMatchObject({ created: true });
  });

  it('lists both layers in the order of keys, each entry with its layer, a page at a time', async () => {
    const { scopes } = await openScopeWorld(backend);
    const keys = Array.from({ length: 37 }, (_, n) => `key-${String(n).padStart(3, '0')}`);
    for (const [n, key] of keys.entries()) {
      if (n % 2 === 0) await granted(scopes.remember(key, n));
      if (n % 3 === 0) await granted(scopes.persist(key, n));
    }
    const expected = keys.flatMap((key, n) => [
      ...(n % 2 === 0 ? [[key, 'ephemeral']] : []),
      ...(n % 3 === 0 ? [[key, 'persistent']] : []),
    ]);
    for (const limit of [1, 2, 3, 7, 100]) {
      const entries = await allEntries(scopes, { limit });
      expect(entries.map(({ key, layer }) => [key, layer])).toEqual(expected);
    }
    const ofLayer = async (layer: 'ephemeral' | 'persistent'): Promise<number> =>
      (await allEntries(scopes, { layer, limit: 4 })).length;
    expect([await ofLayer('ephemeral'), await ofLayer('persistent')]).toEqual([19, 13]);
    const prefixed = await allEntries(scopes, { prefix: 'key-01', limit: 3 });
    expect(prefixed.map(({ key }) => key)).toEqual(
      expected.map(([key]) => key ?? '').filter((key) => key.startsWith('key-01')),
    );
    expect(await codeOf(scopes.list({ cursor: 'nonsense' }))).toBe('INVALID_INPUT');
  });

  it('entries and summaries serialise to JSON with their field names', async () => {
    const { scopes, clock } = await openScopeWorld(backend);
    const at = clock();
    await granted(scopes.persist('k', [true], { sourceStep: 'plan', ttlMs: 5_000 }));
    const { entry } = await granted(scopes.retrieve('k'));
    expect(JSON.parse(JSON.stringify(entry))).toEqual({
      key: 'k',
      value: [true],
      layer: 'persistent',
      createdAtMs: at,
      updatedAtMs: at,
      sourceStep: 'plan',
      expiresAtMs: at + 5_000,
      version: entry?.version,
    });
    await granted(scopes.remember('k', [true], { sourceStep: 'plan', ttlMs: 5_000 }));
    expect(JSON.parse(JSON.stringify(scopes.recall('k')))).toEqual({
      ok: true,
      entry: {
        key: 'k',
        value: [true],
        layer: 'ephemeral',
        createdAtMs: at,
        updatedAtMs: at,
        sourceStep: 'plan',
        expiresAtMs: at + 5_000,
      },
    });
  });

  it('what a caller changes afterwards changes nothing', async () => {
    const { scopes } = await openScopeWorld(backend);
    const value = { list: [1] };
    await granted(scopes.persist('k', value));
    await granted(scopes.remember('k', value));
    value.list.push(2);
    for (let look = 0; look < 2; look++) {
      const { entry: stored } = await granted(scopes.retrieve('k'));
      const { entry: noted } = await granted(scopes.recall('k'));
      for (const entry of [stored, noted]) {
        const got = entry?.value as typeof value | undefined;
        expect(got).toEqual({ list: [1] });
        got?.list.push(3);
      }
    }
  });

  it('any JSON comes back as it was, on every backend alike', async () => {
    const { scopes } = await openScopeWorld(backend);
    const values: Json[] = [
      null,
      false,
      '',
      '\u0000\n\u{1F600}\uD800',
      0,
      -0,
      1e308,
      9_007_199_254_740_991,
      [],
      [[], {}],
      {},
      JSON.parse('{"__proto__":{"a":1},"constructor":2,"b":{"":[null]}}') as Json,
    ];
    for (const [index, value] of values.entries()) await granted(scopes.persist(`k${index}`, value));
    const { entries } = await granted(scopes.retrieveMany(values.map((_, index) => `k${index}`)));
    expect(entries.map((entry) => JSON.stringify(entry?.value))).toEqual(
      values.map((value) => JSON.stringify(value)),
    );
    expect(Object.is(entries[5]?.value, 0)).toBe(true);
  });

  it('flush waits for what was accepted', async () => {
    const { scopes } = await openScopeWorld(backend);
    let done = 0;
    const writes = Array.from({ length: 20 }, async (_, n) => {
      await granted(scopes.persist(`k${n}`, n, { scope: n % 2 ? 'odd' : 'even' }));
      done++;
    });
    await granted(scopes.flush({ scope: 'odd' }));
    await granted(scopes.flushAll());
    await Promise.resolve();
    expect(done).toBe(20);
    await Promise.all(writes);
    expect(await scopes.countAll()).toMatchObject({ persistent: 20 });
  });
});

/** Memory is gone with its process; that is what it is. */
describe.each(backends.filter(({ name }) => name !== 'memory'))('scopes kept by $name', (backend) => {
  it('what is persisted is there after the store is opened again, and what is remembered is not', async () => {
    const world = await openScopeWorld(backend);
    const { version } = await granted(
      world.scopes.persist('k', { a: [1, 'é', null] }, { scope: 's', sourceStep: 'load', ttlMs: 60_000 }),
    );
    await granted(world.scopes.remember('k', 1, { scope: 's' }));
    const { scopes } = await world.reopen();
    expect(await scopes.retrieve('k', { scope: 's' })).toMatchObject({
      entry: { value: { a: [1, 'é', null] }, version, sourceStep: 'load' },
    });
    expect(scopes.recall('k', { scope: 's' })).toEqual({ ok: true, entry: undefined });
    expect(await scopes.count({ scope: 's' })).toMatchObject({ ephemeral: 0, persistent: 1 });
  });
});
