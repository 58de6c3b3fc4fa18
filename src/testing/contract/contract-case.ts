import type { MaybePromise, Storage } from '../../storage/storage.js';
import type { FakeClock } from '../fake-clock.js';

/** One store for one case of the suite: empty at first, and opened as often as the case needs. */
export interface TestStore {
  /**
   * Opens a handle on this store. Called once for most cases; again while the first handle is open where
   * `capabilities.sharing` says that others may write, and again after all were closed where `durability` says that
   * something survives. What was committed must then be there.
   */
  open(): MaybePromise<Storage>;
  /** The clock that the store reads, where a test can set it: exact boundaries of time are then tested too. */
  readonly clock?: FakeClock;
  /** Removes the store; every handle was closed before. */
  remove?(): MaybePromise<void>;
}

/** Why a case does not apply to a store. */
export interface Skipped {
  readonly skipped: string;
}

/** What a case works with. Handles it opened are closed after it, whatever it did. */
export interface CaseContext {
  /** The store's first handle. */
  readonly storage: Storage;
  /** Another handle on the same store. */
  readonly open: () => Promise<Storage>;
  readonly clock: FakeClock | undefined;
}

/** A case as the files beside this one list them. */
export interface CaseDefinition {
  readonly name: string;
  run(context: CaseContext): MaybePromise<void | Skipped>;
}

/** Gives a list of cases their common first words, so that a red one says where it belongs. */
export function casesOf(subject: string, cases: Record<string, CaseDefinition['run']>): CaseDefinition[] {
  return Object.entries(cases).map(([name, run]) => ({ name: `${subject}: ${name}`, run }));
}

/** Opens a store, runs a case on it, and closes and removes what it opened. */
export async function runCase(
  definition: CaseDefinition,
  createStore: () => MaybePromise<TestStore>,
): Promise<void | Skipped> {
  const store = await createStore();
  const handles: Storage[] = [];
  const open = async (): Promise<Storage> => {
    const handle = await store.open();
    handles.push(handle);
    return handle;
  };
  try {
    return await definition.run({ storage: await open(), open, clock: store.clock });
  } finally {
    for (const handle of handles) await handle.close();
    await store.remove?.();
  }
}
