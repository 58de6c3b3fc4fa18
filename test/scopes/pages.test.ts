import { codeOf, granted } from '../core/answers.js';
import { allEntries, openScopeWorld, recordsOf } from './scope-world.js';
import { describe, expect, it } from 'vitest';
import type { Backend } from '../storage/backends.js';
import type { CountRecord } from '../../src/scopes/scope-records.js';
import fc from 'fast-check';
import { faultyStorage } from 'ambit/testing';
import { memoryBackend } from '../storage/backends.js';
import { keysBelow } from '../../src/core/keys.js';
import type { ScopeEntry } from '../../src/scopes/scope-types.js';
import { sharedMemoryStore } from '../storage/shared-memory-store.js';

const shared: Backend = { name: 'shared memory', createStore: () => sharedMemoryStore() };

/** Two openings of one store, as two processes have. */
async function openTwo() {
  const store = sharedMemoryStore();
  const backend: Backend = { name: 'shared memory', createStore: () => store };
  return [await openScopeWorld(backend), await openScopeWorld(backend)] as const;
}

const many = (scope: string, count: number, value: string | null = null) =>
  Array.from({ length: count }, (_, n) => ({
    kind: 'persist' as const,
    scope,
    key: `k${String(n).padStart(4, '0')}`,
    value: value ?? n,
  }));

describe('a query', () => {
  it('looks at no more than it says, and goes on where it ended', async () => {
    const { scopes } = await openScopeWorld(memoryBackend);
    await granted(scopes.change(many('s', 400)));
    await granted(scopes.persist('k0399x', 'the needle', { scope: 's' }));
    const pages: { found: number; scanned: number }[] = [];
    const found: ScopeEntry[] = [];
    for (let cursor: string | undefined; ;) {
      const options = { scope: 's', scanMax: 150, ...(cursor !== undefined && { cursor }) };
      const page = await granted(scopes.query('needle', options));
      pages.push({ found: page.entries.length, scanned: page.scanned });
      found.push(...page.entries);
      ({ cursor } = page);
      if (cursor === undefined) break;
    }
    expect(pages).toEqual([
      { found: 0, scanned: 150 },
      { found: 0, scanned: 150 },
      { found: 1, scanned: 101 },
    ]);
    expect(found.map(({ key }) => key)).toEqual(['k0399x']);
    const first = await granted(scopes.query('', { scope: 's', limit: 10 }));
    expect(first).toMatchObject({ scanned: 10 });
    expect(await codeOf(scopes.query('', { scanMax: 10_001 }))).toBe('INVALID_INPUT');
  });

  it.each(['persistent', 'ephemeral'] as const)(
    'looks at no more than 8 MiB of the %s layer, and goes on where it ended',
    async (layer) => {
      let read = 0;
      const { scopes } = await openScopeWorld(shared, {}, (storage) => ({
        ...storage,
        async range(query) {
          const answer = await storage.range(query);
          read += answer.records.length;
          return answer;
        },
      }));
      const value = 'x'.repeat(900_000);
      for (let n = 10; n < 60; n++)
        await granted(
          layer === 'ephemeral' ? scopes.remember(`k${n}`, value) : scopes.persist(`k${n}`, value),
        );
      await granted(scopes.persist('k99', 'the needle'));
      const pages: { found: number; scanned: number }[] = [];
      for (let cursor: string | undefined; ;) {
        read = 0;
        const page = await granted(scopes.query('needle', cursor === undefined ? {} : { cursor }));
        pages.push({ found: page.entries.length, scanned: page.scanned });
        expect(read).toBeLessThanOrEqual(33);
        ({ cursor } = page);
        if (cursor === undefined) break;
      }
      const full = { found: 0, scanned: 10 };
      expect(pages).toEqual([full, full, full, full, full, { found: 1, scanned: 1 }]);
    },
  );

  it('within a prefix reads nothing else of the scope', async () => {
    const read: string[] = [];
    const { scopes } = await openScopeWorld(shared, {}, (storage) => ({
      ...storage,
      async range(query) {
        const answer = await storage.range(query);
        read.push(...answer.records.map(({ key }) => key));
        return answer;
      },
    }));
    await granted(scopes.change(many('s', 400)));
    await granted(scopes.change(many('s', 20).map((one) => ({ ...one, key: `l${one.key}` }))));
    const { scanned, entries } = await granted(scopes.query('K001', { scope: 's', prefix: 'lk' }));
    expect([scanned, entries.length]).toEqual([20, 10]);
    expect(read).toHaveLength(20);
  });

  it('a page ends early where its values are large', async () => {
    const { scopes } = await openScopeWorld(memoryBackend);
    for (let n = 0; n < 12; n++) await granted(scopes.persist(`k${n}`, 'x'.repeat(900_000)));
    const page = await granted(scopes.list());
    expect(page.entries.length).toBeLessThan(12);
    expect(page.cursor).toBeDefined();
    expect(await allEntries(scopes)).toHaveLength(12);
  });
});

