import { afterEach } from 'vitest';
import { createEngine, type EngineOptions } from '../../src/engine/create-engine.js';
import { encodeKey, type Key } from '../../src/core/keys.js';
import type { Storage, Write } from '../../src/storage/storage.js';
import type { Engine } from '../../src/engine/engine.js';
import { refuse } from '../../src/core/refusals.js';

export interface Counter {
  readonly count: number;
}

const engines: Engine[] = [];
let instances = 0;

export function engineOn(storage: Storage, options: Partial<EngineOptions> = {}): Engine {
  const engine = createEngine(storage, { instanceId: `engine${instances++}`, ...options });
  engines.push(engine);
  return engine;
}

afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

export const counter = (name: string): Key<Counter> => encodeKey<Counter>(['counter', name]);
export const refusal = refuse({ code: 'BUDGET_EXCEEDED', message: 'full', retryable: false });

export function increment(engine: Engine, key: Key<Counter>, limit = Number.MAX_SAFE_INTEGER) {
  return engine.transact([key], (view) => {
    const count = view.get(key)?.count ?? 0;
    if (count >= limit) return refusal;
    view.put(key, { count: count + 1 });
    return { ok: true as const, count: count + 1 };
  });
}

export async function countIn(storage: Storage, key: Key<Counter>): Promise<number | undefined> {
  const { records } = await storage.read([key]);
  return (records[0]?.value.json as Counter | undefined)?.count;
}

/** A promise and the way to settle it. */
export function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

export function versionOf(write: Write): string[] {
  return write.kind === 'put' ? [write.version] : [];
}
