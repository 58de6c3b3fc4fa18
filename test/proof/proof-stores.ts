import { join } from 'node:path';
import { proofDirectory } from './proof-processes.js';

/** How proofs open a store by its URL, so that processes of their own can open it too. */
export interface ProofStore {
  /** As in the list of backends. */
  readonly name: string;
  /** Whether several processes may open it at once. */
  readonly shared: boolean;
  /** Calls that a process makes in a hammer, and the budget all of them share: as many as take a few seconds. */
  readonly hammer: { readonly calls: number; readonly budget: number };
  /** The URL of an empty store, gone after the test. */
  createUrl(): string | Promise<string>;
}

const sqliteUrl = (eventLoop: 'fast' | 'free') => (): string =>
  `sqlite:${join(proofDirectory(), 'ambit.db')}?eventLoop=${eventLoop}`;

const all: readonly ProofStore[] = [
  { name: 'memory', shared: false, hammer: { calls: 2_000, budget: 5_000 }, createUrl: () => 'memory:' },
  {
    name: 'sqlite fast',
    shared: true,
    hammer: { calls: 2_000, budget: 5_000 },
    createUrl: sqliteUrl('fast'),
  },
  { name: 'sqlite free', shared: true, hammer: { calls: 300, budget: 1_000 }, createUrl: sqliteUrl('free') },
];

/** As for the list of backends: `AMBIT_TEST_BACKENDS` leaves out all others. */
const chosen: readonly string[] | undefined = process.env['AMBIT_TEST_BACKENDS']?.split(',');

export const proofStores: readonly ProofStore[] = all.filter(
  ({ name }) => chosen === undefined || chosen.includes(name.split(' ')[0] ?? ''),
);

export const sharedStores: readonly ProofStore[] = proofStores.filter(({ shared }) => shared);