describe('beside a drop', () => {
  it('a page read across a drop shows nothing of what was dropped', async () => {
    const store = sharedMemoryStore();
    const backend: Backend = { name: 'shared memory', createStore: () => store };
    const other = await openScopeWorld(backend);
    let drops = 0;
    // After the entries were read, and before the scope's record is.
    const dropAndFill = async (): Promise<void> => {
      drops++;
      await granted(other.scopes.dropScope('s'));
      await granted(other.scopes.persist('new', drops, { scope: 's' }));
    };
    const { scopes } = await openScopeWorld(backend, {}, (storage) =>
      faultyStorage(storage, ({ method }) =>
        method === 'range' && drops < 3 ? { after: dropAndFill } : undefined,
      ),
    );
    await granted(scopes.change(many('s', 50, 'old')));
    const page = await granted(scopes.list({ scope: 's' }));
    expect(drops).toBe(3);
    expect(page.entries.map(({ key, value }) => [key, value])).toEqual([['new', 3]]);
  });

  it('a guess of another process about a dropped scope does no harm', async () => {
    const [one, other] = await openTwo();
    await granted(one.scopes.change(many('s', 5, 'old')));
    await granted(one.scopes.retrieve('k0001', { scope: 's' }));
    await granted(other.scopes.dropScope('s'));
    expect((await granted(one.scopes.retrieve('k0001', { scope: 's' }))).entry).toBeUndefined();
    expect(await one.scopes.mutate('k0001', 1, { scope: 's' })).toMatchObject({ mutated: false });
    expect(await allEntries(one.scopes, { scope: 's' })).toEqual([]);
    expect(await one.scopes.persist('k0001', 'new', { scope: 's' })).toMatchObject({ created: true });
    expect(await other.scopes.retrieve('k0001', { scope: 's' })).toMatchObject({ entry: { value: 'new' } });
  });

  it('collects what another process dropped', async () => {
    const [one, other] = await openTwo();
    await granted(one.scopes.change(many('s', 200)));
    const dropped = one.scopes.dropScope('s');
    await dropped;
    // It is closed in the middle of collecting.
    await one.reopen();
    expect(await recordsOf(other.engine, 'scope-dropped')).toBe(1);
    expect(await recordsOf(other.engine, 'scope-entry')).toBeGreaterThan(0);
    await granted(other.scopes.sweep());
    expect(await recordsOf(other.engine, 'scope-entry')).toBe(0);
    expect(await recordsOf(other.engine, 'scope-dropped')).toBe(0);
  });
});

