import { codeOf, granted } from '../core/answers.js';
import { allEntries, openScopeWorld, recordsOf } from './scope-world.js';
import { describe, expect, it } from 'vitest';
import { backends } from '../storage/backends.js';

describe.each(backends)('entries on $name', (backend) => {
  describe('versions', () => {
    it('of two that read one version, one wins and the other is told', async () => {
      const { scopes } = await openScopeWorld(backend);
      const { version } = await granted(scopes.persist('k', 0));
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, n) => scopes.mutate('k', n + 1, { expectedVersion: version })),
      );
      expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
      for (const answer of answers) {
        if (!answer.ok)
          expect(answer.refusal).toMatchObject({
            code: 'VERSION_MISMATCH',
            retryable: false,
            field: 'expectedVersion',
          });
      }
      const winner = answers.findIndex(({ ok }) => ok);
      expect(await scopes.retrieve('k')).toMatchObject({ entry: { value: winner + 1 } });
    });

    it('null expects that there is none; a version expects that there is one', async () => {
      const { scopes } = await openScopeWorld(backend);
      const first = await granted(scopes.persist('k', 1, { expectedVersion: null }));
      expect(await codeOf(scopes.persist('k', 2, { expectedVersion: null }))).toBe('VERSION_MISMATCH');
      expect(await codeOf(scopes.persist('l', 2, { expectedVersion: first.version }))).toBe(
        'VERSION_MISMATCH',
      );
      expect(await codeOf(scopes.mutate('l', 2, { expectedVersion: first.version }))).toBe(
        'VERSION_MISMATCH',
      );
      expect(await codeOf(scopes.purge('k', { expectedVersion: 'another' }))).toBe('VERSION_MISMATCH');
      expect(await scopes.purge('k', { expectedVersion: first.version })).toEqual({ ok: true, purged: true });
      expect(await scopes.listScopes()).toMatchObject({ scopes: ['global'] });
    });

    it('a version does not come back', async () => {
      const { scopes } = await openScopeWorld(backend);
      const seen = new Set<string>();
      for (let round = 0; round < 5; round++) {
        seen.add((await granted(scopes.persist('k', 'same'))).version);
        seen.add((await granted(scopes.mutate('k', 'same'))).version ?? '');
        await granted(scopes.purge('k'));
      }
      expect(seen.size).toBe(10);
    });

    it('a change of several is all or nothing, and a later one sees an earlier one', async () => {
      const { scopes } = await openScopeWorld(backend);
      const { version } = await granted(scopes.persist('k', 1, { scope: 'a' }));
      const refused = await scopes.change([
        { kind: 'persist', scope: 'b', key: 'new', value: 1 },
        { kind: 'purge', scope: 'a', key: 'k' },
        { kind: 'mutate', scope: 'a', key: 'k', value: 2, expectedVersion: version },
      ]);
      expect(refused).toMatchObject({ refusal: { code: 'VERSION_MISMATCH' } });
      expect(await scopes.listScopes()).toMatchObject({ scopes: ['a', 'global'] });
      const { changes } = await granted(
        scopes.change([
          { kind: 'persist', scope: 'b', key: 'new', value: 1, expectedVersion: null },
          { kind: 'mutate', scope: 'b', key: 'new', value: 2 },
          { kind: 'mutate', scope: 'b', key: 'none', value: 2 },
          { kind: 'purge', scope: 'a', key: 'k' },
          { kind: 'purge', scope: 'a', key: 'k' },
          { kind: 'persist', scope: 'c', key: 'gone', value: 1 },
          { kind: 'purge', scope: 'c', key: 'gone' },
        ]),
      );
      expect(changes.map(({ changed, created }) => [changed, created])).toEqual([
        [true, true],
        [true, false],
        [false, false],
        [true, false],
        [false, false],
        [true, true],
        [true, false],
      ]);
      expect(await scopes.summary()).toMatchObject({
        scopes: [{ scope: 'b', persistent: 1 }, { scope: 'global' }],
      });
      expect(await scopes.retrieve('new', { scope: 'b' })).toMatchObject({ entry: { value: 2 } });
    });

    it('times never stand still for an entry, and creation is kept', async () => {
      const { scopes, clock } = await openScopeWorld(backend);
      const at = clock();
      await granted(scopes.persist('k', 1));
      await granted(scopes.persist('k', 2));
      clock.advance(-5_000);
      await granted(scopes.mutate('k', 3));
      const { entry } = await granted(scopes.retrieve('k'));
      expect(entry).toMatchObject({ createdAtMs: at, updatedAtMs: at + 2 });
    });
  });

  describe('lifetimes', () => {
    it('an entry is there until its time is over, to the millisecond, in every answer', async () => {
      const { scopes, clock, engine } = await openScopeWorld(backend);
      const scope = 's';
      await granted(scopes.persist('timed', 1, { scope, ttlMs: 1_000 }));
      await granted(scopes.persist('stays', 1, { scope }));
      await granted(scopes.remember('timed', 1, { scope, ttlMs: 1_000 }));
      await granted(scopes.persist('timed', 1, { scope: 'all timed', ttlMs: 1_000 }));
      clock.advance(999);
      expect((await granted(scopes.retrieve('timed', { scope }))).entry).toBeDefined();
      expect((await granted(scopes.recall('timed', { scope }))).entry).toBeDefined();
      expect(await scopes.count({ scope })).toMatchObject({ total: 3 });
      clock.advance(1);
      expect((await granted(scopes.retrieve('timed', { scope }))).entry).toBeUndefined();
      expect((await granted(scopes.recall('timed', { scope }))).entry).toBeUndefined();
      expect(await scopes.mutate('timed', 2, { scope })).toMatchObject({ mutated: false });
      expect(await scopes.purge('timed', { scope })).toMatchObject({ purged: false });
      expect((await allEntries(scopes, { scope })).map(({ key }) => key)).toEqual(['stays']);
      expect((await granted(scopes.query('', { scope }))).entries).toHaveLength(1);
      expect(await scopes.listScopes()).toMatchObject({ scopes: ['global', 's'] });
      expect(await scopes.count({ scope })).toMatchObject({ ephemeral: 0, persistent: 1 });
      expect(await scopes.scopeCount()).toMatchObject({ count: 2 });
      expect(await recordsOf(engine, 'scope-expiry')).toBe(0);
    });

    it('written again without a lifetime an entry stays, with another it ends then', async () => {
      const { scopes, clock, engine } = await openScopeWorld(backend);
      await granted(scopes.persist('a', 1, { ttlMs: 1_000 }));
      await granted(scopes.persist('a', 2));
      await granted(scopes.persist('b', 1, { ttlMs: 1_000 }));
      await granted(scopes.mutate('b', 2, { ttlMs: 5_000 }));
      expect(await recordsOf(engine, 'scope-expiry')).toBe(1);
      clock.advance(2_000);
      expect((await allEntries(scopes)).map(({ key }) => key)).toEqual(['a', 'b']);
      // What is over counts as not there: it is created, not changed.
      clock.advance(3_000);
      expect(await scopes.persist('b', 3)).toMatchObject({ created: true });
      expect(await scopes.count()).toMatchObject({ persistent: 2 });
    });

    it('a sweep deletes what is over, and says how many', async () => {
      const { scopes, clock, engine } = await openScopeWorld(backend);
      for (const scope of ['a', 'b', 'c']) {
        const changes = Array.from({ length: 70 }, (_, n) => ({
          kind: 'persist' as const,
          scope,
          key: `k${n}`,
          value: n,
          ttlMs: scope === 'c' ? 60_000 : 1_000,
        }));
        await granted(scopes.change(changes));
      }
      await granted(scopes.persist('stays', 1, { scope: 'b' }));
      expect(await scopes.sweep()).toEqual({ ok: true, entries: 0 });
      clock.advance(1_000);
      expect(await scopes.sweep()).toEqual({ ok: true, entries: 140 });
      expect(await scopes.sweep()).toEqual({ ok: true, entries: 0 });
      expect(await recordsOf(engine, 'scope-entry')).toBe(71);
      expect(await recordsOf(engine, 'scope-expiry')).toBe(70);
      expect(await scopes.listScopes()).toMatchObject({ scopes: ['b', 'c', 'global'] });
    });
  });

  describe('quotas', () => {
    it('a quota is exact, however many write at once', async () => {
      const { scopes } = await openScopeWorld(backend, { entriesPerScopeMax: 5 });
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, n) => scopes.persist(`k${n}`, n, { scope: 's' })),
      );
      expect(answers.filter(({ ok }) => ok)).toHaveLength(5);
      const refused = answers.find(({ ok }) => !ok);
      expect(refused).toMatchObject({ refusal: { code: 'SCOPE_FULL', limit: 5, used: 5, retryable: false } });
      expect(await scopes.persist('k', 1, { scope: 'other' })).toMatchObject({ ok: true });
      const [kept] = await allEntries(scopes, { scope: 's' });
      expect(await scopes.persist(kept?.key ?? '', 'over it', { scope: 's' })).toMatchObject({
        created: false,
      });
      await granted(scopes.purge(kept?.key ?? '', { scope: 's' }));
      expect(await scopes.persist('room', 1, { scope: 's' })).toMatchObject({ created: true });
      expect(await codeOf(scopes.persist('none', 1, { scope: 's' }))).toBe('SCOPE_FULL');
    });

    it('what has expired holds no place', async () => {
      const { scopes, clock } = await openScopeWorld(backend, { entriesPerScopeMax: 2 });
      await granted(scopes.persist('a', 1, { ttlMs: 1_000 }));
      await granted(scopes.persist('b', 1));
      expect(await codeOf(scopes.persist('c', 1))).toBe('SCOPE_FULL');
      clock.advance(1_000);
      expect(await scopes.persist('c', 1)).toMatchObject({ created: true });
      expect(await codeOf(scopes.persist('d', 1))).toBe('SCOPE_FULL');
      expect((await allEntries(scopes)).map(({ key }) => key)).toEqual(['b', 'c']);
    });
  });

  describe('a dropped scope', () => {
    const fill = (scope: string, count: number) =>
      Array.from({ length: count }, (_, n) => ({
        kind: 'persist' as const,
        scope,
        key: `k${n}`,
        value: n,
        ...(n % 3 === 0 && { ttlMs: 60_000 }),
      }));

    it('is gone at once, in both layers, and its records are collected', async () => {
      const { scopes, engine } = await openScopeWorld(backend);
      await granted(scopes.change(fill('s', 200)));
      await granted(scopes.change(fill('t', 10)));
      await granted(scopes.remember('note', 1, { scope: 's' }));
      const drop = scopes.dropScope('s');
      expect(await drop).toEqual({ ok: true, dropped: { ephemeral: 1, persistent: 200, total: 201 } });
      expect(await allEntries(scopes, { scope: 's' })).toEqual([]);
      expect((await granted(scopes.retrieve('k1', { scope: 's' }))).entry).toBeUndefined();
      expect(await scopes.count({ scope: 's' })).toMatchObject({ total: 0 });
      expect(await scopes.listScopes()).toMatchObject({ scopes: ['global', 't'] });
      expect(await granted(scopes.persist('k1', 'anew', { scope: 's' }))).toMatchObject({ created: true });
      await granted(scopes.sweep());
      expect(await recordsOf(engine, 'scope-entry')).toBe(11);
      expect(await recordsOf(engine, 'scope-expiry')).toBe(4);
      expect(await recordsOf(engine, 'scope-dropped')).toBe(0);
      expect(await allEntries(scopes, { scope: 's' })).toHaveLength(1);
    });

    it('global is emptied, and stays', async () => {
      const { scopes } = await openScopeWorld(backend);
      await granted(scopes.change(fill('global', 5)));
      await granted(scopes.remember('note', 1));
      expect(await scopes.dropScope('global')).toMatchObject({ dropped: { total: 6 } });
      expect(await scopes.listScopes()).toEqual({ ok: true, scopes: ['global'] });
      expect(await scopes.count()).toMatchObject({ total: 0 });
      await granted(scopes.persist('k', 1));
      expect(await scopes.count()).toMatchObject({ total: 1 });
    });

    it('writes that race with a drop are dropped, or make the scope anew', async () => {
      const { scopes } = await openScopeWorld(backend);
      await granted(scopes.change(fill('s', 20)));
      const work = Array.from({ length: 60 }, (_, n) =>
        n % 20 === 10 ? scopes.dropScope('s') : scopes.persist(`new${n}`, n, { scope: 's' }),
      );
      for (const answer of await Promise.all(work)) expect(answer.ok).toBe(true);
      await granted(scopes.sweep());
      const entries = await allEntries(scopes, { scope: 's' });
      expect(await scopes.count({ scope: 's' })).toMatchObject({ persistent: entries.length });
      expect(await scopes.countAll()).toMatchObject({ persistent: entries.length });
    });
  });

  describe('export and import', () => {
    it('what is exported as JSON is imported as it was, each entry into its layer', async () => {
      const { scopes, clock } = await openScopeWorld(backend);
      const from = { scope: 'from' };
      await granted(scopes.persist('a', { n: [1, 'é\n'] }, { ...from, sourceStep: 'one' }));
      await granted(scopes.persist('b', 2, { ...from, ttlMs: 10_000 }));
      await granted(scopes.persist('over', 3, { ...from, ttlMs: 1_000 }));
      await granted(scopes.remember('a', 'note', { ...from, ttlMs: 10_000 }));
      const { text, entries } = await granted(scopes.export(from));
      expect(entries).toBe(4);
      const before = await allEntries(scopes, from);
      await granted(scopes.dropScope('from'));
      clock.advance(1_000);
      expect(await scopes.import(text)).toEqual({ ok: true, imported: 3, expired: 1 });
      const after = await allEntries(scopes, from);
      const shown = (list: typeof before): unknown[] =>
        list
          .filter(({ key }) => key !== 'over')
          .map(({ key, value, layer, sourceStep, expiresAtMs }) => [
            key,
            value,
            layer,
            sourceStep,
            expiresAtMs,
          ]);
      expect(shown(after)).toEqual(shown(before));
      expect(after.find(({ key }) => key === 'b')?.createdAtMs).toBe(
        before.find(({ key }) => key === 'b')?.createdAtMs,
      );
      expect(await scopes.import(text, { scope: 'to' })).toMatchObject({ imported: 3 });
      expect(await scopes.count({ scope: 'to' })).toMatchObject({ ephemeral: 1, persistent: 2 });
      clock.advance(9_000);
      expect(await scopes.count({ scope: 'to' })).toMatchObject({ ephemeral: 0, persistent: 1 });
    });

    it('merge writes over what is there; replace leaves nothing else, and counts stay right', async () => {
      const { scopes, engine } = await openScopeWorld(backend, { entriesPerScopeMax: 300 });
      const changes = Array.from({ length: 250 }, (_, n) => ({
        kind: 'persist' as const,
        scope: 's',
        key: `k${n}`,
        value: n,
        ...(n % 2 === 0 && { ttlMs: 60_000 }),
      }));
      await granted(scopes.change(changes));
      const { text } = await granted(scopes.export({ scope: 's' }));
      await granted(scopes.persist('other', 1, { scope: 's' }));
      await granted(scopes.persist('k0', 'changed', { scope: 's' }));
      await granted(scopes.import(text));
      expect(await scopes.count({ scope: 's' })).toMatchObject({ persistent: 251 });
      expect(await scopes.retrieve('k0', { scope: 's' })).toMatchObject({ entry: { value: 0 } });
      await granted(scopes.import(text, { mode: 'replace' }));
      expect(await scopes.count({ scope: 's' })).toMatchObject({ persistent: 250 });
      expect((await granted(scopes.retrieve('other', { scope: 's' }))).entry).toBeUndefined();
      await granted(scopes.import(text, { mode: 'replace', scope: 'new' }));
      await granted(scopes.sweep());
      expect(await recordsOf(engine, 'scope-entry')).toBe(500);
      expect(await recordsOf(engine, 'scope-expiry')).toBe(250);
      expect(await recordsOf(engine, 'scope-staging')).toBe(0);
      expect(await scopes.scopeCount()).toMatchObject({ count: 3 });
      await granted(scopes.purgeWhere(() => true, { scope: 'new' }));
      expect(await scopes.listScopes()).toMatchObject({ scopes: ['global', 's'] });
      const empty = text.replace(/"entries":\[[^]*\]\}/, '"entries":[]}');
      expect(await scopes.import(empty, { mode: 'replace' })).toMatchObject({ imported: 0 });
      expect(await scopes.listScopes()).toMatchObject({ scopes: ['global'] });
    });
  });
});
