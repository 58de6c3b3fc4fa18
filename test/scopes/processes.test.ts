import { describe, expect, it } from 'vitest';
import { proofStores, sharedStores } from '../proof/proof-stores.js';
import { fileURLToPath } from 'node:url';
import { granted } from '../core/answers.js';
import { type Ambit, openAmbit, type ScopeEntry } from 'ambit';
import { type ProofChild, startChild } from '../proof/proof-processes.js';

const script = fileURLToPath(new URL('scope-child.js', import.meta.url));

async function startScenario(scenario: string, options: object): Promise<ProofChild> {
  const child = startChild(scenario, options, script);
  expect(await child.next()).toBe('ready');
  return child;
}

describe.each(sharedStores)('processes on $name', ({ createUrl }) => {
  it('two processes mutate one entry', async () => {
    const storage = await createUrl();
    const ambit = await openAmbit({ storage, durability: 'none', sweepEveryMs: false });
    await granted(ambit.scopes.persist('k', 0));
    const rounds = 5;
    const both = await Promise.all([1, 2].map(() => startScenario('race', { storage, rounds })));
    for (const child of both) child.go();
    for (let round = 0; round < rounds; round++) {
      const read = await Promise.all(both.map((child) => child.next()));
      expect(read[0]).toEqual(read[1]);
      for (const child of both) child.go();
      const codes = (await Promise.all(both.map((child) => child.next()))) as { code: string }[];
      expect(codes.map(({ code }) => code).sort()).toEqual(['VERSION_MISMATCH', 'ok']);
      for (const child of both) child.go();
    }
    expect(await Promise.all(both.map(({ ended }) => ended))).toEqual([0, 0]);
    await ambit.close();
  });

  it('what processes count up by version is counted exactly', async () => {
    const storage = await createUrl();
    const ambit = await openAmbit({ storage, durability: 'none', sweepEveryMs: false });
    await granted(ambit.scopes.persist('k', 0));
    const times = 40;
    const three = await Promise.all([1, 2, 3].map(() => startScenario('count', { storage, times })));
    for (const child of three) child.go();
    await Promise.all(three.map((child) => child.rest()));
    expect(await Promise.all(three.map(({ ended }) => ended))).toEqual([0, 0, 0]);
    expect(await ambit.scopes.retrieve('k')).toMatchObject({ entry: { value: 3 * times } });
    await ambit.close();
  });

  it('a quota is exact across processes', async () => {
    const storage = await createUrl();
    const settings = { entriesPerScopeMax: 50 };
    const three = await Promise.all(
      [1, 2, 3].map((name) => startScenario('fill', { storage, settings, name, entries: 30 })),
    );
    for (const child of three) child.go();
    const said = (await Promise.all(three.map((child) => child.rest()))).flat() as { codes: string[] }[];
    const codes = said.flatMap((line) => line.codes);
    expect(codes).toHaveLength(90);
    expect(codes.filter((code) => code === 'ok')).toHaveLength(50);
    expect(new Set(codes)).toEqual(new Set(['ok', 'SCOPE_FULL']));
    const ambit = await openAmbit({ storage, durability: 'none', sweepEveryMs: false });
    expect(await ambit.scopes.count({ scope: 's' })).toMatchObject({ persistent: 50 });
    await ambit.close();
  });
});

/**
 * The entries of a scope, and that its count agrees with them. A server may still be writing what it was sent by a process
 * that is dead: then the count changes, and both are read again.
 */
async function settledEntries(ambit: Ambit, scope: string): Promise<readonly ScopeEntry[]> {
  for (;;) {
    const before = await granted(ambit.scopes.count({ scope }));
    const page = await granted(ambit.scopes.list({ scope, limit: 1_000 }));
    const after = await granted(ambit.scopes.count({ scope }));
    if (before.persistent !== after.persistent) continue;
    expect(page.cursor).toBeUndefined();
    expect(page.entries).toHaveLength(after.persistent);
    return page.entries;
  }
}

interface Said {
  readonly attempted?: string;
  readonly acknowledged?: string;
  readonly purged?: string;
}

/** Memory dies with its process: there is nothing to find. */
const lasting = proofStores.filter(({ name }) => name !== 'memory');

describe.each(lasting)('kill -9 on $name', ({ createUrl }) => {
  it('kill -9 at any moment: what was acknowledged is there, and nothing that nobody wrote', async () => {
    const storage = await createUrl();
    const kept = new Map<string, 'attempted' | 'acknowledged' | 'purged'>();
    let purges = 0;
    for (let round = 0; round < 3; round++) {
      const child = await startScenario('persist', { storage, round });
      child.go();
      // Another moment in each round.
      for (let lines = 0; lines < 60 + 37 * round; lines++) note(kept, (await child.next()) as Said);
      child.kill('SIGKILL');
      // What it had said until then it had been told.
      for (const line of (await child.rest()) as Said[]) note(kept, line);
      expect(await child.ended).toBe(null);

      const ambit = await openAmbit({ storage, durability: 'none', sweepEveryMs: false });
      let found = 0;
      for (const lane of [0, 1, 2, 3]) {
        const scope = `flow:${lane}`;
        const entries = await settledEntries(ambit, scope);
        for (const { key, value } of entries) {
          expect(value).toMatchObject({ key });
          expect([key, kept.get(key)]).not.toEqual([key, 'purged']);
          found++;
        }
        const there = new Set(entries.map(({ key }) => key));
        for (const [key, state] of kept) {
          if (state === 'acknowledged' && key.split('-')[1] === String(lane))
            expect([key, there.has(key)]).toEqual([key, true]);
        }
      }
      expect(found).toBeGreaterThan(0);
      await granted(ambit.scopes.sweep());
      for (const lane of [0, 1, 2, 3]) {
        await settledEntries(ambit, `dropped:${lane}`);
      }
      await ambit.close();
      purges = [...kept.values()].filter((state) => state === 'purged').length;
    }
    expect(purges).toBeGreaterThan(0);
  });
});

function note(kept: Map<string, 'attempted' | 'acknowledged' | 'purged'>, line: Said): void {
  if (line.attempted !== undefined) kept.set(line.attempted, 'attempted');
  if (line.acknowledged !== undefined) kept.set(line.acknowledged, 'acknowledged');
  if (line.purged !== undefined) kept.set(line.purged, 'purged');
}
