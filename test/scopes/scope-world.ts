import { type FaceWorld, openFace } from '../engine/face-world.js';
import type { ScopeEntry, Scopes, ScopeSettings } from '../../src/scopes/scope-types.js';
import type { Backend } from '../storage/backends.js';
import { createScopes } from '../../src/scopes/scopes.js';
import type { Engine } from '../../src/engine/engine.js';
import { encodeKey } from '../../src/core/keys.js';
import { expect } from 'vitest';
import type { FakeClock } from 'ambit/testing';
import { granted } from '../core/answers.js';
import type { Storage } from '../../src/storage/storage.js';

/** Scopes over a store of a backend, on a clock that the test moves: that of the store and that of the process. */
export interface ScopeWorld {
  readonly scopes: Scopes;
  readonly engine: Engine;
  readonly clock: FakeClock;
  /** Closes the store and opens it again, as a new process would. */
  reopen(): Promise<ScopeWorld>;
}

let faces = 0;

export async function openScopeWorld(
  backend: Backend,
  settings: ScopeSettings = {},
  wrapped?: (storage: Storage) => Storage,
): Promise<ScopeWorld> {
  const world = await openFace<Scopes>(
    backend,
    (engine, clock) => {
      const { scopes, stop } = createScopes(engine, settings, {
        faceId: `face${faces++}`,
        clock: { nowMs: clock, monotonicMs: clock },
      });
      return { face: scopes, stop };
    },
    wrapped,
  );
  return scopeWorld(world);
}

const scopeWorld = (world: FaceWorld<Scopes>): ScopeWorld => ({
  scopes: world.face,
  engine: world.engine,
  clock: world.clock,
  reopen: async () => scopeWorld(await world.reopen()),
});

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
