import { Annotation, END, type LangGraphRunnableConfig, START, StateGraph } from '@langchain/langgraph';
import { encodeKey, type Storage } from 'ambit/storage';
import { expect, test, vi } from 'vitest';
import { daemonScope, flowScope, globalScope, openAmbit } from 'ambit';
import { fakeClock } from 'ambit/testing';
import { granted } from '../core/answers.js';
import { langGraphStore } from 'ambit/langgraph';
import { memoryStorage } from 'ambit/memory';
import type { ScopeSettings } from 'ambit';

async function entriesIn(storage: Storage): Promise<number> {
  const end = encodeKey(['scope-entry ']);
  const { records } = await storage.range({ start: encodeKey(['scope-entry']), end, limit: 1_000 });
  return records.length;
}

test('the names of scopes', () => {
  expect([globalScope, flowScope('a'), daemonScope('b')]).toEqual(['global', 'flow:a', 'daemon:b']);
});

test.each<[ScopeSettings, string]>([
  [{ entriesPerScopeMax: 0 }, 'scopes.entriesPerScopeMax is 0'],
  [{ valueBytesMax: 1_000_001 }, 'scopes.valueBytesMax is 1000001'],
  [{ ephemeralEntriesMax: 1.5 }, 'scopes.ephemeralEntriesMax is 1.5'],
  [{ ephemeralBytesMax: Number.NaN }, 'scopes.ephemeralBytesMax is NaN'],
  [{ entriesMax: 5 } as never, 'scopes.entriesMax is no setting'],
])('a setting that cannot be is refused at open: %o', async (scopes, words) => {
  await expect(openAmbit({ storage: 'memory:', scopes })).rejects.toThrow(words);
});

test('what has expired and what was dropped is swept in the background', async () => {
  const clock = fakeClock();
  const storage = memoryStorage({ clock });
  const ambit = await openAmbit({ storage, durability: 'none', sweepEveryMs: 1_000 });
  const { scopes } = ambit;
  await granted(scopes.persist('a', 1, { scope: 's', ttlMs: 5_000 }));
  await granted(scopes.persist('stays', 1));
  await granted(
    scopes.change(
      Array.from({ length: 300 }, (_, n) => ({ kind: 'persist', scope: 'd', key: `${n}`, value: n })),
    ),
  );
  await granted(scopes.dropScope('d'));
  clock.advance(5_000);
  await vi.waitFor(async () => expect(await entriesIn(storage)).toBe(1), { timeout: 30_000, interval: 50 });
  await ambit.close();
});

test('close does not wait for the end of a drop', async () => {
  const ambit = await openAmbit({ storage: 'memory:' });
  for (let piece = 0; piece < 20; piece++) {
    const changes = Array.from({ length: 500 }, (_, n) => ({
      kind: 'persist' as const,
      scope: 'd',
      key: `${piece}-${n}`,
      value: n,
    }));
    await granted(ambit.scopes.change(changes));
  }
  await granted(ambit.scopes.dropScope('d'));
  const sweep = ambit.scopes.sweep();
  await ambit.close();
  const swept = await sweep;
  // It ended early, or was refused by what is closed; it did not go on.
  expect(swept.ok ? swept.entries : 0).toBeLessThan(10_000);
  expect(await ambit.scopes.persist('k', 1)).toMatchObject({ refusal: { code: 'STORAGE_UNAVAILABLE' } });
});

test('a compiled graph of LangGraph remembers in our store, from one run to the next', async () => {
  const ambit = await openAmbit({ storage: 'memory:' });
  const State = Annotation.Root({ visits: Annotation<number> });
  const visit = async (_state: typeof State.State, { store }: LangGraphRunnableConfig) => {
    const before = await store?.get(['users', 'anna'], 'visits');
    const visits = Number(before?.value['count'] ?? 0) + 1;
    await store?.put(['users', 'anna'], 'visits', { count: visits });
    return { visits };
  };
  const graph = new StateGraph(State)
    .addNode('visit', visit)
    .addEdge(START, 'visit')
    .addEdge('visit', END)
    .compile({ store: langGraphStore(ambit.scopes) });
  expect(await graph.invoke({ visits: 0 })).toEqual({ visits: 1 });
  expect(await graph.invoke({ visits: 0 })).toEqual({ visits: 2 });
  expect(await ambit.scopes.retrieve('visits', { scope: 'langgraph:users/anna/' })).toMatchObject({
    entry: { value: { count: 2 } },
  });
  await ambit.close();
});