describe('an import', () => {
  it('that another process left in the middle is collected once it is old', async () => {
    const store = sharedMemoryStore();
    const backend: Backend = { name: 'shared memory', createStore: () => store };
    let commits = 0;
    const dying = await openScopeWorld(backend, {}, (storage) =>
      faultyStorage(storage, ({ method }) =>
        method === 'commit' && ++commits > 3 ? { fate: 'refused' } : undefined,
      ),
    );
    const other = await openScopeWorld(backend);
    await granted(other.scopes.change(many('s', 300)));
    const { text } = await granted(other.scopes.export({ scope: 's' }));
    await granted(other.scopes.persist('mine', 1, { scope: 's' }));
    expect(await codeOf(dying.scopes.import(text, { mode: 'replace' }))).toBe('STORAGE_UNAVAILABLE');
    expect(await other.scopes.count({ scope: 's' })).toMatchObject({ persistent: 301 });
    expect(await recordsOf(other.engine, 'scope-staging')).toBe(1);
    const left = await recordsOf(other.engine, 'scope-entry');
    expect(left).toBeGreaterThan(301);
    await granted(other.scopes.sweep());
    expect(await recordsOf(other.engine, 'scope-entry')).toBe(left);
    other.clock.advance(3_600_001);
    await granted(other.scopes.sweep());
    expect(await recordsOf(other.engine, 'scope-entry')).toBe(301);
    expect(await recordsOf(other.engine, 'scope-staging')).toBe(0);
  });

  it('whose notes do not fit replaces nothing', async () => {
    const source = await openScopeWorld(memoryBackend);
    for (const key of ['a', 'b', 'c']) await granted(source.scopes.remember(key, 'from', { scope: 's' }));
    await granted(source.scopes.persist('p', 'from', { scope: 's' }));
    const { text } = await granted(source.scopes.export({ scope: 's' }));
    const bounds = [{ ephemeralEntriesMax: 4 }, { ephemeralBytesMax: 39 }];
    for (const settings of bounds) {
      const { scopes } = await openScopeWorld(memoryBackend, settings);
      await granted(scopes.remember('x', 1));
      await granted(scopes.remember('y', 1));
      await granted(scopes.remember('a', 'old', { scope: 's' }));
      await granted(scopes.persist('p', 'old', { scope: 's' }));
      const before = await allEntries(scopes, { scope: 's' });
      expect(await codeOf(scopes.import(text, { mode: 'replace' }))).toBe('SCOPE_FULL');
      expect(await allEntries(scopes, { scope: 's' })).toEqual(before);
      // What the scope held makes room, and the room that was asked for in vain is free.
      await granted(scopes.forget('y'));
      await granted(scopes.remember('b', 'old', { scope: 's' }));
      await granted(scopes.forget('x'));
      await granted(scopes.import(text, { mode: 'replace' }));
      expect(await scopes.count({ scope: 's' })).toMatchObject({ ephemeral: 3, persistent: 1 });
    }
  });

  it('keeps the room for its notes while it writes, and gives it back if it fails', async () => {
    const source = await openScopeWorld(memoryBackend);
    for (const key of ['a', 'b', 'c']) await granted(source.scopes.remember(key, 'from', { scope: 's' }));
    await granted(source.scopes.persist('p', 'from', { scope: 's' }));
    const { text } = await granted(source.scopes.export({ scope: 's' }));
    let during: (() => void) | undefined;
    let failing = true;
    const { scopes } = await openScopeWorld(shared, { ephemeralEntriesMax: 4 }, (storage) =>
      faultyStorage(storage, ({ method }) => {
        if (method !== 'commit') return undefined;
        during?.();
        return failing ? { fate: 'refused' } : undefined;
      }),
    );
    await granted(scopes.remember('a', 'old', { scope: 's' }));
    const answers: string[] = [];
    during = () => {
      scopes.forget('a', { scope: 's' });
      const done = ['x', 'y'].map((key) => scopes.remember(key, 1));
      answers.push(...done.map((one) => (one.ok ? 'ok' : one.refusal.code)));
      during = undefined;
    };
    expect(await codeOf(scopes.import(text, { mode: 'replace' }))).toBe('STORAGE_UNAVAILABLE');
    expect(answers).toEqual(['ok', 'SCOPE_FULL']);
    await granted(scopes.remember('y', 1));
    scopes.forget('y');
    failing = false;
    await granted(scopes.import(text, { mode: 'replace' }));
    expect(await scopes.countAll()).toMatchObject({ ephemeral: 4, persistent: 1 });
  });

  it('of what is no export is refused, and nothing is written', async () => {
    const { scopes } = await openScopeWorld(memoryBackend, { valueBytesMax: 100 });
    const entry = { key: 'k', value: 1, layer: 'persistent', createdAtMs: 1, updatedAtMs: 1 };
    const document = { kind: 'ambit-scope', version: 1, scope: 's', entries: [entry] };
    const wrong: [unknown, string][] = [
      ['', 'text'],
      [[], 'text'],
      [{ ...document, version: 2 }, 'text'],
      [{ ...document, entries: {} }, 'text'],
      [{ ...document, entries: [entry, { ...entry, layer: 'other' }] }, 'entries[1]'],
      [{ ...document, entries: [{ ...entry, key: 7 }] }, 'entries[0]'],
      [{ ...document, entries: [{ ...entry, value: undefined }] }, 'entries[0]'],
      [{ ...document, entries: [{ ...entry, expiresAtMs: -1 }] }, 'entries[0]'],
      [{ ...document, entries: [{ ...entry, value: 'x'.repeat(200) }] }, 'entries[0].value'],
      [{ ...document, entries: [{ ...entry, key: 'x'.repeat(2_000) }] }, 'entries[0].key'],
    ];
    for (const [what, field] of wrong) {
      const text = typeof what === 'string' ? what : JSON.stringify(what);
      expect(await scopes.import(text)).toMatchObject({ refusal: { code: 'INVALID_INPUT', field } });
    }
    expect(await scopes.listScopes()).toMatchObject({ scopes: ['global'] });
    expect(await scopes.import(JSON.stringify(document))).toMatchObject({ imported: 1 });
  });
});

