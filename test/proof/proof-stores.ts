import { join } from 'node:path';
import { proofDirectory } from './proof-processes.js';
import { sharedServerUrl } from '../servers/shared-server.js';

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

let namespaces = 0;

/** A namespace that nobody else uses, on the server that the tests of a run share. */
const namespaceUrl = (server: 'postgres' | 'redis') => async (): Promise<string> => {
  const url = await sharedServerUrl(server);
  return `${url}${url.includes('?') ? '&' : '?'}namespace=proof-${process.pid}-${namespaces++}`;
};

const all: readonly ProofStore[] = [
  { name: 'memory', shared: false, hammer: { calls: 2_000, budget: 5_000 }, createUrl: () => 'memory:' },
  {
    name: 'sqlite fast',
    shared: true,
    hammer: { calls: 2_000, budget: 5_000 },
    createUrl: sqliteUrl('fast'),
  },
  { name: 'sqlite free', shared: true, hammer: { calls: 300, budget: 1_000 }, createUrl: sqliteUrl('free') },
  {
    name: 'file',
    shared: false,
    hammer: { calls: 2_000, budget: 5_000 },
    createUrl: () => `file:${join(proofDirectory(), 'store')}`,
  },
  {
    name: 'postgres',
    shared: true,
    hammer: { calls: 300, budget: 1_000 },
    createUrl: namespaceUrl('postgres'),
  },
  { name: 'redis', shared: true, hammer: { calls: 1_000, budget: 2_500 }, createUrl: namespaceUrl('redis') },
];

/** As for the list of backends: `AMBIT_TEST_BACKENDS` leaves out all others. */
const chosen: readonly string[] | undefined = process.env['AMBIT_TEST_BACKENDS']?.split(',');

export const proofStores: readonly ProofStore[] = all.filter(
  ({ name }) => chosen === undefined || chosen.includes(name.split(' ')[0] ?? ''),
);

export const sharedStores: readonly ProofStore[] = proofStores.filter(({ shared }) => shared);
