import { afterEach, expect } from 'vitest';
import type { FakeClock, TestStore } from 'ambit/testing';
import type { ScopeEntry, Scopes, ScopeSettings } from '../../src/scopes/scope-types.js';
import type { Backend } from '../storage/backends.js';
import { createEngine } from '../../src/engine/create-engine.js';
import { createScopes } from '../../src/scopes/scopes.js';
import type { Engine } from '../../src/engine/engine.js';
import { encodeKey } from '../../src/core/keys.js';
import type { Refused } from '../../src/core/refusals.js';
import type { Storage } from '../../src/storage/storage.js';

/** Scopes over a store of a backend, on a clock that the test moves: that of the store and that of the process. */
export interface ScopeWorld {
  readonly scopes: Scopes;
  readonly engine: Engine;
  readonly clock: FakeClock;
  /** Closes the store and opens it again, as a new process would. */
  reopen(): Promise<ScopeWorld>;
}

const opened: { engine: Engine; store: TestStore; stop: () => void }[] = [];
let faces = 0;

afterEach(async () => {
  for (const { engine, store, stop } of opened.splice(0)) {
    stop();
    await engine.close();
    await store.remove?.();
  }
});

export async function openScopeWorld(
  backend: Backend,
  settings: ScopeSettings = {},
  wrapped: (storage: Storage) => Storage = (storage) => storage,
): Promise<ScopeWorld> {
  const store = await backend.createStore();
  if (!store.clock) throw new Error(`${backend.name}: tests of rules need a clock of their own`);
  return worldOf(store, store.clock, settings, wrapped);
}

async function worldOf(
  store: TestStore,
  clock: FakeClock,
  settings: ScopeSettings,
  wrapped: (storage: Storage) => Storage,
): Promise<ScopeWorld> {
  const storage = wrapped(await store.open());
  const engine = createEngine(storage, { instanceId: `scopes${faces}` });
  const { scopes, stop } = createScopes(engine, settings, {
    faceId: `face${faces++}`,
    clock: { nowMs: clock, monotonicMs: clock },
  });
  opened.push({ engine, store, stop });
  return {
    scopes,
    engine,
    clock,
    async reopen() {
      stop();
      await engine.close();
      return worldOf(store, clock, settings, wrapped);
    },
  };
}

/** What was granted; a refusal fails the test. */
export async function granted<T extends { readonly ok: true }>(
  answer: T | Refused | Promise<T | Refused>,
): Promise<T> {
  const settled = await answer;
  if (!settled.ok) throw new Error(`refused: ${settled.refusal.code}: ${settled.refusal.message}`);
  return settled;
}

/** The code of a refusal, or `ok`. */
export async function codeOf(
  answer: { readonly ok: true } | Refused | Promise<{ readonly ok: true } | Refused>,
): Promise<string> {
  const settled = await answer;
  return settled.ok ? 'ok' : settled.refusal.code;
}

/** All entries of a scope, page by page, as `list` gives them. */
export async function allEntries(
  scopes: Scopes,
  options: Parameters<Scopes['list']>[0] = {},
): Promise<readonly ScopeEntry[]> {
  const entries: ScopeEntry[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await granted(scopes.list({ ...options, ...(cursor !== undefined && { cursor }) }));
    entries.push(...page.entries);
    ({ cursor } = page);
    if (cursor === undefined) return entries;
  }
}

/** How many records of a kind the store holds. */
export async function recordsOf(engine: Engine, kind: string): Promise<number> {
  const end = encodeKey([`${kind} `]);
  const page = await engine.range({ start: encodeKey([kind]), end, limit: 1_000 });
  expect(page.ok).toBe(true);
  return page.ok ? page.entries.length : 0;
}