describe('an export', () => {
  it('as CSV is read by a spreadsheet as text, whatever it holds', async () => {
    const { scopes } = await openScopeWorld(memoryBackend);
    const values = ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', ' =1', '＝1', '\r=1', 'a "b", c', 'x\ny'];
    for (const [n, value] of values.entries()) await granted(scopes.persist(`k${n}`, value));
    await granted(scopes.persist('=cmd()', { '=a': '=1' }, { sourceStep: '=step' }));
    await granted(scopes.persist('n', -5));
    const { text, entries } = await granted(scopes.export({ format: 'csv' }));
    const [head, ...rows] = parseCsv(text);
    expect(head).toEqual(['key', 'layer', 'value', 'createdAt', 'updatedAt', 'expiresAt', 'sourceStep']);
    expect(rows).toHaveLength(entries);
    for (const cell of rows.flat()) expect(/^[\s]*[=+@＝]|^[\t\r]/.test(cell)).toBe(false);
    const value = (key: string): string | undefined => rows.find(([name]) => name === key)?.[2];
    expect([value('k0'), value('k2'), value('k8'), value('k9'), value('n')]).toEqual([
      "'=1+1",
      '-1',
      'a "b", c',
      'x\ny',
      '-5',
    ]);
    expect(rows[0]?.slice(0, 3)).toEqual(["'=cmd()", 'persistent', '{"=a":"=1"}']);
  });

  it('is written in pieces, waiting for each', async () => {
    const { scopes } = await openScopeWorld(memoryBackend);
    await granted(scopes.change(many('s', 400)));
    for (let more = 0; more < 3; more++)
      await granted(scopes.change(many('s', 400).map((one) => ({ ...one, key: `${one.key}-${more}` }))));
    const pieces: string[] = [];
    let writing = 0;
    const done = await granted(
      scopes.exportTo(
        async (piece) => {
          expect(++writing).toBe(1);
          await Promise.resolve();
          pieces.push(piece);
          writing--;
        },
        { scope: 's' },
      ),
    );
    expect(done.entries).toBe(1_600);
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.join('')).toBe((await granted(scopes.export({ scope: 's' }))).text);
    expect(JSON.parse(pieces.join(''))).toMatchObject({ kind: 'ambit-scope', scope: 's' });
    await expect(
      scopes.exportTo(() => Promise.reject(new Error('the disk is full')), { scope: 's' }),
    ).rejects.toThrow('the disk is full');
  });
});

