import type { Capabilities, Durability, Storage } from './storage/storage.js';
import { assertDurability, openStorage } from './open-storage.js';
import type { TaskSessions, TaskSettings } from './tasks/task-types.js';
import { AmbitError } from './core/errors.js';
import { createEngine } from './engine/create-engine.js';
import { createTaskSessions } from './tasks/task-sessions.js';
import { randomBytes } from 'node:crypto';
import { startSweeper } from './engine/sweeper.js';

/** How `openAmbit` opens: the store, what it must survive, and the bounds of sessions. */
export interface AmbitOptions {
  /** A URL (`memory:`, `sqlite:./ambit.db`), or a store that was opened already, which Ambit then owns and closes. */
  readonly storage: string | Storage;
  /**
   * The least that an acknowledged call must survive: `power` unless said, and `none` for `memory:`, whose name says so.
   * A store that gives less is refused at open.
   */
  readonly durability?: Durability['level'];
  readonly tasks?: TaskSettings;
  /** How often records past their retention are deleted, in milliseconds; every minute unless said, `false` for never. */
  readonly sweepEveryMs?: number | false;
  /** Memory for cached records, in bytes; 64 MiB unless said. */
  readonly cacheBytesMax?: number;
}

/** An open Ambit. */
export interface Ambit {
  readonly tasks: TaskSessions;
  /** What the store is, and what an acknowledged call survives. */
  readonly capabilities: Capabilities;
  /** Refuses what comes from now on, waits for what was accepted, and closes the store. */
  close(): Promise<void>;
}

const sweepEveryMsDefault = 60_000;

/** Stores that have an owner: two engines on one of them would each believe its cache. */
const owned = new WeakSet<Storage>();

/**
 * Opens Ambit over a store.
 *
 * @throws AmbitError `INVALID_INPUT` for a wrong URL or setting, `DURABILITY_TOO_WEAK`, and what opening the store throws
 * @example
 * ```ts
 * import { openAmbit } from 'ambit';
 *
 * const ambit = await openAmbit({ storage: 'sqlite:./ambit.db' });
 * const created = await ambit.tasks.create({
 *   agentId: 'agent-1',
 *   declaredIntent: 'tidy up the downloads folder',
 *   authorizedTools: ['read_*', 'move_file'],
 *   callBudget: 50,
 * });
 * if (created.ok) {
 *   const answer = await ambit.tasks.use(created.session.sessionId, 'read_file');
 *   console.log(answer.ok ? answer.remaining.calls : answer.refusal.message);
 * }
 * await ambit.close();
 * ```
 */
export async function openAmbit(options: AmbitOptions): Promise<Ambit> {
  if (typeof options !== 'object' || options === null)
    throw new TypeError('openAmbit needs an object of options');
  const sweepEveryMs = options.sweepEveryMs ?? sweepEveryMsDefault;
  if (sweepEveryMs !== false && !(Number.isSafeInteger(sweepEveryMs) && sweepEveryMs >= 1_000)) {
    throw new AmbitError(
      'INVALID_INPUT',
      `sweepEveryMs is ${sweepEveryMs}; it must be false or a whole number from 1000`,
    );
  }
  const byUrl = typeof options.storage === 'string';
  const storage = typeof options.storage === 'string' ? await openStorage(options.storage) : options.storage;
  if (owned.has(storage)) {
    throw new AmbitError(
      'INVALID_INPUT',
      'this storage object is in use by another Ambit; open a second one',
    );
  }
  owned.add(storage);
  try {
    const isMemory = byUrl && storage.capabilities.name === 'memory';
    assertDurability(storage, options.durability ?? (isMemory ? 'none' : 'power'));
    // 64 random bits: no two engines that ever share a store draw the same.
    const instanceId = randomBytes(8).toString('base64url');
    const { cacheBytesMax } = options;
    const engine = createEngine(storage, {
      instanceId,
      ...(cacheBytesMax !== undefined && { cacheBytesMax }),
    });
    const tasks = createTaskSessions(engine, options.tasks);
    const sweeper = sweepEveryMs === false ? undefined : startSweeper(() => tasks.sweep(), sweepEveryMs);
    return {
      tasks,
      capabilities: storage.capabilities,
      async close() {
        await sweeper?.stop();
        await engine.close();
      },
    };
  } catch (error) {
    await storage.close();
    throw error;
  }
}