/** RFC 4180, as spreadsheets read it. */
function parseCsv(text: string): string[][] {
  return text
    .split(/\r\n(?=(?:[^"]*"[^"]*")*[^"]*$)/)
    .filter((line) => line !== '')
    .map((line) =>
      [...line.matchAll(/"((?:[^"]|"")*)"(?:,|$)/g)].map(([, cell = '']) => cell.replaceAll('""', '"')),
    );
}

describe('notes', () => {
  it('are bounded in number and bytes, and none is pushed out by another', async () => {
    const { scopes, clock } = await openScopeWorld(memoryBackend, {
      ephemeralEntriesMax: 3,
      ephemeralBytesMax: 200,
    });
    await granted(scopes.remember('a', 1, { ttlMs: 1_000 }));
    await granted(scopes.remember('b', 1, { scope: 's' }));
    await granted(scopes.remember('c', 1, { scope: 't' }));
    expect(scopes.remember('d', 1)).toMatchObject({ refusal: { code: 'SCOPE_FULL', limit: 3, used: 3 } });
    await granted(scopes.remember('c', 2, { scope: 't' }));
    clock.advance(1_000);
    await granted(scopes.remember('d', 1));
    expect(codeOf(scopes.remember('d', 'x'.repeat(200)))).toBe('SCOPE_FULL');
    expect(scopes.recall('d')).toMatchObject({ entry: { value: 1 } });
    expect(scopes.forget('d')).toMatchObject({ forgotten: true });
    await granted(scopes.remember('d', 'x'.repeat(100)));
    expect(await scopes.countAll()).toMatchObject({ ephemeral: 3 });
    await granted(scopes.dropScope('t'));
    await granted(scopes.remember('e', 1));
  });
});

describe('a quota', () => {
  it('holds between openings that have it, and not for one that has none', async () => {
    const store = sharedMemoryStore();
    const backend: Backend = { name: 'shared memory', createStore: () => store };
    const bounded = await openScopeWorld(backend, { entriesPerScopeMax: 2 });
    const same = await openScopeWorld(backend, { entriesPerScopeMax: 2 });
    const unbounded = await openScopeWorld(backend);
    await granted(bounded.scopes.persist('a', 1));
    await granted(same.scopes.persist('b', 1));
    expect(await codeOf(bounded.scopes.persist('c', 1))).toBe('SCOPE_FULL');
    await granted(unbounded.scopes.persist('c', 1));
    expect(await same.scopes.persist('d', 1)).toMatchObject({ refusal: { limit: 2, used: 3 } });
  });
});

describe('counts', () => {
  it('counts agree with what is there, whatever was done', async () => {
    const scope = fc.constantFrom('a', 'b', 'global');
    const key = fc.constantFrom('k1', 'k2', 'k3', 'k4');
    const ttlMs = fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined });
    const command = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant('persist' as const), scope, key, ttlMs }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('mutate' as const), scope, key, ttlMs }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('purge' as const), scope, key }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('drop' as const), scope }) },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 9 }) }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('replace' as const), scope, from: scope }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 60 }), async (commands) => {
        const { scopes, clock, engine } = await openScopeWorld(memoryBackend);
        for (const one of commands) {
          if (one.do === 'persist' || one.do === 'mutate') {
            const options = { scope: one.scope, ...(one.ttlMs !== undefined && { ttlMs: one.ttlMs }) };
            const done = await scopes[one.do](one.key, 1, options);
            expect(done.ok).toBe(true);
          } else if (one.do === 'purge') await granted(scopes.purge(one.key, { scope: one.scope }));
          else if (one.do === 'drop') await granted(scopes.dropScope(one.scope));
          else if (one.do === 'wait') clock.advance(one.ms);
          else if (one.do === 'sweep') await granted(scopes.sweep());
          else {
            const { text } = await granted(scopes.export({ scope: one.from }));
            await granted(scopes.import(text, { scope: one.scope, mode: 'replace' }));
          }
        }
        const seen = new Map<string, number>();
        for (const name of ['a', 'b', 'global'])
          seen.set(name, (await allEntries(scopes, { scope: name })).length);
        for (const [name, entries] of seen)
          expect(await scopes.count({ scope: name })).toMatchObject({ persistent: entries });
        const there = [...seen]
          .filter(([name, entries]) => entries > 0 || name === 'global')
          .map(([name]) => name);
        expect(await scopes.listScopes()).toMatchObject({ scopes: there });
        expect(await scopes.scopeCount()).toMatchObject({ count: there.length });
        clock.advance(100);
        await granted(scopes.sweep());
        const lasting = (await granted(scopes.countAll())).persistent;
        expect(await recordsOf(engine, 'scope-entry')).toBe(lasting);
        const counters = await granted(
          engine.range<CountRecord>({ ...keysBelow(['scope-count']), limit: 100 }),
        );
        expect(counters.entries.map(({ value }) => value.timed)).toEqual(counters.entries.map(() => 0));
        for (const kind of ['scope-expiry', 'scope-dropped', 'scope-staging'])
          expect([kind, await recordsOf(engine, kind)]).toEqual([kind, 0]);
      }),
      { numRuns: 200 },
    );
  });
});
